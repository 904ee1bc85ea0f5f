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
	dir, key, checkpoint, proof, record string
}

func (a *app) auditVerifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove that the log is whole",
		Long: `Read the whole log and prove that nothing was changed, removed, inserted or
reordered. The project's own log is compared with what its store remembers, too.

A copied log is verified offline, without any store: --log with --key, the first key
that tacit init printed. --record writes a proof that one record is in the checkpoint; who
has the first key can check it without the log: --proof.`,
		Example: `  tacit audit verify
  tacit audit verify --checkpoint kept-elsewhere.txt
  tacit audit verify --log /mnt/copy --key tacit+3c1e8f0a+AWp…
  tacit audit verify --record 42 > proof.json
  tacit audit verify --proof proof.json --key tacit+3c1e8f0a+AWp…`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.auditVerify(cmd.Context(), f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.dir, "log", "", "verify the log in this `folder`, offline")
	fs.StringVar(&f.key, "key", "", "the log's first `key`, from elsewhere")
	fs.StringVar(&f.checkpoint, "checkpoint", "", "a checkpoint `file`, from elsewhere")
	fs.StringVar(&f.record, "record", "", "prove that record `N` is in the checkpoint, and write the proof")
	fs.StringVar(&f.proof, "proof", "", "check the proof in this `file`, without a log")
	c.MarkFlagsMutuallyExclusive("proof", "log")
	c.MarkFlagsMutuallyExclusive("proof", "record")
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
	Adopted   []uint64 `json:"adopted,omitempty"`
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
	if f.proof != "" {
		return a.checkProof(f.proof, o)
	}
	var n uint64
	var err error
	if f.record != "" {
		if n, err = recordNumber(f.record); err != nil {
			return err
		}
	}
	dir, r := f.dir, audit.Report{}
	if dir != "" {
		r, err = audit.Verify(ctx, dir, o)
	} else {
		dir, r, err = a.verifyOwn(ctx, &o)
	}
	switch {
	case err != nil:
		return err
	case f.record != "" && r.Sound():
		return a.prove(ctx, dir, n, o, r)
	}
	return a.verdict(r, o)
}

// verifyOwn verifies the project's log. Its own record is appended only to a
// sound one, so that nothing is written behind damage.
func (a *app) verifyOwn(ctx context.Context, o *audit.VerifyOptions) (dir string, r audit.Report, err error) {
	x, err := config.OpenUnlogged(ctx, a.sys, a.options())
	if err != nil {
		return "", r, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	if err := x.MayReadLog(); err != nil {
		return "", r, a.refused(ctx, err)
	}
	head, key := x.LogHead()
	if o.FirstKey == "" {
		o.FirstKey = key
	}
	o.Head, o.KeyDir = &head, x.LogKeyDir()
	dir = x.LogDir()
	r, err = audit.Verify(ctx, dir, *o)
	if err != nil || !r.Sound() {
		return dir, r, err
	}
	return dir, r, a.refused(ctx, nil)
}

// refused records that the log was verified, or that this was denied. Where it
// cannot be opened the denial stands all the same.
func (a *app) refused(ctx context.Context, denial error) error {
	o, err := a.open(ctx)
	if err == nil {
		err = o.ReadLog(ctx, "verify", func(string) error { return nil })
	}
	if denial != nil && !errors.Is(err, secret.Denied) {
		return denial
	}
	return err
}

// verdict prints what was found. Damage is exit code 1.
func (a *app) verdict(r audit.Report, o audit.VerifyOptions) error {
	if a.flags.json {
		if err := a.object(verifyJSON{r.Sound(), r.Records, r.Segments, r.FirstKey, r.Open, r.Recovered, r.Adopted, r.Epochs, r.Damage}); err != nil {
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
		return secret.Errorf(secret.Corrupt, "", "the audit log is damaged\n  %s\n  what stands before it is whole; keep a copy, then move the folder away and:  tacit audit adopt", strings.Join(r.Damage, "\n  "))
	}
	a.say("verified", fmt.Sprintf("%s in %s, first key %s", count(int(r.Records), "record"), count(r.Segments, "segment"), r.FirstKey), "") //nolint:gosec // fits
	if n := len(r.Recovered); n > 0 {
		a.hint("%s of bytes cut off after a crash: tacit audit list --verb recover", count(n, "record"))
	}
	if n := len(r.Adopted); n > 0 {
		a.hint("%s of an older log that is not here: tacit audit list --verb adopt", count(n, "record"))
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
