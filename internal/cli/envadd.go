package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

type envAddFlags struct {
	backend   string
	prefix    string
	protected bool
	noTest    bool
	try       string
	given     bool // a flag says how: nothing is asked
	prefixed  bool // --prefix was given, perhaps empty
	settings  []config.Said
}

func (a *app) envAddCommand() *cobra.Command {
	var f envAddFlags
	c := &cobra.Command{
		Use:   "add [NAME]",
		Short: "Add an environment to tacit.toml",
		Long: `Add an environment to tacit.toml, and trust that edit. On a terminal the few questions
are asked, unless flags answer them; each setting of tacit.toml has its flag.

The connection to a store elsewhere is tried before anything is written, by the least right
that suffices: listing names, or what is known of the one that --try names. No credential is asked for or written: see tacit env login.`,
		Example: `  tacit env add staging
  tacit env add prod --protected
  tacit env add prod --backend vault --address https://vault.example.com:8200
  tacit env add prod --backend awssm --region eu-west-1 --profile prod
  tacit env add prod --backend azurekv --vault my-vault --no-test`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions, // a new name
		RunE: func(cmd *cobra.Command, args []string) error {
			f.prefixed = cmd.Flags().Changed("prefix")
			f.settings = settingsGiven(cmd)
			f.given = f.prefixed || len(f.settings) > 0 || cmd.Flags().Changed("backend") || cmd.Flags().Changed("protected")
			return a.envAdd(cmd.Context(), strings.Join(args, ""), f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.backend, "backend", config.BackendLocal, "the `kind` of store: local, vault, awssm or azurekv")
	fs.StringVar(&f.prefix, "prefix", "", "what stands before its names in the store (local: default NAME/)")
	fs.BoolVar(&f.protected, "protected", false, "writes ask first, and agents are refused")
	fs.StringVar(&f.try, "try", "", "try the connection with the secret `NAME`, where names may not be listed")
	fs.BoolVar(&f.noTest, "no-test", false, "do not try the connection")
	for _, s := range config.EnvSettings() {
		text := strings.Join(s.Stores, ", ") + ": " + s.Doc
		if s.Bool {
			fs.Bool(flagOf(s), false, text)
		} else {
			fs.String(flagOf(s), "", text)
		}
	}
	return c
}

// flagOf is the flag of a setting: --auth-role-id of auth.role_id.
func flagOf(s config.EnvSetting) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(s.Name)
}

// settingsGiven are the settings whose flags were given.
func settingsGiven(cmd *cobra.Command) []config.Said {
	var out []config.Said
	for _, s := range config.EnvSettings() {
		if f := cmd.Flags().Lookup(flagOf(s)); f.Changed {
			out = append(out, config.Said{Name: s.Name, Value: f.Value.String()})
		}
	}
	return out
}

func (a *app) envAdd(ctx context.Context, name string, f envAddFlags) error {
	if err := a.refuseAgent(ctx, "add an environment"); err != nil {
		return err
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	e, err := a.newEnv(ctx, o, name, f)
	if err != nil {
		return err
	}
	env, err := o.Preview(e)
	if err != nil {
		return err
	}
	if !f.noTest && env.Backend != config.BackendLocal {
		if err := a.tryEnv(ctx, o, e, env, f); err != nil {
			return err
		}
	}
	if err := o.AddEnv(ctx, e); err != nil {
		return err
	}
	if a.flags.json {
		return a.object(envJSON{Env: e.Name, Backend: e.Backend, Protected: e.Protected, Prefix: env.Prefix, Address: env.Address})
	}
	a.done("added", e.Name, "in %s", config.FileName)
	return nil
}

// newEnv is the environment that the flags, or the answers of a person,
// describe.
func (a *app) newEnv(ctx context.Context, o *config.Opened, name string, f envAddFlags) (config.NewEnv, error) {
	e := config.NewEnv{Name: name, Backend: f.backend, Protected: f.protected, Settings: f.settings}
	if f.prefixed {
		e.Prefix = &f.prefix
	}
	if name == "" {
		if !a.interactive() {
			return e, secret.Errorf(secret.Invalid, "", "which environment is to be added?\n  tacit env add NAME")
		}
		var err error
		if e.Name, err = a.ask(ctx, "name of the environment"); err != nil {
			return e, err
		}
	}
	if err := o.CheckNewEnv(e); err != nil || !a.interactive() || f.given || a.flags.yes {
		return e, err
	}
	err := a.askEnv(ctx, &e)
	return e, err
}

// tryEnv tries the connection to a store before its environment is added.
func (a *app) tryEnv(ctx context.Context, o *config.Opened, e config.NewEnv, env config.Environment, f envAddFlags) error {
	names, err := oneName(f.try)
	if err != nil {
		return err
	}
	b, closeIt, err := o.Try(e)
	if err != nil {
		return err
	}
	found, err := a.connectionOf(ctx, attempt{b, o.Caller, env, names, ""}, !f.given && !a.flags.yes)
	if closing := closeIt(ctx); err == nil {
		err = closing
	}
	if err == nil && found.Status != secret.FindingOK {
		err = secret.Errorf(secret.Denied, "", "%s\n  %s\n  or name a secret that these credentials may read:  --try NAME", found.Evidence, found.Remedy)
	}
	if err != nil {
		return secret.Errorf(cmp.Or(secret.KindOf(err), secret.Unavailable), "", "%s\n  nothing was changed; to add it without trying:  --no-test", err)
	}
	if !a.flags.json {
		a.done("connected", e.Name, "%s", found.Evidence)
	}
	return nil
}

// connectionOf tries a connection. Where names may not be listed, and may be
// asked for, a person can name one that may be read.
func (a *app) connectionOf(ctx context.Context, t attempt, asks bool) (secret.Finding, error) {
	f, err := connection(ctx, t)
	if err != nil || f.Status == secret.FindingOK || !asks || len(t.names) > 0 || !a.interactive() {
		return f, err
	}
	name, err := a.askOr(ctx, "names may not be listed; a secret that may be read, to try with", "")
	if err != nil || name == "" {
		return f, err
	}
	if t.names, err = oneName(name); err != nil {
		return f, err
	}
	return connection(ctx, t)
}

// oneName is a list of the name, empty if there is none.
func oneName(text string) ([]secret.Name, error) {
	if text == "" {
		return nil, nil
	}
	n, err := secret.ParseName(text)
	return []secret.Name{n}, err
}

// askEnv asks the few questions that make an environment. An empty answer
// leaves what stands in brackets.
func (a *app) askEnv(ctx context.Context, e *config.NewEnv) error {
	var err error
	if e.Backend, err = a.askOr(ctx, "kind of store: "+strings.Join(config.Backends(), ", "), config.BackendLocal); err != nil {
		return err
	}
	if !slices.Contains(config.Backends(), e.Backend) {
		return secret.Errorf(secret.Invalid, "", "%q is none of %s", e.Backend, strings.Join(config.Backends(), ", "))
	}
	for _, q := range questions(e.Backend, a.sys.Var("VAULT_ADDR")) {
		answer, err := a.askOr(ctx, q.text, q.otherwise)
		if err != nil {
			return err
		}
		if answer != "" && (answer != q.otherwise || q.setting == "address") { // what one variable says here, others may not have
			e.Settings = append(e.Settings, config.Said{Name: q.setting, Value: answer})
		}
		if q.setting == "auth.method" {
			if err := a.askMethod(ctx, e, answer); err != nil {
				return err
			}
		}
	}
	if e.Backend != config.BackendLocal {
		prefix, err := a.askOr(ctx, "prefix of its names in the store, like "+e.Name+"/", "")
		if err != nil {
			return err
		}
		if prefix != "" {
			e.Prefix = &prefix
		}
	}
	e.Protected, err = a.wants(ctx, "protect it: writes ask first, and agents are refused")
	return err
}

type question struct{ setting, text, otherwise string }

// questions are those without whose answers a store is not found.
func questions(backend, vaultAddr string) []question {
	switch backend {
	case config.BackendVault:
		return []question{
			{"address", "address of the store, like https://vault.example.com:8200", vaultAddr},
			{"mount", "mount of the KV engine", "secret"},
			{"auth.method", "sign in by: token, approle, kubernetes, jwt, userpass, cert, aws", "token"},
		}
	case config.BackendAWS:
		return []question{
			{"region", "region, like eu-west-1", ""},
			{"profile", "profile of the AWS configuration", ""},
		}
	case config.BackendAzure:
		return []question{
			{"vault", "name of the vault", ""},
			{"tenant_id", "tenant", ""},
		}
	default:
		return nil
	}
}

// askMethod asks what a way to sign in to Vault cannot do without.
func (a *app) askMethod(ctx context.Context, e *config.NewEnv, method string) error {
	var more []question
	switch method {
	case "approle":
		more = []question{{"auth.role_id", "role id", ""}, {"auth.secret_id_file", "file of the secret id", ""}}
	case "kubernetes", "jwt", "aws":
		more = []question{{"auth.role", "role", ""}}
	case "userpass":
		more = []question{{"auth.username", "name of the user", ""}}
	case "cert":
		more = []question{{"client_cert", "file of the client certificate", ""}, {"client_key", "file of its key", ""}}
	}
	for _, q := range more {
		answer, err := a.askOr(ctx, q.text, q.otherwise)
		if err != nil {
			return err
		}
		if answer != "" {
			e.Settings = append(e.Settings, config.Said{Name: q.setting, Value: answer})
		}
	}
	return nil
}

// askOr asks for a line; an empty one is the answer in brackets.
func (a *app) askOr(ctx context.Context, what, otherwise string) (string, error) {
	if otherwise != "" {
		what += " [" + otherwise + "]"
	}
	answer, err := a.ask(ctx, what)
	return cmp.Or(answer, otherwise), err
}
