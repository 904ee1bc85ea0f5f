package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tacit-secrets/tacit/secret"
)

// Methods of signing in to Vault, and kinds of Azure credentials.
const (
	methodToken    = "token"
	methodUserpass = "userpass"
)

func authMethods() []string {
	return []string{methodToken, "approle", "kubernetes", "jwt", methodUserpass, "cert", "aws"}
}

func azureCredentials() []string {
	return []string{"default", "env", "workload", "managed", "cli", "azd", "pipelines", "cert"}
}

// maxSetting bounds the text of one setting but for a certificate.
const maxSetting = 1024

// A wrong is what is wrong with a setting of an environment.
type wrong struct {
	key  []string
	text string
}

// problems lists what is wrong with the settings of one environment. alone
// says that the kind of store may be told elsewhere, in another file.
func (e *Env) problems(alone bool) []wrong {
	var out []wrong
	backend, method := deref(e.Backend, BackendLocal), methodToken
	if e.Auth != nil {
		method = deref(e.Auth.Method, methodToken)
	}
	known := slices.Contains(Backends(), backend) && (e.Backend != nil || !alone)
	for _, s := range e.said() {
		if text := s.problem(); text != "" {
			out = append(out, wrong{s.key(), text})
			continue
		}
		if s.Name == "backend" || !known {
			continue
		}
		if whose, ok := s.belongs(backend, method); !ok {
			out = append(out, wrong{s.key(), s.foreign(whose, backend, method)})
		}
	}
	if e.Vault != nil && e.Address != nil {
		out = append(out, wrong{[]string{"vault"}, "give the vault's name or its address, not both"})
	}
	return out
}

func (s *marked) foreign(whose []string, backend, method string) string {
	if slices.Contains(s.stores, backend) {
		return fmt.Sprintf("%s belongs to the method %s, and this one is %s", s.Name, strings.Join(whose, ", "), method)
	}
	return fmt.Sprintf("%s belongs to %s, and this environment is %s", s.Name, strings.Join(whose, ", "), backend)
}

// problem tells what is wrong with the value of a setting by itself; empty if
// nothing is.
func (s *marked) problem() string {
	switch v := s.Value; s.Name {
	case "backend":
		return noneOf(v, Backends())
	case "prefix":
		return textOf(checkPrefix(v))
	case "lease_prefix":
		return textOf(secret.Name(v + "x").Check())
	case "address", "authority":
		return textOf(checkAddress(v))
	case "mount", "namespace", "auth.mount", "auth.namespace":
		return textOf(secret.Name(strings.Trim(v, "/")).Check())
	case "kv_version":
		return noneOf(v, []string{"1", "2"})
	case "auth.method":
		return noneOf(v, authMethods())
	case "credential":
		return noneOf(v, azureCredentials())
	case "cloud":
		return noneOf(v, clouds())
	case "vault":
		return vaultNameProblem(v)
	case "role_arn":
		return roleProblem(v)
	case "offline":
		return offlineProblem(v)
	case "recovery_window":
		return windowProblem(v)
	case "ca_cert":
		return authoritiesProblem(v)
	}
	return s.textProblem()
}

// textProblem is problem for settings that are a text of some kind.
func (s *marked) textProblem() string {
	switch {
	case s.isFile():
		return fileProblem(s.Value)
	case s.Name == "auth.jwt_variable" && !isVariable(s.Value):
		return fmt.Sprintf("%q is no name of a variable", s.Value)
	default:
		return lineProblem(s.Value)
	}
}

// isFile reports whether a setting names a file.
func (s *marked) isFile() bool {
	switch s.Name {
	case "ca_cert":
		return !isPEM(s.Value)
	case "client_cert", "client_key", "cert_file":
		return true
	}
	return strings.HasSuffix(s.Name, "_file")
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func noneOf(v string, all []string) string {
	if slices.Contains(all, v) {
		return ""
	}
	return fmt.Sprintf("%q is none of %s", v, strings.Join(all, ", "))
}

func checkPrefix(p string) error {
	if p == "" {
		return nil
	}
	name, ok := strings.CutSuffix(p, "/")
	if !ok {
		return fmt.Errorf("a prefix ends in %q", "/")
	}
	return secret.Name(name).Check()
}

// checkAddress refuses what is no address of a server. A name or password in
// it would be a credential in a committed file, so its text is not repeated.
func checkAddress(s string) error {
	if text := lineProblem(s); text != "" {
		return errors.New(text)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return errors.New("this is no address: write https://host:port")
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("an address begins with https://, not %s://", u.Scheme)
	case u.User != nil:
		return errors.New("an address holds no name and no password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("an address holds no ? and no #")
	}
	return nil
}

// lineProblem refuses what is no single, short line.
func lineProblem(s string) string {
	switch {
	case strings.TrimSpace(s) == "":
		return "is empty: leave it out"
	case len(s) > maxSetting:
		return fmt.Sprintf("is longer than %d bytes", maxSetting)
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }):
		return "holds control characters"
	}
	return ""
}

// fileProblem wants a path that is the same wherever tacit is started.
func fileProblem(s string) string {
	if text := lineProblem(s); text != "" {
		return text
	}
	if !filepath.IsAbs(s) && !strings.HasPrefix(s, "~/") {
		return "a file is named by an absolute path, or one that begins with ~/"
	}
	return ""
}

func isPEM(s string) bool { return strings.HasPrefix(strings.TrimSpace(s), "-----BEGIN ") }

func authoritiesProblem(s string) string {
	if !isPEM(s) {
		return fileProblem(s)
	}
	if len(s) > MaxFileBytes || !x509.NewCertPool().AppendCertsFromPEM([]byte(s)) {
		return "holds no certificate in PEM form"
	}
	return ""
}

func vaultNameProblem(s string) string {
	if ok, _ := regexp.MatchString(`^[A-Za-z](-?[A-Za-z0-9]){2,23}$`, s); !ok || len(s) > 24 {
		return fmt.Sprintf("%q is no name of a vault: 3 to 24 letters, digits and single -", s)
	}
	return ""
}

func roleProblem(s string) string {
	if text := lineProblem(s); text != "" {
		return text
	}
	if accountOf(s) == "" {
		return "this is no role: write arn:aws:iam::123456789012:role/NAME"
	}
	return ""
}

func windowProblem(s string) string {
	const day = 24 * time.Hour
	if d, err := ParseSpan(s); err != nil || d < 7*day || d > 30*day || d%day != 0 {
		return fmt.Sprintf("%q is not 7d to 30d, in whole days", s)
	}
	return ""
}

// isCredential reports whether a setting's name is that of something which no
// committed file may hold.
func isCredential(name string) bool {
	switch name {
	case "token", "password", "secret_id", "jwt", "client_secret", "secret_key", "access_key", "secret_access_key", "access_key_id", "session_token":
		return true
	}
	return false
}
