package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/secret"
)

// change lets somebody edit the value, or the newest draft that was kept, and
// writes what comes of it.
func (e *editing) change(ctx context.Context, kept []child.KeptDraft) error {
	of, text := e.of(), e.value
	of.Base = e.version()
	if len(kept) > 0 {
		var err error
		if text, err = kept[0].Text(); err != nil {
			return err
		}
		of.Base, of.Begun = kept[0].Of.Base, kept[0].Of.Begun
	}
	name := "value.txt"
	if e.json {
		name = "value.json" // editors know what that is
	}
	d, err := child.NewDraft(e.roots, of, name, text)
	if err != nil {
		return e.noMemory(err)
	}
	defer func() { _ = d.Close() }() // a second time, unless something is wrong
	v, err := e.save(ctx, d, of)
	if err != nil {
		return e.keep(d, kept, text, err)
	}
	err = d.Close()
	for _, k := range kept {
		err = errors.Join(err, k.Drop())
	}
	return errors.Join(err, e.told(v))
}

// noMemory tells the way out where secrets cannot be files.
func (e *editing) noMemory(err error) error {
	if !errors.Is(err, secret.Unsupported) {
		return err
	}
	return secret.Errorf(secret.Unsupported, "", "no folder in memory (tmpfs) for an editor; a disk is not used instead\n  tacit put %s asks for the value, or set XDG_RUNTIME_DIR to a folder on tmpfs", e.ref)
}

// version names the one that was opened; empty if there was none.
func (e *editing) version() string {
	if e.base.ID != "" {
		return string(e.base.ID)
	}
	if e.base.Number != 0 {
		return fmt.Sprint(e.base.Number)
	}
	return ""
}

// save has the draft edited until it can be written, and writes it. The zero
// Version is: nothing changed.
func (e *editing) save(ctx context.Context, d *child.Draft, of child.DraftOf) (secret.Version, error) {
	var value []byte
	for {
		if err := e.openEditor(ctx, d); err != nil {
			return secret.Version{}, err
		}
		v, err := d.Text(maxInput)
		if err != nil {
			return secret.Version{}, err
		}
		value = e.normal(v.Reveal())
		again, err := e.check(ctx, value)
		if err != nil {
			return secret.Version{}, err
		}
		if !again {
			break
		}
	}
	if bytes.Equal(value, e.value.Reveal()) {
		return secret.Version{}, nil
	}
	if of.Base != e.version() {
		if err := e.confirm(ctx, "%s was written by somebody else after this draft was begun: replace %s", plain(e.ref), e.current()); err != nil {
			return secret.Version{}, err
		}
	}
	v, err := e.write(ctx, value)
	switch {
	case errors.Is(err, secret.Conflict) && secret.StateOf(err) == 0:
		return v, secret.Errorf(secret.Conflict, "", "%s was written by somebody else meanwhile; nothing was overwritten\n  what is there now:  tacit history %s", plain(e.ref), plain(e.ref))
	case err != nil:
		return v, e.explain(ctx, e.opened, e.ref, err)
	}
	return v, nil
}

func (e *editing) current() string {
	if e.number == 0 {
		return "it"
	}
	return fmt.Sprintf("version %d", e.number)
}

// normal leaves out the newline that editors put at the end of a text by
// themselves: the value had none, or is a new one of a single line.
func (e *editing) normal(b []byte) []byte {
	old := e.value.Reveal()
	single := bytes.Count(b, []byte("\n")) == 1
	if bytes.HasSuffix(old, []byte("\n")) || e.isNew && !single {
		return b
	}
	return bytes.TrimSuffix(b, []byte("\n"))
}

// check tells whether a person wants to go on editing what cannot be written;
// without one, that is an error.
func (e *editing) check(ctx context.Context, value []byte) (again bool, err error) {
	wrong := e.fault(value)
	if wrong == "" {
		return false, nil
	}
	err = secret.Errorf(secret.Invalid, "", "%s: %s", e.ref, wrong)
	// --yes would open an editor that nobody sits at for ever.
	if e.flags.yes || !e.interactive() {
		return false, err
	}
	e.warn("%s", err)
	again, asked := e.wants(ctx, "go on editing")
	if asked != nil {
		err = asked
	}
	if again && asked == nil {
		return true, nil
	}
	return false, err
}

// fault says in words why a text cannot be written; empty if it can. The words
// hold nothing of the text.
func (e *editing) fault(value []byte) string {
	old := e.value.Reveal()
	switch {
	case len(value) == 0 && len(old) > 0:
		return "the editor left nothing"
	case !editable(value):
		return "what the editor left is no text"
	case e.json:
		line, column, what := jsonFault(value)
		if what != "" {
			return fmt.Sprintf("it was JSON and is not any more: line %d, column %d: %s", line, column, what)
		}
	}
	return ""
}

// keep lays the draft aside and says where, if there is anything in it that is
// not elsewhere.
func (e *editing) keep(d *child.Draft, kept []child.KeptDraft, begun secret.Value, err error) error {
	now, gone := d.Text(1 << 30)
	if gone != nil || bytes.Equal(now.Reveal(), begun.Reveal()) {
		err = errors.Join(err, d.Close())
		if len(kept) > 0 { // the one that it was begun from is still there
			return e.toldKept(err, kept[0].Path)
		}
		return err
	}
	path, keepErr := d.Keep()
	if keepErr != nil {
		return errors.Join(err, keepErr)
	}
	for _, k := range kept {
		err = errors.Join(err, k.Drop())
	}
	return e.toldKept(err, path)
}

// toldKept adds to an error what became of the draft.
func (e *editing) toldKept(err error, path string) error {
	return secret.Errorf(secret.KindOf(err), "", "%s\n  the value is as it was; the draft is kept in memory:  %s\n  go on with it:  tacit edit %s --resume\n  or drop it:     tacit edit %s --discard",
		strings.TrimSpace(err.Error()), path, e.ref, e.ref)
}

// object writes a JSON object of one field.
func object(name, value string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]string{name: value}); err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "the field cannot be written as JSON")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
