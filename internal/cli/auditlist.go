package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

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
	if a.flags.json {
		return a.records(ctx, "list", filter, func(r audit.Record) error { return a.object(listed(r)) })
	}
	filter.Limit = 0 // of rows, and a change has two records
	var all []audit.Record
	ended := map[uint64]bool{}
	err = a.records(ctx, "list", filter, func(r audit.Record) error {
		if r.Phase == audit.End && r.Begun != nil {
			ended[*r.Begun] = true
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		return err
	}
	// A table shows a change once, when it ended.
	all = slices.DeleteFunc(all, func(r audit.Record) bool { return r.Phase == audit.Begin && ended[r.N] })
	if f.limit > 0 && len(all) > f.limit {
		all = all[len(all)-f.limit:]
	}
	t := &table{head: []string{"TIME", "WHO", "VERB", "SECRET", "OUTCOME"}}
	for _, r := range all {
		a.recordRow(t, r)
	}
	if len(t.rows) == 0 {
		return nil
	}
	return a.table(t)
}

// recordJSON is what audit list prints with --json: always these keys. audit
// show and audit export print the record as the log keeps it.
type recordJSON struct {
	N         uint64           `json:"n"`
	Time      time.Time        `json:"time"`
	Principal secret.Principal `json:"principal"`
	How       secret.How       `json:"how"`
	Session   string           `json:"session"` // with the sub-agent, if known: SESSION/AGENT
	Verb      secret.Verb      `json:"verb"`
	Env       string           `json:"env"`
	Name      string           `json:"name"`
	Version   uint64           `json:"version"` // 0: none
	Phase     audit.Phase      `json:"phase"`
	Outcome   string           `json:"outcome"`
	Reason    string           `json:"reason"` // why it was not ok, and what the caller said
	Policy    string           `json:"policy"`
	Duration  time.Duration    `json:"duration"` // in nanoseconds
}

func listed(r audit.Record) recordJSON {
	return recordJSON{
		N: r.N, Time: r.Time, Principal: r.Principal, How: r.How, Session: sessionOf(r), Verb: r.Verb, Env: r.Env, Name: r.Name,
		Version: r.Number, Phase: r.Phase, Outcome: r.Outcome, Reason: reasonOf(r), Policy: r.Policy, Duration: r.Duration,
	}
}

func sessionOf(r audit.Record) string {
	if r.Agent == "" {
		return r.Session
	}
	return r.Session + "/" + r.Agent
}

// reasonOf puts the two reasons into one text. What the caller said stands
// last and behind a mark, so that it cannot pass for tacit's own.
func reasonOf(r audit.Record) string {
	switch {
	case r.Note == "":
		return r.Reason
	case r.Reason == "":
		return "caller: " + r.Note
	}
	return r.Reason + "; caller: " + r.Note
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

// recordRow adds a record to the table.
func (a *app) recordRow(t *table, r audit.Record) {
	when := r.Time.Local().Format("15:04:05")
	if a.now().Sub(r.Time) > 20*time.Hour {
		when = r.Time.Local().Format("2006-01-02 15:04")
	}
	t.add(when, string(r.Principal), string(r.Verb), secretOf(r), outcomeOf(r))
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
	switch {
	case r.Reason != "" && r.Outcome != "ok":
		because, _, _ := strings.Cut(r.Reason, "\n")
		parts = append(parts, because)
	case r.Reason != "" && r.Verb == secret.Get: // the store was not asked: a last known value, and how old
		what, _, _ := strings.Cut(r.Reason, ": ")
		parts = append(parts, what)
	}
	if r.For != "" {
		parts = append(parts, "for "+r.For)
	}
	if r.Note != "" {
		parts = append(parts, "caller: "+r.Note)
	}
	out := strings.Join(parts, ", ")
	if r.How == secret.ByMark {
		out += " (marked)"
	}
	return out
}
