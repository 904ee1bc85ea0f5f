package config

import (
	"cmp"
	"strings"

	"github.com/tacit-secrets/tacit/internal/shell"
	"github.com/tacit-secrets/tacit/secret"
)

// A Login says how a person signs in to the store of an environment.
type Login struct {
	Env     string
	Backend string
	// Command is what to run of the store's own client, for a shell; empty
	// where no person signs in.
	Command string
	// Note says more in one line; empty: nothing more.
	Note string
	// Username is whose password is to be asked for; empty: nobody's. Then
	// [Opened.SignIn] leaves the token in TokenFile.
	Username  string
	TokenFile string
}

// LoginOptions belong to [Opened.Login].
type LoginOptions struct {
	Method   string // of Vault: oidc, userpass, ldap, …; empty: as the files say, or oidc
	Username string // of a method that takes one; of userpass empty: as the files say
}

// Login tells how a person signs in to the store of an environment. Nothing is
// connected to. Invalid: the environment does not fit the options.
func (x *Opened) Login(env string, o LoginOptions) (Login, error) {
	e, err := x.Project.Environment(env)
	if err != nil {
		return Login{}, err
	}
	if e.Backend != BackendVault && o != (LoginOptions{}) {
		return Login{}, secret.Errorf(secret.Invalid, "", "--method and --username are for Vault, and %s is %s", e.Name, e.Backend)
	}
	l := Login{Env: e.Name, Backend: e.Backend}
	switch e.Backend {
	case BackendVault:
		return x.vaultLogin(l, e, o)
	case BackendAWS:
		return awsLogin(l, x.placed(e)), nil
	case BackendAzure:
		return azureLogin(l, e), nil
	default:
		l.Note = "the embedded store needs no login; a passphrase is asked once by:  tacit unlock"
		return l, nil
	}
}

func (x *Opened) vaultLogin(l Login, e Environment, o LoginOptions) (Login, error) {
	auth := deref(e.said.Auth, Auth{})
	method := cmp.Or(o.Method, deref(auth.Method, methodToken))
	file, err := x.outside(e, "auth.token_file", deref(auth.TokenFile, ""))
	if err != nil {
		return l, err
	}
	l.TokenFile = cmp.Or(file, x.sys.tokenFile(x.vaultVars(e)))
	switch method {
	case methodUserpass:
		if l.Username = cmp.Or(o.Username, deref(auth.Username, "")); l.Username == "" {
			return l, secret.Errorf(secret.Invalid, "", "who is to sign in to %s?\n  tacit env login %s --method userpass --username NAME", e.Name, e.Name)
		}
		return l, nil
	case "approle", "kubernetes", "jwt", "cert", "aws":
		l.Note = "signs in by itself, by " + method + ": there is nothing to do"
		return l, nil
	case methodToken:
		method = "oidc"
	}
	at := x.placed(e)
	if at.Address == "" {
		return l, secret.Errorf(secret.Invalid, "", "environment %s names no address\n  add address = \"https://…\" to it in %s, or set VAULT_ADDR", e.Name, FileName)
	}
	client := "vault"
	if x.sys.Var("BAO_ADDR") != "" {
		client = "bao"
	}
	tls, err := x.tls(e)
	if err != nil {
		return l, err
	}
	args := []string{client, "login", "-address=" + at.Address}
	for _, a := range [][2]string{
		{"-namespace=", deref(at.said.Namespace, "")}, {"-ca-cert=", tls.CACert}, {"-tls-server-name=", tls.ServerName},
	} {
		if a[1] != "" && !isPEM(a[1]) {
			args = append(args, a[0]+a[1])
		}
	}
	args = append(args, "-method="+method)
	if o.Username != "" { // of ldap, okta, radius
		args = append(args, "username="+o.Username)
	}
	if file != "" { // the client knows only the file of its own
		l.Command = "(umask 077; " + shellWords(append(args, "-no-store", "-token-only")) + " > " + shellWords([]string{file}) + ")"
	} else {
		l.Command = shellWords(args)
	}
	l.Note = "leaves the token in " + l.TokenFile
	return l, nil
}

func awsLogin(l Login, e Environment) Login {
	words := []string{"aws", "sso", "login"}
	if p := deref(e.said.Profile, ""); p != "" {
		words = append(words, "--profile", p)
	}
	l.Command, l.Note = shellWords(words), "for a profile with SSO: others bring their credentials along"
	return l
}

func azureLogin(l Login, e Environment) Login {
	tenant := deref(e.said.TenantID, "")
	switch c := deref(e.said.Credential, "default"); c {
	case "azd":
		l.Command = shellWords(withTenant([]string{"azd", "auth", "login"}, "--tenant-id", tenant))
	case "default", "cli":
		l.Command = shellWords(withTenant([]string{"az", "login"}, "--tenant", tenant))
		if name := map[string]string{cloudUSGov: "AzureUSGovernment", cloudChina: "AzureChinaCloud"}[deref(e.said.Cloud, "")]; name != "" {
			l.Command = "az cloud set --name " + name + " && " + l.Command
		}
	default:
		l.Note = "signs in by itself, by " + c + ": there is nothing to do"
	}
	return l
}

func withTenant(words []string, flag, tenant string) []string {
	if tenant == "" {
		return words
	}
	return append(words, flag, tenant)
}

// shellWords writes words for a POSIX shell: what it would take apart is
// quoted.
func shellWords(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		home := ""
		if rest, ok := strings.CutPrefix(w, "~/"); ok {
			home, w = "~/", rest
		}
		if w != "" || home == "" {
			w = shell.Word(w)
		}
		out[i] = home + w
	}
	return strings.Join(out, " ")
}
