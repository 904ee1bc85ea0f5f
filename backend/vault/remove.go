package vault

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// Delete makes all versions unreadable until Undelete. The store has a time of
// deletion for versions alone: a mark in the custom metadata says that all
// were meant. It is set first, so that a Delete that is broken off leaves a
// secret that can be deleted again.
func (b *Backend) Delete(ctx context.Context, n secret.Name, _ *secret.DeleteOptions) (secret.Meta, error) {
	engine, err := b.engine(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	if engine == 1 {
		return b.deletePlain(ctx, n)
	}
	m, err := b.living(ctx, n)
	for round := 0; err == nil; round++ {
		live, before := m.split()
		change := customChange{}
		change.set(keyDeleted, mark{m.Current, before}.String())
		if len(*change[keyDeleted]) > maxValueBytes {
			return secret.Meta{}, secret.Errorf(secret.Unsupported, n, "too many single versions are deleted to remember them\n  vault kv metadata delete %s", pasted(b.settings.Mount+"/"+string(n)))
		}
		if err := checkCustom(n, change.applied(m.Custom)); err != nil {
			return secret.Meta{}, err
		}
		if m.Custom, err = b.tellCustom(ctx, n, m, change); err != nil {
			return secret.Meta{}, err
		}
		if err = b.remove(ctx, n, "delete", live); err != nil {
			return secret.Meta{}, err
		}
		now, seen := b.glance(ctx, n)
		if !seen { // it was made; an error would make the caller try again
			m.set(live, instant{m.at})
			return b.meta(n, m), nil
		}
		if now == nil || now.deleted() {
			return b.unreadable(n, now), nil
		}
		m = now // a version was written meanwhile
		if round == maxLost {
			return secret.Meta{}, secret.Errorf(secret.Conflict, n, "others write it all the time")
		}
	}
	return secret.Meta{}, err
}

// split tells the versions that are served from those that were deleted, both
// ascending.
func (m *metadata) split() (live, gone []uint64) {
	for _, n := range slices.Backward(m.numbers()) {
		v, _ := m.of(n)
		switch {
		case v.Destroyed:
		case v.over(m.at):
			gone = append(gone, n)
		default:
			live = append(live, n)
		}
	}
	return live, gone
}

// remove does one thing to versions, all or none of them. Doing it twice does
// nothing more.
func (b *Backend) remove(ctx context.Context, n secret.Name, what string, numbers []uint64) error {
	if len(numbers) == 0 {
		return nil
	}
	body := jsonBody(map[string]any{"versions": numbers})
	_, err := b.send(ctx, request{method: http.MethodPut, path: b.settings.Mount + "/" + what + "/" + string(n), body: body, name: n, capability: "update"})
	return err
}

// Undelete brings a deleted secret back, but for the versions that had been
// deleted before it.
func (b *Backend) Undelete(ctx context.Context, n secret.Name) (secret.Meta, error) {
	if err := b.versioned(ctx, n); err != nil {
		return secret.Meta{}, err
	}
	m, err := b.metadata(ctx, n)
	switch {
	case err != nil:
		return secret.Meta{}, err
	case m == nil:
		return secret.Meta{}, missing(n)
	case !m.deleted():
		return secret.Meta{}, b.notDeleted(n, m)
	}
	mark, _ := parseMark(m.Custom[keyDeleted])
	_, gone := m.split()
	gone = slices.DeleteFunc(gone, func(v uint64) bool { return slices.Contains(mark.before, v) })
	if err := b.remove(ctx, n, "undelete", gone); err != nil {
		return secret.Meta{}, err
	}
	// They are back. A mark that is left counts again only where all versions
	// are deleted before another one is written.
	if custom, err := b.tellCustom(ctx, n, m, customChange{keyDeleted: nil}); err == nil {
		m.Custom = custom
	} else if len(gone) == 0 { // it alone made the secret a deleted one
		return secret.Meta{}, err
	}
	m.set(gone, instant{})
	return b.afterwards(ctx, n, m), nil
}

// set notes when versions were deleted, or that they no longer are.
func (m *metadata) set(numbers []uint64, deleted instant) {
	for _, number := range numbers {
		v := m.Versions[utoa(number)]
		v.Deleted = deleted
		m.Versions[utoa(number)] = v
	}
}

// unreadable is a secret that was deleted, or destroyed meanwhile: nil.
func (b *Backend) unreadable(n secret.Name, m *metadata) secret.Meta {
	if m == nil {
		return secret.Meta{Name: n}
	}
	return b.meta(n, m)
}

// notDeleted also tells whom the store's own client deleted the current version.
func (b *Backend) notDeleted(n secret.Name, m *metadata) error {
	text := "it is not deleted"
	if v, ok := m.of(m.Current); ok && v.over(m.at) && !v.Destroyed {
		text = "its version " + utoa(m.Current) + " is deleted, not the whole secret\n  vault kv undelete -versions=" + utoa(m.Current) + " " + pasted(b.settings.Mount+"/"+string(n))
	}
	return secret.Errorf(secret.Conflict, n, "%s", text)
}

// Destroy removes a secret with all versions, for ever.
func (b *Backend) Destroy(ctx context.Context, n secret.Name) error {
	if err := b.versioned(ctx, n); err != nil {
		return err
	}
	m, err := b.metadata(ctx, n)
	if err != nil {
		return err
	}
	if m == nil {
		return missing(n)
	}
	for try := 0; ; try++ {
		_, err = b.send(ctx, request{method: http.MethodDelete, path: b.metadataPath(n), name: n, capability: "delete", once: true})
		if err == nil {
			b.outlast(ctx, m)
		}
		if !unsure(err) {
			return err
		}
		// A second try must not take a secret that was made meanwhile.
		now, look := b.metadata(ctx, n)
		switch {
		case look != nil:
			return secret.Errorf(secret.Unavailable, n, "%s did not answer: it may be destroyed or not", b.where)
		case now == nil || !now.Created.Equal(m.Created):
			return nil
		case try == maxLost:
			return unwrapped(err)
		}
		if b.standBack(ctx, try, err) != nil {
			return unwrapped(err)
		}
	}
}

// outlast waits until no version that is made from now on has the time of
// creation, and so the identity, of one that was destroyed. OpenBao 2.4 tells times
// in whole seconds; elsewhere there is nothing to wait for.
func (b *Backend) outlast(ctx context.Context, m *metadata) {
	last := time.Time{}
	for _, v := range m.Versions {
		if v.Created.After(last) {
			last = v.Created
		}
	}
	now := m.at.Add(-time.Second)
	if end := last.Add(time.Second); last.Nanosecond() == 0 && end.After(now) {
		_ = b.retry.pause(ctx, min(end.Sub(now), time.Second)) // destroyed it is, even if nobody waits
	}
}

// DeleteVersions makes single versions unreadable.
func (b *Backend) DeleteVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	return b.removeAt(ctx, n, "delete", at)
}

// UndeleteVersions brings single versions back.
func (b *Backend) UndeleteVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	return b.removeAt(ctx, n, "undelete", at)
}

// DestroyVersions removes the values of single versions for ever.
func (b *Backend) DestroyVersions(ctx context.Context, n secret.Name, at ...secret.At) error {
	return b.removeAt(ctx, n, "destroy", at)
}

func (b *Backend) removeAt(ctx context.Context, n secret.Name, what string, at []secret.At) error {
	if err := b.versioned(ctx, n); err != nil {
		return err
	}
	m, err := b.living(ctx, n)
	if err != nil {
		return err
	}
	var numbers []uint64
	for _, a := range at {
		number := b.find(n, m, a)
		v, ok := m.of(number)
		if !ok || v.Destroyed || slices.Contains(numbers, number) || what == "undelete" && v.Deleted.IsZero() {
			continue
		}
		numbers = append(numbers, number)
	}
	return b.remove(ctx, n, what, numbers)
}
