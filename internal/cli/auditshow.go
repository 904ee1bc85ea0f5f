package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) auditShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show N",
		Short:   "Show one record with all it says",
		Example: "  tacit audit show 42",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := recordNumber(args[0])
			if err != nil {
				return err
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
		{"lease", r.Lease},
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
		Long: `Write records to stdout as JSON Lines, with all they say, to be kept or searched elsewhere.
Agents need a grant of verify. The files of the log itself can be copied and verified offline.`,
		Example: `  tacit audit export --since 7d > week.jsonl
  tacit audit verify --log COPY --key FIRSTKEY`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
