package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// commands makes the commands of one group of the help text.
func (a *app) commands(group string) []*cobra.Command {
	switch group {
	case "secrets":
		return []*cobra.Command{
			a.putCommand(), a.editCommand(), a.getCommand(), a.listCommand(), a.historyCommand(), a.rollbackCommand(),
			a.deleteCommand(), a.undeleteCommand(), a.destroyCommand(),
			a.copyCommand(), a.renameCommand(), a.diffCommand(), a.importCommand(), a.exportCommand(), a.annotateCommand(), a.searchCommand(), a.generateCommand(),
		}
	case "projects":
		return []*cobra.Command{a.initCommand(), a.runCommand(), a.renderCommand(), a.checkCommand(), a.leaseCommand(), a.envCommand(), a.trustCommand(), a.configCommand()}
	case "rights":
		return []*cobra.Command{a.grantCommand(), a.ungrantCommand(), a.grantsCommand(), a.policyCommand(), a.whoamiCommand()}
	case "proof":
		return []*cobra.Command{a.auditCommand(), a.storeCommand(), a.unlockCommand(), a.lockCommand()}
	default:
		return []*cobra.Command{a.demoCommand(), a.completionCommand(), a.manCommand(), a.versionCommand()}
	}
}

// ref reads a reference and fills in the environment that is meant.
func (a *app) ref(o *config.Opened, s string) (secret.Ref, error) {
	r, err := secret.ParseRef(s)
	if err != nil {
		return secret.Ref{}, err
	}
	if r.Env == "" {
		r.Env = o.Env
	}
	_, err = o.Project.Environment(r.Env)
	return r, err
}

// plainRef is ref for commands that act on a whole secret.
func (a *app) plainRef(o *config.Opened, s string) (secret.Ref, error) {
	r, err := a.ref(o, s)
	if err != nil {
		return secret.Ref{}, err
	}
	if r.Field != "" || r.At != (secret.At{}) {
		return secret.Ref{}, secret.Errorf(secret.Invalid, "", "this command acts on a whole secret: give its name without # or @")
	}
	return r, nil
}

// refuseAgent refuses what no verb covers, so that no grant can permit it to
// an agent: what is trusted, what a store is and who opens it. The refusal is
// recorded where a store is there to record it.
func (a *app) refuseAgent(ctx context.Context, what string) error {
	c := a.sys.Caller()
	if !c.Principal.IsAgent() {
		return nil
	}
	denial := secret.Errorf(secret.Denied, "", "%s may not %s\n  a person does this, outside of the agent's session", c.Principal, what)
	return config.RecordRefusal(ctx, a.sys, a.options(), what, denial)
}
