package local

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// An index holds the names of all secrets as they were at one generation. It
// saves decrypting all heads for each page of a list; nothing but names is kept.
type index struct {
	generation uint64
	names      []secret.Name // in byte order
}

// listPage is how many heads are read at one moment.
const listPage = 256

// List yields names in byte order. What is put or removed meanwhile may or may
// not be yielded; everything else is, exactly once.
func (s *Store) List(ctx context.Context, opts *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	if opts == nil {
		opts = &secret.ListOptions{}
	}
	return func(yield func(secret.Meta, error) bool) {
		names, err := s.names(ctx)
		if err != nil {
			yield(secret.Meta{}, err)
			return
		}
		l := lister{s: s, ctx: ctx, opts: *opts, yield: yield, folded: folded(opts)}
		for page := range slices.Chunk(within(names, opts), listPage) {
			if !l.page(page) {
				return
			}
		}
	}
}

// names returns all names, from the index if it is fresh.
func (s *Store) names(ctx context.Context) ([]secret.Name, error) {
	var out *index
	err := s.db.View(ctx, func(tx *state.Tx) error {
		if out = s.index.Load(); out != nil && out.generation == tx.Generation() {
			return nil
		}
		out = &index{generation: tx.Generation()}
		for row, err := range tx.Scan(state.KindSecret) {
			if err != nil {
				return err
			}
			out.names = append(out.names, secret.Name(row.Name))
		}
		slices.Sort(out.names)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.index.Store(out)
	return out.names, nil
}

// within returns the names that begin with the prefix and lie behind the
// cursor.
func within(names []secret.Name, opts *secret.ListOptions) []secret.Name {
	from, _ := slices.BinarySearch(names, secret.Name(opts.Prefix))
	names = names[from:]
	end := len(names)
	for i, n := range names {
		if !strings.HasPrefix(string(n), opts.Prefix) {
			end = i
			break
		}
	}
	names = names[:end]
	behind, found := slices.BinarySearch(names, secret.Name(opts.After))
	if found {
		behind++
	}
	return names[behind:]
}

// folded returns the prefix that the page before ended with, if it did: its
// names lie behind the cursor too, and were yielded with it. No name ends in
// "/".
func folded(opts *secret.ListOptions) string {
	if opts.Shallow && strings.HasSuffix(opts.After, "/") {
		return opts.After
	}
	return ""
}

// A lister is one List under way.
type lister struct {
	s      *Store
	ctx    context.Context // a lister lives as long as the call that has it
	opts   secret.ListOptions
	yield  func(secret.Meta, error) bool
	folded string // the prefix yielded last
}

// page yields what is to be yielded of some names; false ends the list.
func (l *lister) page(names []secret.Name) bool {
	metas, err := l.read(names)
	if err != nil {
		l.yield(secret.Meta{}, err)
		return false
	}
	for _, m := range metas {
		if err := l.ctx.Err(); err != nil {
			l.yield(secret.Meta{}, interrupted("", err))
			return false
		}
		if p := l.fold(m.Name); p != "" {
			if p == l.folded {
				continue
			}
			l.folded = p
			m = secret.Meta{Name: secret.Name(p), Cursor: p, Prefix: true}
		}
		if !l.yield(m, nil) {
			return false
		}
	}
	return true
}

// fold returns the prefix under which a shallow list shows a name, if any.
func (l *lister) fold(n secret.Name) string {
	if !l.opts.Shallow {
		return ""
	}
	i := strings.IndexByte(string(n)[len(l.opts.Prefix):], '/')
	if i < 0 {
		return ""
	}
	return string(n)[:len(l.opts.Prefix)+i+1]
}

// read describes the secrets that are to be listed, at one moment.
func (l *lister) read(names []secret.Name) ([]secret.Meta, error) {
	var out []secret.Meta
	err := l.s.db.View(l.ctx, func(tx *state.Tx) error {
		out = make([]secret.Meta, 0, len(names))
		for _, n := range names {
			h, err := l.s.head(tx, n)
			if errors.Is(err, secret.NotFound) {
				continue // removed since the names were read
			}
			if err != nil {
				return err
			}
			if l.opts.Deleted.Selects(!h.Deleted.IsZero()) {
				out = append(out, h.Item(n))
			}
		}
		return nil
	})
	return out, err
}
