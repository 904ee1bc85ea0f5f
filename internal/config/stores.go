package config

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tacit-secrets/tacit/backend/awssm"
	"github.com/tacit-secrets/tacit/backend/azurekv"
	"github.com/tacit-secrets/tacit/backend/vault"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// This file makes the settings of the stores that teams run, from trusted
// files and from the variables of the stores' own clients. Nothing here
// connects to anything.

// vaultSettings joins what the files say with the variables of Vault's
// clients. The variables belong together: where VAULT_ADDR names another
// server than the files do, none of them counts, or its token would be shown
// to a server that it is not for.
func (x *Opened) vaultSettings(ctx context.Context, e Environment) (vault.Settings, error) {
	said := e.said
	env := x.vaultVars(e)
	s := vault.Settings{
		Address: cmp.Or(e.Address, env("ADDR")), Namespace: cmp.Or(deref(said.Namespace, ""), env("NAMESPACE")),
		Mount: strings.Trim(e.Mount, "/"), Version: deref(said.KVVersion, 0),
	}
	switch skip, err := strconv.ParseBool(cmp.Or(env("SKIP_VERIFY"), "false")); {
	case s.Address == "":
		return s, secret.Errorf(secret.Invalid, "", "environment %s names no address\n  add address = \"https://…\" to it in %s, or set VAULT_ADDR", e.Name, FileName)
	case skip || err != nil:
		return s, secret.Errorf(secret.Invalid, "", "VAULT_SKIP_VERIFY is set: whoever answers would be believed, and given the token\n  unset VAULT_SKIP_VERIFY, and name the authority:  ca_cert in %s, or VAULT_CACERT", FileName)
	}
	s.PlainHTTP = x.user.plain(s.Address)
	s.Prefix, s.Declared = e.Prefix, x.declaredIn(e)
	var err error
	if s.TLS, err = x.tls(e); err != nil {
		return s, err
	}
	if said.CACert == nil {
		if s.TLS.CACert, err = x.authorities(env); err != nil {
			return s, err
		}
	}
	if said.ClientCert == nil && said.ClientKey == nil {
		s.TLS.ClientCert, s.TLS.ClientKey = x.sys.path(env("CLIENT_CERT")), x.sys.path(env("CLIENT_KEY"))
	}
	s.TLS.ServerName = cmp.Or(s.TLS.ServerName, env("TLS_SERVER_NAME"))
	s.Auth, err = x.vaultAuth(ctx, e, env)
	return s, err
}

// vaultVars reads the variables of Vault's clients that count for an
// environment: BAO_NAME, or else VAULT_NAME, but none of those whose own address
// is of another server.
func (x *Opened) vaultVars(e Environment) func(name string) string {
	meant := cmp.Or(e.Address, x.sys.vaultVar("ADDR"))
	var families []string
	for _, f := range []string{"BAO_", "VAULT_"} {
		if addr := x.sys.Var(f + "ADDR"); addr == "" || sameAddress(meant, addr) {
			families = append(families, f)
		}
	}
	return func(name string) string {
		for _, f := range families {
			if v := x.sys.Var(f + name); v != "" {
				return v
			}
		}
		return ""
	}
}

// authorities are those that the variables name: a file, or else the text itself.
func (x *Opened) authorities(env func(string) string) (string, error) {
	if file := env("CACERT"); file != "" {
		return x.sys.path(file), nil
	}
	text := env("CACERT_BYTES")
	if text != "" && !isPEM(text) { // it would be taken for a file
		return "", secret.Errorf(secret.Invalid, "", "VAULT_CACERT_BYTES holds no certificate in PEM form\n  unset VAULT_CACERT_BYTES, and name the file:  VAULT_CACERT")
	}
	return text, nil
}

// declaredIn lists what is declared for an environment and lies in it, by the
// names that its store knows.
func (x *Opened) declaredIn(e Environment) []secret.Name {
	all, err := x.Project.Declarations(e.Name)
	if err != nil {
		return nil // told where it is asked for
	}
	var out []secret.Name
	for _, r := range Refs(all) {
		if n := secret.Name(e.Prefix) + r.Name; r.Env == e.Name && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// placed fills in where an environment lies, as far as the variables tell.
func (x *Opened) placed(e Environment) Environment {
	switch e.Backend {
	case BackendVault:
		env := x.vaultVars(e)
		if ns := env("NAMESPACE"); e.said.Namespace == nil && ns != "" {
			e.said.Namespace = &ns
		}
		e.Address = cmp.Or(e.Address, env("ADDR"))
	case BackendAWS:
		if region := cmp.Or(x.sys.Var("AWS_REGION"), x.sys.Var("AWS_DEFAULT_REGION")); e.said.Region == nil && region != "" {
			e.said.Region = &region
		}
		if profile := x.sys.Var("AWS_PROFILE"); e.said.Profile == nil && profile != "" {
			e.said.Profile = &profile
		}
	}
	return e
}

// vaultAuth says how to sign in to Vault; env returns its variables.
func (x *Opened) vaultAuth(ctx context.Context, e Environment, env func(string) string) (vault.Auth, error) {
	said := deref(e.said.Auth, Auth{})
	a := vault.Auth{
		Method: deref(said.Method, methodToken), Mount: strings.Trim(deref(said.Mount, ""), "/"), Namespace: deref(said.Namespace, ""),
		Role: deref(said.Role, ""), Username: deref(said.Username, ""), Region: deref(said.Region, ""), ServerID: deref(said.ServerID, ""),
	}
	file := func(path *string, name string) (string, error) { return x.outside(e, "auth."+name, deref(path, "")) }
	var err error
	switch a.Method {
	case methodToken:
		a.TokenFile, err = file(said.TokenFile, "token_file")
		if t := env("TOKEN"); a.TokenFile == "" && t != "" {
			a.Token = secret.Text(t)
		} else if a.TokenFile == "" {
			a.TokenFile = x.sys.tokenFile(env)
		}
	case "approle":
		a.RoleID, a.Wrapped = cmp.Or(deref(said.RoleID, ""), env("ROLE_ID")), deref(said.Wrapped, false)
		a.SecretIDFile, err = file(said.SecretIDFile, "secret_id_file")
		if id := env("SECRET_ID"); a.SecretIDFile == "" && id != "" {
			a.SecretID = secret.Text(id)
		}
	case "kubernetes":
		a.JWTFile, err = file(said.JWTFile, "jwt_file")
	case "jwt":
		if a.JWTFile, err = file(said.JWTFile, "jwt_file"); err == nil && a.JWTFile == "" {
			err = x.identityToken(e, said, &a)
		}
	case methodUserpass:
		a.Password, err = x.password(ctx, e, said)
	}
	return a, err
}

// identityToken takes a job's identity from a variable, or says where GitHub
// Actions hands it out.
func (x *Opened) identityToken(e Environment, said Auth, a *vault.Auth) error {
	if name := deref(said.JWTVariable, ""); name != "" {
		v := x.sys.Var(name)
		if v == "" {
			return secret.Errorf(secret.Unauthenticated, "", "environment %s signs in with the token in %s, which is not set\n  in GitLab:  id_tokens: {%s: {aud: …}}", e.Name, name, name)
		}
		a.JWT = secret.Text(v)
		return nil
	}
	a.GitHub = wire.GitHub{
		URL: x.sys.Var("ACTIONS_ID_TOKEN_REQUEST_URL"), Token: secret.Text(x.sys.Var("ACTIONS_ID_TOKEN_REQUEST_TOKEN")), Audience: deref(said.Audience, ""),
	}
	if a.GitHub.URL == "" || a.GitHub.Token.Len() == 0 {
		return secret.Errorf(secret.Unauthenticated, "", "environment %s signs in with a job's token, and there is none here\n  set auth.jwt_file or auth.jwt_variable; in GitHub Actions:  permissions: {id-token: write}", e.Name)
	}
	return nil
}

// password reads the password of method userpass, or asks for it.
func (x *Opened) password(ctx context.Context, e Environment, said Auth) (secret.Value, error) {
	path, err := x.outside(e, "auth.password_file", deref(said.PasswordFile, ""))
	switch {
	case err != nil:
		return secret.Value{}, err
	case path != "":
		return readCredential(path)
	case x.opts.Passphrase == nil:
		return secret.Value{}, secret.Errorf(secret.Unauthenticated, "", "environment %s signs in with a password, and there is nobody to ask for it\n  tacit env login %s, and method = \"token\"; or set auth.password_file", e.Name, e.Name)
	}
	b, err := x.opts.Passphrase(ctx, "password of "+deref(said.Username, "")+" for "+e.Name)
	return secret.Text(string(b)), err
}

// maxCredential bounds a file that holds a password.
const maxCredential = 4096

func readCredential(path string) (secret.Value, error) {
	f, err := os.Open(path) //nolint:gosec // trusted files name it
	if err != nil {
		return secret.Value{}, secret.Errorf(secret.Unauthenticated, "", "%s: cannot be read: %s", path, cause(err))
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxCredential+1))
	b = bytes.TrimRight(b, "\r\n")
	if err != nil || len(b) == 0 || len(b) > maxCredential {
		return secret.Value{}, secret.Errorf(secret.Unauthenticated, "", "%s: holds no password of 1 to %d bytes", path, maxCredential)
	}
	return secret.Text(string(b)), nil
}

// awsSettings says what the files do; the SDK finds the rest of its chain by
// itself.
func (x *Opened) awsSettings(e Environment) (awssm.Settings, error) {
	said := e.said
	window, err := ParseSpan(deref(said.RecoveryWindow, "0s"))
	if err != nil {
		return awssm.Settings{}, err
	}
	s := awssm.Settings{
		Region: deref(said.Region, ""), Endpoint: e.Address, Profile: deref(said.Profile, ""), RoleARN: deref(said.RoleARN, ""),
		ExternalID: deref(said.ExternalID, ""), SessionName: deref(said.SessionName, ""), KMSKey: deref(said.KMSKey, ""),
		Window: window, PlainHTTP: x.user.plain(e.Address),
	}
	if url := x.sys.Var("ACTIONS_ID_TOKEN_REQUEST_URL"); url != "" {
		s.GitHub = wire.GitHub{URL: url, Token: secret.Text(x.sys.Var("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))}
	}
	s.TLS, err = x.tls(e)
	return s, err
}

// azureSettings says what the files do; the SDK finds the rest of its chain by
// itself. Another authority it would look up in Microsoft's directory, which
// knows none but Microsoft's: so that variable is read here.
func (x *Opened) azureSettings(e Environment) (azurekv.Settings, error) {
	said := e.said
	_, authority := azureCloud(deref(said.Cloud, cloudPublic))
	s := azurekv.Settings{
		Address: e.Address, Credential: deref(said.Credential, ""), TenantID: deref(said.TenantID, ""), ClientID: deref(said.ClientID, ""),
		Authority: cmp.Or(deref(said.Authority, ""), authority, x.sys.Var("AZURE_AUTHORITY_HOST")), Rates: &x.rates,
	}
	var err error
	if s.CertFile, err = x.outside(e, "cert_file", deref(said.CertFile, "")); err != nil {
		return s, err
	}
	if s.TokenFile, err = x.outside(e, "token_file", deref(said.TokenFile, "")); err != nil {
		return s, err
	}
	switch url := x.sys.Var("ACTIONS_ID_TOKEN_REQUEST_URL"); {
	case s.Credential == "workload" && s.TokenFile == "" && x.sys.Var("AZURE_FEDERATED_TOKEN_FILE") == "" && url != "":
		s.GitHub = wire.GitHub{URL: url, Token: secret.Text(x.sys.Var("ACTIONS_ID_TOKEN_REQUEST_TOKEN")), Audience: deref(said.Audience, "")}
	case s.Credential == "pipelines":
		of := func(name string) string { return x.sys.Var("AZURESUBSCRIPTION_" + name) } // set by the task AzureCLI@2
		s.TenantID, s.ClientID = cmp.Or(s.TenantID, of("TENANT_ID")), cmp.Or(s.ClientID, of("CLIENT_ID"))
		s.Pipelines = azurekv.Pipelines{
			Connection: cmp.Or(deref(said.Connection, ""), of("SERVICE_CONNECTION_ID")), Token: secret.Text(x.sys.Var("SYSTEM_ACCESSTOKEN")),
		}
	}
	s.TLS, err = x.tls(e)
	return s, err
}

// tls is what the files say about the server's certificate, and one's own.
func (x *Opened) tls(e Environment) (t wire.TLS, err error) {
	t.CACert, t.ServerName = deref(e.said.CACert, ""), deref(e.said.ServerName, "")
	if !isPEM(t.CACert) {
		if t.CACert, err = x.outside(e, "ca_cert", t.CACert); err != nil {
			return t, err
		}
	}
	if t.ClientCert, err = x.outside(e, "client_cert", deref(e.said.ClientCert, "")); err != nil {
		return t, err
	}
	t.ClientKey, err = x.outside(e, "client_key", deref(e.said.ClientKey, ""))
	return t, err
}

// outside returns the path of a file that a setting names. It lies outside of
// the project: trust covers the bytes of tacit.toml and not of this file, so
// whoever can change a file of the project could put another one in its place.
func (x *Opened) outside(e Environment, setting, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	if below, ok := strings.CutPrefix(path, "~/"); ok {
		if x.sys.Home == "" {
			return "", secret.Errorf(secret.Invalid, "", "env.%s.%s begins with ~/, and there is no home", e.Name, setting)
		}
		path = filepath.Join(x.sys.Home, below)
	}
	path = filepath.Clean(path)
	for _, root := range []string{x.Root, x.bindRoot} {
		if root != "" && inside(root, path) {
			return "", secret.Errorf(secret.Invalid, "", "env.%s.%s names a file of the project, which is not under trust: a pull could change it unseen\n  put it elsewhere; the text of certificates may stand in %s itself", e.Name, setting, FileName)
		}
	}
	return path, nil
}

// maxLinks is how many links are followed on the way to a file.
const maxLinks = 40

// inside reports whether a file lies in a folder, or whether the way to it
// passes through: a link there could be turned elsewhere.
func inside(folder, path string) bool {
	folder = resolved(folder)
	root := filepath.VolumeName(path) + string(filepath.Separator)
	at, rest := root, strings.Split(strings.TrimPrefix(path, root), string(filepath.Separator))
	for links := 0; len(rest) > 0; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		if rel, err := filepath.Rel(folder, next); err == nil && filepath.IsLocal(rel) {
			return true
		}
		target, err := os.Readlink(next)
		if err != nil { // no link
			at = next
			continue
		}
		if links++; links > maxLinks {
			return true
		}
		if filepath.IsAbs(target) {
			at = root
		}
		rest = append(strings.Split(strings.TrimPrefix(filepath.Clean(target), root), string(filepath.Separator)), rest...)
	}
	return false
}

// path makes a path of a variable absolute.
func (s System) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(s.Dir, p)
}

// tokenFile is where Vault's clients leave their token; env returns their
// variables.
func (s System) tokenFile(env func(name string) string) string {
	if p := s.path(env("TOKEN_PATH")); p != "" {
		return p
	}
	return filepath.Join(s.Home, ".vault-token")
}

// plain reports whether the user's own settings allow an address without TLS.
func (u *User) plain(address string) bool {
	return strings.HasPrefix(address, "http://") && slices.ContainsFunc(u.PlainHTTP, func(a string) bool { return sameAddress(a, address) })
}

// closers are the stores that have something to give back when tacit ends.
type closers struct {
	mu  sync.Mutex
	all []io.Closer
}

// keep remembers a store that was opened.
func (c *closers) keep(b secret.Backend) {
	if closer, ok := b.(io.Closer); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, closer)
	}
}

// take returns what closes them; they are not kept any more.
func (c *closers) take() (closeAll func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return func() error {
		errs := make([]error, len(all))
		var wg sync.WaitGroup
		for i, closer := range all {
			wg.Go(func() { errs[i] = closer.Close() })
		}
		wg.Wait()
		return errors.Join(errs...)
	}
}
