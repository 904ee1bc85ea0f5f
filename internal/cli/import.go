package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

type importFlags struct {
	format       string
	to           string
	from         string
	dryRun       bool
	noDeclare    bool
	deleteSource bool
	keepGoing    bool
}

func (a *app) importCommand() *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Take secrets over from a file, or references from another tool",
		Long: `Take the secrets of a file over: a .env file, JSON, YAML, TOML, a shell, docker or
systemd environment file, a Kubernetes Secret. The format is told from the file where it
can be. A plan is shown, and asked about; then all are declared in tacit.toml, written in
one step, read back and compared. A file with anything wrong in it is not imported.

A variable that tacit.toml declares goes where its reference points; another one gets a
name in lower case with - for _, below --to. Names of JSON, YAML, TOML and Kubernetes stay
as they are; without --to, one that is a declared variable goes where that points.

With --from, the file belongs to another tool (` + toolList() + `)
and holds references: they become declarations, and no value is read or written.`,
		Example: `  tacit import .env
  tacit import .env --dry-run
  tacit import app.json --to dev:app/ --yes --delete-source
  kubectl get secret app -o yaml | tacit import - --to app/ --yes --no-declare
  tacit import --from vals secrets.yaml -e prod`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.importFile(cmd.Context(), args[0], f)
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.format, "format", "f", "", "the `format` of the file, if it is not to be told from it")
	fs.StringVar(&f.to, "to", "", "the `prefix` below which new names lie, such as app/ or dev:app/")
	fs.StringVar(&f.from, "from", "", "the `tool` whose references the file holds")
	fs.BoolVarP(&f.dryRun, "dry-run", "n", false, "show the plan, and do nothing")
	fs.BoolVar(&f.noDeclare, "no-declare", false, "leave tacit.toml as it is")
	fs.BoolVar(&f.deleteSource, "delete-source", false, "delete the file, once all is read back and equal")
	fs.BoolVar(&f.keepGoing, "keep-going", false, "with --from: leave out the references that cannot be declared")
	return c
}

// importJSON is what import prints with --json for each secret that it
// changes, and for each variable that it declares.
type importJSON struct {
	Env      string `json:"env"`
	Name     string `json:"name"`
	Field    string `json:"field,omitempty"`
	Var      string `json:"var,omitempty"`
	Line     int    `json:"line,omitempty"`
	Action   string `json:"action"` // "create", "update", "same", "declare"
	Declared bool   `json:"declared,omitempty"`
	DryRun   bool   `json:"dry_run,omitempty"`
}

func (a *app) importFile(ctx context.Context, file string, f importFlags) error {
	switch {
	case f.keepGoing && f.from == "":
		return secret.Errorf(secret.Invalid, "", "--keep-going goes with --from: of a file with values, all are imported or none")
	case f.from != "" && (f.deleteSource || f.noDeclare):
		return secret.Errorf(secret.Invalid, "", "with --from nothing but declarations is made: --delete-source and --no-declare do not go with it")
	case f.deleteSource && file == "-":
		return secret.Errorf(secret.Invalid, "", "--delete-source deletes a file, and stdin is none")
	}
	src, err := a.source(file)
	if err != nil {
		return err
	}
	if f.from != "" {
		return a.importRefs(ctx, src, f)
	}
	entries, format, err := src.entries(f.format)
	if err != nil {
		return err
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	p := &importing{app: a, opened: o, source: src, flags: f, format: format, outcome: "nothing was imported"}
	if err := p.plan(ctx, entries); err != nil {
		return err
	}
	if err := p.show(); err != nil || f.dryRun {
		return err
	}
	return p.run(ctx)
}

// run asks, and carries the plan out.
func (p *importing) run(ctx context.Context) error {
	if err := p.chooseDangerous(ctx); err != nil {
		return err
	}
	if p.changes() {
		if err := p.ask(ctx); err != nil {
			return err
		}
		if err := p.declare(ctx, p.declarings()); err != nil {
			return err
		}
		if err := p.put(ctx); err != nil {
			return err
		}
	}
	if err := p.told(); err != nil {
		return err
	}
	return p.offerDeletion(ctx)
}

func (p *importing) ask(ctx context.Context) error {
	what := p.counts()
	if n := len(p.declarings()); n > 0 {
		what += fmt.Sprintf(", %d declared", n)
	}
	question := fmt.Sprintf("import %s to %s (%s)", p.source.name(), p.to, what)
	seen := map[string]bool{}
	for _, in := range p.incoming {
		if env := in.Ref.Env; in.Action != move.Same && !seen[env] {
			seen[env] = true
			if p.opened.Protected(env) {
				question = env + " is protected: " + question
			}
		}
	}
	return p.confirm(ctx, "%s", question)
}

// declare is the one edit of tacit.toml. It comes first: killed after it, the
// command finds the same places when it is run again.
func (p *importing) declare(ctx context.Context, all []config.Declaring) error {
	if len(all) == 0 {
		return nil
	}
	trusted, err := p.opened.DeclareAll(ctx, all)
	if err != nil {
		return err
	}
	p.isTrusted = trusted
	return nil
}

// put writes and reads back.
func (p *importing) put(ctx context.Context) error {
	if err := p.tellSteps(ctx); err != nil {
		return err
	}
	total, written := p.count[move.Create]+p.count[move.Update], 0
	bar := p.progress("imported", total)
	err := p.importer.Write(ctx, p.incoming, func(n int) {
		written += n
		for range n {
			bar.step()
		}
	})
	bar.end()
	if err != nil {
		if written > 0 {
			p.warn("%d of %d were written\n  run it again when the reason is gone: what was written is not written twice", written, total)
		}
		return err
	}
	return p.importer.Verify(ctx, p.incoming)
}

// tellSteps says where one step is not enough.
func (p *importing) tellSteps(ctx context.Context) error {
	wholes := map[string]int{}
	for _, in := range p.incoming {
		if (in.Action == move.Create || in.Action == move.Update) && in.Ref.Field == "" {
			wholes[in.Ref.Env]++
		}
	}
	steps := p.fields
	for env, n := range wholes {
		s, err := p.importer.Steps(ctx, env, n)
		if err != nil {
			return err
		}
		steps += s
	}
	if steps > 1 {
		p.warn("this takes %d steps: what was written before a failure stays", steps)
	}
	return nil
}

// told says what was done.
func (p *importing) told() error {
	if p.app.flags.json {
		return p.objects(false)
	}
	p.done("imported", p.to.String(), "%s", p.counts())
	if n := len(p.declarings()); n > 0 && p.declares {
		what := count(n, "variable")
		if n == 1 {
			what = p.declarings()[0].Var
		}
		p.done("declared", what, "in %s", config.FileName)
		if !p.isTrusted {
			p.hint("the edit is not trusted until a person has read it:  tacit trust")
		}
	}
	return nil
}

func toolList() string {
	return strings.Join([]string{"vals", "chamber", "fnox", "op-template", "sops"}, ", ")
}
