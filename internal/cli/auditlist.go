package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) auditCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "audit",
		Short:   "The log of every access: list, show, verify, checkpoint, export, adopt",
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
		Env: f.env, Name: f.name, Outcome: f.outcome, Session: f.session,
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

func (a *app) auditListCommand() *cobra.Command {
	var f filterFlags
	c := &cobra.Command{
		Use:     "list",
		Short:   "List records",
		Example: "  tacit audit list --since 1h\n  tacit audit list --principal agent:claude-code --outcome denied\n  tacit audit list --json | jq .name",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.auditList(cmd.Context(), f) },
	}
	f.register(c)
	return c
}

func (a *app) auditList(ctx context.Context, f filterFlags) error {
	filter, err := a.filter(f)
	if err != nil {
		return err
	}
	var all []audit.Record
	ended := map[uint64]bool{}
	err = a.records(ctx, "list", filter, func(r audit.Record) error {
		if a.flags.json && f.limit == 0 {
			return a.object(r)
		}
		if r.Phase == audit.End && r.Begun != nil {
			ended[*r.Begun] = true
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		return err
	}
	if !a.flags.json { // a table shows a change once, when it ended
		all = slices.DeleteFunc(all, func(r audit.Record) bool { return r.Phase == audit.Begin && ended[r.N] })
	}
	if f.limit > 0 && len(all) > f.limit {
		all = all[len(all)-f.limit:]
	}
	t := &table{head: []string{"TIME", "WHO", "VERB", "SECRET", "OUTCOME"}}
	for _, r := range all {
		if err := a.record(t, r); err != nil {
			return err
		}
	}
	if a.flags.json || len(t.rows) == 0 {
		return nil
	}
	return a.table(t)
}

// records calls f with each record that passes the filter. Reading the log is
// itself decided and recorded.
func (a *app) records(ctx context.Context, what string, filter audit.Filter, f func(audit.Record) error) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	return o.ReadLog(ctx, what, func(dir string) error {
		for r, err := range audit.Read(ctx, dir, filter) {
			if err != nil {
				return err
			}
			if err := f(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// record prints one record, or adds it to the table.
func (a *app) record(t *table, r audit.Record) error {
	if a.flags.json {
		return a.object(r)
	}
	when := r.Time.Local().Format("15:04:05")
	if a.now().Sub(r.Time) > 20*time.Hour {
		when = r.Time.Local().Format("2006-01-02 15:04")
	}
	t.add(when, string(r.Principal), string(r.Verb), secretOf(r), outcomeOf(r))
	return nil
}

func secretOf(r audit.Record) string {
	if r.Env == "" {
		return r.Name
	}
	return r.Env + ":" + r.Name
}

// outcomeOf puts what came of it in a few words.
func outcomeOf(r audit.Record) string {
	parts := []string{r.Outcome}
	if r.Phase == audit.Begin {
		parts = []string{"outcome unknown"}
	}
	if r.Number > 0 {
		parts = append(parts, "version "+strconv.FormatUint(r.Number, 10))
	}
	if r.Reason != "" && r.Outcome != "ok" {
		because, _, _ := strings.Cut(r.Reason, "\n")
		parts = append(parts, because)
	}
	if r.For != "" {
		parts = append(parts, "for "+r.For)
	}
	out := strings.Join(parts, ", ")
	if r.How == secret.ByMark {
		out += " (marked)"
	}
	return out
}

func (a *app) auditShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show N",
		Short:   "Show one record with all it says",
		Example: "  tacit audit show 42",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return secret.Errorf(secret.Invalid, "", "%q is no record's number\n  tacit audit list --json shows them as n", args[0])
			}
			return a.auditShow(cmd.Context(), n)
		},
	}
}

func (a *app) auditShow(ctx context.Context, n uint64) error {
	found := false
	err := a.records(ctx, "show "+strconv.FormatUint(n, 10), audit.Filter{}, func(r audit.Record) error {
		if r.N != n {
			return nil
		}
		found = true
		if a.flags.json {
			return a.object(r)
		}
		return a.details(r)
	})
	if err == nil && !found {
		err = secret.Errorf(secret.NotFound, "", "the log has no record %d\n  tacit audit list --json shows the numbers as n", n)
	}
	return err
}

func (a *app) details(r audit.Record) error {
	version := ""
	if r.Number > 0 {
		version = fmt.Sprintf("%d  %s", r.Number, r.Version)
	}
	for _, f := range [][2]string{
		{"record", strconv.FormatUint(r.N, 10)},
		{"time", r.Time.Local().Format(time.RFC3339Nano)},
		{"principal", string(r.Principal) + ", known by " + string(r.How)},
		{"session", r.Session},
		{"agent", r.Agent},
		{"verb", string(r.Verb)},
		{"secret", secretOf(r)},
		{"version", version},
		{"phase", string(r.Phase)},
		{"outcome", r.Outcome},
		{"because", r.Reason},
		{"reason", r.Note},
		{"for", r.For},
		{"policy", r.Policy},
		{"duration", r.Duration.String()},
	} {
		if f[1] == "" {
			continue
		}
		if err := a.line(fmt.Sprintf("%-9s %s", f[0], f[1])); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) auditExportCommand() *cobra.Command {
	var f filterFlags
	c := &cobra.Command{
		Use:   "export",
		Short: "Write records as JSON Lines",
		Long:  "Write records to stdout as JSON Lines, to be kept or searched elsewhere. Agents are refused\nunless granted. The files of the log itself can be copied and verified offline.",
		Example: `  tacit audit export --since 7d > week.jsonl
  tacit audit verify --log COPY --key FIRSTKEY`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.refuseAgent("export the audit log"); err != nil {
				return err
			}
			filter, err := a.filter(f)
			if err != nil {
				return err
			}
			return a.records(cmd.Context(), "export", filter, func(r audit.Record) error { return a.object(r) })
		},
	}
	f.register(c)
	return c
}
