package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

type editFlags struct {
	resume  bool
	discard bool
}

func (a *app) editCommand() *cobra.Command {
	var f editFlags
	c := &cobra.Command{
		Use:   "edit REFERENCE",
		Short: "Change a secret in an editor",
		Long: `Change a secret, or one of its fields, in the editor that $VISUAL or $EDITOR names.
It gets a file in memory, never on a disk, and what it leaves there is removed with it.
A name that is not there yet makes a new secret.

What is saved becomes a new version, only if the one that was opened is still current.
A value that was JSON has to be JSON again. If anything goes wrong, the value stays as it
was and your draft is kept in memory: go on with --resume, or drop it with --discard.

A newline at the end that editors add by themselves is left out.`,
		Example: `  tacit edit app/db
  tacit edit claude/api#claude_api_key
  EDITOR=nano tacit edit app/db
  tacit edit app/db --resume
  tacit edit app/db --discard`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeNames,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.edit(cmd.Context(), args[0], f) },
	}
	c.Flags().BoolVar(&f.resume, "resume", false, "go on with the draft that was kept")
	c.Flags().BoolVar(&f.discard, "discard", false, "remove the draft that was kept, and change nothing")
	c.MarkFlagsMutuallyExclusive("resume", "discard")
	return c
}

// editJSON is what edit prints with --json.
type editJSON struct {
	changeJSON
	Unchanged bool `json:"unchanged,omitempty"`
	Discarded bool `json:"discarded,omitempty"`
}

func (a *app) edit(ctx context.Context, arg string, f editFlags) error {
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	r, err := a.ref(o, arg)
	switch {
	case err != nil:
		return err
	case r.At != (secret.At{}):
		return secret.Errorf(secret.Invalid, "", "edit opens the current version: give no @version\n  an old one becomes current again:  tacit rollback %s", r)
	}
	e := &editing{app: a, opened: o, ref: r, roots: child.MemoryRoots(a.sys.RuntimeDir)}
	// First: who may not put learns of no draft, and drops none.
	if err := e.allowed(ctx); err != nil {
		return err
	}
	child.Sweep(e.roots)
	kept := child.KeptDrafts(e.roots, e.of())
	switch {
	case f.discard:
		return e.discard(kept)
	case f.resume && len(kept) == 0:
		return secret.Errorf(secret.NotFound, "", "no draft of %s is kept\n  tacit edit %s", r, r)
	case !f.resume && len(kept) > 0:
		return secret.Errorf(secret.Conflict, "", "a draft of %s is kept, begun %s\n  go on with it:  tacit edit %s --resume\n  or drop it:     tacit edit %s --discard", r, a.ago(kept[0].Of.Begun), r, r)
	}
	if err := a.canSwap(ctx, o, r); err != nil {
		return err
	}
	if e.command, err = a.editor(); err != nil {
		return err
	}
	if err := e.askProtected(ctx, o, r); err != nil {
		return err
	}
	if err := e.read(ctx); err != nil {
		return err
	}
	return e.change(ctx, kept)
}

// editing is one secret that is edited.
type editing struct {
	*app
	opened  *config.Opened
	ref     secret.Ref
	roots   []string
	command []string // the editor

	isNew  bool         // there is no such secret, or no such field
	whole  bool         // there is a secret to put the field into
	base   secret.At    // the version that was opened; zero: there is none
	number uint64       // of base
	value  secret.Value // what it holds there
	json   bool         // and that is a JSON object or a list
}

func (e *editing) of() child.DraftOf {
	return child.DraftOf{Store: e.opened.StoreID, Env: e.ref.Env, Name: string(e.ref.Name), Field: e.ref.Field, Begun: e.now().UTC()}
}

// allowed refuses who may read but not write, before an editor is opened for
// nothing. The write itself is decided again.
func (e *editing) allowed(ctx context.Context) error {
	r := policy.Request{Caller: e.opened.Caller, Verb: secret.Put, Env: e.ref.Env, Name: e.ref.Name, Time: e.now()}
	if !e.opened.Broker.Explain(r).Allowed {
		a := broker.Action{Verb: r.Verb, Env: r.Env, Name: r.Name, For: "edit"}
		return e.opened.Broker.Do(ctx, r.Caller, a, func(context.Context) error { // records the refusal
			return secret.Errorf(secret.Denied, "", "%s may not put %s", r.Caller.Principal, plain(e.ref))
		})
	}
	return nil
}

// read gets the value that is to be edited.
func (e *editing) read(ctx context.Context) error {
	c := e.opened.Caller
	c.For = "edit"
	whole := secret.Ref{Env: e.ref.Env, Name: e.ref.Name}
	v, err := e.opened.Broker.Get(ctx, c, whole)
	switch {
	case errors.Is(err, secret.NotFound) && secret.StateOf(err) == 0:
		e.isNew = true
		return nil
	case err != nil:
		return e.explain(ctx, e.opened, whole, err)
	}
	e.whole, e.number = true, v.Number
	e.base = v.At()
	if e.base == (secret.At{}) { // a store without versions
		e.base.Stage = secret.Current
	}
	e.value = v.Value
	if e.ref.Field != "" {
		if err := e.readField(ctx, c, v); err != nil {
			return err
		}
	}
	b := e.value.Reveal()
	if e.value.IsBinary() || !editable(b) {
		return secret.Errorf(secret.Invalid, "", "%s is binary, which an editor would change\n  tacit get %s > FILE, and then  tacit put %s --file FILE", e.ref, e.ref, e.ref)
	}
	e.json = structured(b)
	return nil
}

// readField takes the field out of the value v. One that is no text would
// become one by being written.
func (e *editing) readField(ctx context.Context, c secret.Caller, v secret.Version) error {
	fields := map[string]json.RawMessage{}
	if v.Value.IsBinary() || json.Unmarshal(v.Value.Reveal(), &fields) != nil || fields == nil {
		return secret.Errorf(secret.Invalid, "", "the value of %s is no JSON object, so it has no fields\n  edit it as it is:  tacit edit %s", plain(e.ref), plain(e.ref))
	}
	raw, ok := fields[e.ref.Field]
	switch {
	case !ok:
		e.isNew, e.value = true, secret.Value{}
		return nil
	case raw[0] != '"':
		return secret.Errorf(secret.Unsupported, "", "the field %s of %s is no text but JSON\n  edit the whole:  tacit edit %s", e.ref.Field, plain(e.ref), plain(e.ref))
	}
	at := e.ref
	if v.ID != "" {
		at.At.ID = v.ID
	}
	part, err := e.opened.Broker.Get(ctx, c, at)
	e.value = part.Value
	return err
}

// write makes what was edited the current version, if the one that was opened
// still is.
func (e *editing) write(ctx context.Context, value []byte) (secret.Version, error) {
	c, r := e.opened.Caller, e.ref
	c.For = "edit"
	r.At = e.base
	if e.ref.Field != "" && e.whole {
		return e.opened.Broker.Merge(ctx, c, r, secret.Text(value), nil)
	}
	if e.ref.Field != "" {
		// Merge would take a secret that somebody made meanwhile for its own.
		text, err := object(e.ref.Field, string(value))
		if err != nil {
			return secret.Version{}, err
		}
		r.Field, value = "", text
	}
	return e.opened.Broker.Swap(ctx, c, r, secret.Text(value), nil)
}

// discard removes the drafts that were kept.
func (e *editing) discard(kept []child.KeptDraft) error {
	if len(kept) == 0 {
		return secret.Errorf(secret.NotFound, "", "no draft of %s is kept", e.ref)
	}
	for _, k := range kept {
		if err := k.Drop(); err != nil {
			return err
		}
	}
	if e.flags.json {
		return e.object(editJSON{changeJSON: changeJSON{Env: e.ref.Env, Name: string(e.ref.Name)}, Discarded: true})
	}
	e.done("discarded", e.ref.String(), "%s; the value is as it was", count(len(kept), "draft"))
	return nil
}

// told prints what came of it.
func (e *editing) told(v secret.Version) error {
	out := editJSON{changeJSON: changeJSON{Env: e.ref.Env, Name: string(e.ref.Name), Version: cmp.Or(v.Number, e.number), ID: string(v.ID)}}
	out.Unchanged = v.ID == "" && v.Number == 0
	switch {
	case e.flags.json:
		return e.object(out)
	case out.Unchanged && e.isNew:
		e.done("unchanged", e.ref.String(), "nothing was written, so nothing was made")
	case out.Unchanged:
		e.done("unchanged", e.ref.String(), "nothing was written")
	default:
		e.done("put", e.ref.String(), "%s", counted(v))
	}
	return nil
}
