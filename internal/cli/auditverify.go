package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

type verifyFlags struct {
	dir, key, checkpoint string
}

func (a *app) auditVerifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove that the log is whole",
		Long: `Read the whole log and prove that nothing was changed, removed, inserted or
reordered. The project's own log is compared with what its store remembers, too.

A copied log is verified offline, without any store: --log with --key, the first key
that tacit init printed.`,
		Example: `  tacit audit verify
  tacit audit verify --checkpoint kept-elsewhere.txt
  tacit audit verify --log /mnt/copy --key tacit+3c1e8f0a+AWp…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.auditVerify(cmd.Context(), f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.dir, "log", "", "verify the log in this `folder`, offline")
	fs.StringVar(&f.key, "key", "", "the log's first `key`, from elsewhere")
	fs.StringVar(&f.checkpoint, "checkpoint", "", "a checkpoint `file`, from elsewhere")
	return c
}

// verifyJSON is what audit verify prints with --json.
type verifyJSON struct {
	Sound     bool     `json:"sound"`
	Records   uint64   `json:"records"`
	Segments  int      `json:"segments"`
	FirstKey  string   `json:"first_key"`
	Open      []uint64 `json:"open,omitempty"`
	Recovered []uint64 `json:"recovered,omitempty"`
	Epochs    []string `json:"epochs,omitempty"`
	Damage    []string `json:"damage,omitempty"`
}

func (a *app) auditVerify(ctx context.Context, f verifyFlags) error {
	o := audit.VerifyOptions{FirstKey: f.key}
	if f.checkpoint != "" {
		b, err := readFile(f.checkpoint)
		if err != nil {
			return err
		}
		o.Checkpoint = string(b)
	}
	var r audit.Report
	var err error
	if f.dir != "" {
		r, err = audit.Verify(ctx, f.dir, o)
	} else {
		r, err = a.verifyOwn(ctx, &o)
	}
	if err != nil {
		return err
	}
	return a.verdict(r, o)
}

// verifyOwn verifies the project's log. Its own record is appended only to a
// sound one, so that nothing is written behind damage.
func (a *app) verifyOwn(ctx context.Context, o *audit.VerifyOptions) (r audit.Report, err error) {
	x, err := a.openForVerify(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	head, key := x.LogHead()
	if o.FirstKey == "" {
		o.FirstKey = key
	}
	o.Head, o.KeyDir = &head, x.LogKeyDir()
	r, err = audit.Verify(ctx, x.LogDir(), *o)
	if err != nil || !r.Sound() {
		return r, err
	}
	opened, err := a.open(ctx)
	if err != nil {
		return r, err
	}
	return r, opened.ReadLog(ctx, "verify", func(string) error { return nil })
}

func (a *app) openForVerify(ctx context.Context) (*config.Opened, error) {
	return config.OpenUnlogged(ctx, a.sys, a.options())
}

// verdict prints what was found. Damage is exit code 1.
func (a *app) verdict(r audit.Report, o audit.VerifyOptions) error {
	if a.flags.json {
		if err := a.object(verifyJSON{r.Sound(), r.Records, r.Segments, r.FirstKey, r.Open, r.Recovered, r.Epochs, r.Damage}); err != nil {
			return err
		}
		if !r.Sound() {
			return &childExit{exitFailed}
		}
		return nil
	}
	for _, e := range r.Epochs {
		a.say("break", e, "")
	}
	if !r.Sound() {
		return secret.Errorf(secret.Corrupt, "", "the audit log is damaged\n  %s", strings.Join(r.Damage, "\n  "))
	}
	a.say("verified", fmt.Sprintf("%s in %s, first key %s", count(int(r.Records), "record"), count(r.Segments, "segment"), r.FirstKey), "") //nolint:gosec // fits
	if n := len(r.Recovered); n > 0 {
		a.hint("%s of bytes cut off after a crash: tacit audit list --verb recover", count(n, "record"))
	}
	if len(r.Open) > 0 {
		a.hint("%s: the outcome is unknown (record %s)", count(len(r.Open), "change")+" began and did not end", list(r.Open))
	}
	switch {
	case o.Checkpoint != "":
		a.hint("the checkpoint kept elsewhere is in this log")
	case o.Head == nil && o.FirstKey == "":
		a.hint("no first key was given: this shows only that the log agrees with itself")
	default:
		a.hint("nothing here proves that later records were not cut off together with the store;")
		a.hint("compare with a checkpoint kept elsewhere:  tacit audit verify --checkpoint FILE")
	}
	return nil
}

func list(all []uint64) string {
	var out []string
	for _, n := range all[:min(len(all), 10)] {
		out = append(out, fmt.Sprint(n))
	}
	return strings.Join(out, ", ")
}

func (a *app) auditCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Print the newest checkpoint, to be kept elsewhere",
		Long: `Print the newest signed checkpoint. Kept where nobody can change it, it shows later
that no record before it was changed or cut off, even together with the store.`,
		Example: "  tacit audit checkpoint > kept-elsewhere.txt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := a.open(cmd.Context())
			if err != nil {
				return err
			}
			return o.ReadLog(cmd.Context(), "checkpoint", func(dir string) error {
				r, err := audit.Verify(cmd.Context(), dir, audit.VerifyOptions{})
				if err != nil {
					return err
				}
				if !r.Sound() {
					return secret.Errorf(secret.Corrupt, "", "the audit log is damaged\n  tacit audit verify")
				}
				_, err = a.Out.WriteString(r.Checkpoint)
				return written(err)
			})
		},
	}
}

func (a *app) auditAdoptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "adopt",
		Short: "Begin a new log where the old one is missing or was replaced",
		Long: `Begin a new log, or take the one that is there, when it is missing or contradicts what
the store remembers, and you know why. What the store remembers of the old log is
recorded, and verification reports the break for ever.`,
		Example: "  tacit audit adopt",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := a.refuseAgent("adopt a log"); err != nil {
				return err
			}
			s, err := config.OpenStore(cmd.Context(), a.sys, a.options(), true)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			if err := a.confirm(cmd.Context(), "begin the audit log anew"); err != nil {
				return err
			}
			key, err := s.Adopt(cmd.Context())
			if err != nil {
				return err
			}
			a.say("adopted", "first key", "%s", key)
			return nil
		},
	}
}
