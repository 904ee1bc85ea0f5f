package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "audit",
		Short:   "The log of every access: list, show, verify, export",
		Example: "  tacit audit list --since 1h\n  tacit audit verify",
	}
	c.AddCommand(a.auditListCommand(), a.auditShowCommand(), a.auditVerifyCommand(), a.auditCheckpointCommand(), a.auditExportCommand(), a.auditAdoptCommand())
	return c
}

// filterFlags are the filters that list and export share.
type filterFlags struct {
	since, until, principal, verb, env, name, outcome, session string
	limit                                                      int
}

func (f *filterFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.since, "since", "", "from this time, or this `long` ago: 1h, 7d, 2026-01-31")
	fs.StringVar(&f.until, "until", "", "before this `time`, or that long ago")
	fs.StringVar(&f.principal, "principal", "", "only this `principal`: agent:claude-code")
	fs.StringVar(&f.verb, "verb", "", "only this `verb`")
	fs.StringVar(&f.env, "env", "", "only this `environment`")
	fs.StringVar(&f.name, "name", "", "only this `name`; a * stands for anything")
	fs.StringVar(&f.outcome, "outcome", "", "only this `outcome`: ok, denied, not found, …")
	fs.StringVar(&f.session, "session", "", "only this agent `session`")
	fs.IntVar(&f.limit, "limit", 0, "at most this `many`, the newest")
}

func (a *app) filter(f filterFlags) (audit.Filter, error) {
	since, err := a.when(f.since)
	if err != nil {
		return audit.Filter{}, err
	}
	until, err := a.when(f.until)
	if err != nil {
		return audit.Filter{}, err
	}
	return audit.Filter{
		Since: since, Until: until, Principal: secret.Principal(f.principal), Verb: secret.Verb(f.verb),
		Env: f.env, Name: f.name, Outcome: f.outcome, Session: f.session, Limit: max(f.limit, 0),
	}, nil
}

// when reads a time, or how long ago it was.
func (a *app) when(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	d, err := config.ParseSpan(s)
	if err != nil {
		return time.Time{}, secret.Errorf(secret.Invalid, "", "%q is no time\n  write it like 1h, 7d, 2026-01-31 or 2026-01-31T08:00:00Z", s)
	}
	return a.now().Add(-d), nil
}
