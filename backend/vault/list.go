package vault

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/tacit-secrets/tacit/secret"
)

// What one request of a listing brings at most, where the store can be told: a
// page of names, and one of names with their metadata, which may be large.
const (
	pageNames = 1000
	pageFull  = 100
)

// listing remembers that the store has no call that lists metadata, or that the
// token may not make it.
type listing struct {
	plain       atomic.Bool
	names, full int // sizes of pages
}

// List yields secrets in the order of their names' bytes. The store lists one
// folder at a time: folders and metadata ahead are read meanwhile, InFlight at
// once. Names of the store that are no [secret.Name] are passed over. Where
// names and deleted secrets are asked for, no metadata are read.
func (b *Backend) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	if o == nil {
		o = &secret.ListOptions{}
	}
	return func(yield func(secret.Meta, error) bool) {
		err := interrupted(ctx, "")
		engine := 0
		if err == nil {
			engine, err = b.version(ctx, "")
		}
		if err == nil && engine == 1 && o.Deleted != secret.NotDeleted {
			err = b.unsupported("")
		}
		if err != nil {
			yield(secret.Meta{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := &walk{b: b, o: *o, plain: engine == 1, slots: make(chan struct{}, InFlight), hollow: new(int)}
		w.bare = w.plain || o.Names && o.Deleted == secret.AlsoDeleted
		dir := o.Prefix[:strings.LastIndexByte(o.Prefix, '/')+1]
		if dir != "" && !holdable(strings.TrimSuffix(dir, "/")) {
			return // no name begins like that
		}
		w.folder(ctx, dir, yield)
	}
}

// A walk is one listing under way.
type walk struct {
	b     *Backend
	o     secret.ListOptions
	plain bool          // version 1 of the engine
	bare  bool          // names are enough
	slots chan struct{} // one element for each request under way
	// hollow counts the pages since the last one with a secret. A store has no
	// folder without one below it, so there are at most as many as a name has
	// segments: a server that lists folders for ever is found out.
	hollow *int
}

const maxHollow = secret.MaxNameBytes

// An entry is a key of a folder: a secret, or a folder where it ends in "/".
type entry struct {
	name string
	meta *metadata // if the page told it
}

func (e *entry) isFolder() bool { return strings.HasSuffix(e.name, "/") }

// A page is what one request tells of a folder.
type page struct {
	entries []entry
	leaves  bool // it has a secret, wanted or not
	err     error
}

// ahead is something that is read before its turn.
type ahead struct {
	e      entry
	cancel context.CancelFunc // of what still reads
	ready  chan struct{}
	meta   *metadata
	pages  <-chan page // of a folder that is looked into
	err    error
}

// folder yields what a folder holds; false if the walk is over.
func (w *walk) folder(ctx context.Context, dir string, yield func(secret.Meta, error) bool) bool {
	return w.entries(ctx, w.read(ctx, dir), yield)
}

// entries yields what the pages of a folder hold, in order, and reads ahead.
func (w *walk) entries(ctx context.Context, pages <-chan page, yield func(secret.Meta, error) bool) bool {
	for p := range pages {
		switch {
		case p.leaves:
			*w.hollow = 0
		case len(p.entries) > 0 && !w.folded(): // what follows is a look into the first one
			*w.hollow++
		}
		if p.err == nil && *w.hollow > maxHollow {
			p.err = w.b.strange("")
		}
		if p.err != nil {
			yield(secret.Meta{}, p.err)
			return false
		}
		var queue []*ahead
		for next := 0; next < len(p.entries) || len(queue) > 0; {
			for next < len(p.entries) && len(queue) < InFlight {
				queue = append(queue, w.start(ctx, p.entries[next]))
				next++
			}
			more := w.finish(ctx, queue[0], yield)
			queue[0].cancel()
			if queue = queue[1:]; !more {
				return false
			}
		}
	}
	if err := interrupted(ctx, ""); err != nil {
		yield(secret.Meta{}, err)
		return false
	}
	return true
}

// start begins to read what an entry needs.
func (w *walk) start(ctx context.Context, e entry) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{e: e, cancel: cancel, ready: make(chan struct{}), meta: e.meta}
	switch {
	case e.isFolder() && !w.folded():
		a.pages = w.read(ctx, e.name)
	case !e.isFolder() && a.meta == nil && !w.bare:
		go func() {
			defer close(a.ready)
			if a.err = w.slot(ctx); a.err == nil {
				a.meta, a.err = w.b.metadata(ctx, secret.Name(e.name))
				<-w.slots
			}
		}()
		return a
	}
	close(a.ready)
	return a
}

// folded tells whether a folder is yielded without a look into it: the store
// has no folder without a secret.
func (w *walk) folded() bool {
	return w.o.Shallow && (w.plain || w.o.Deleted == secret.AlsoDeleted)
}

// finish yields what an entry is.
func (w *walk) finish(ctx context.Context, a *ahead, yield func(secret.Meta, error) bool) bool {
	select {
	case <-a.ready:
	case <-ctx.Done():
		a.err = interrupted(ctx, "")
	}
	switch {
	case a.err != nil:
		yield(secret.Meta{}, a.err)
		return false
	case a.e.isFolder() && w.o.Shallow:
		return w.fold(ctx, a, yield)
	case a.e.isFolder():
		return w.entries(ctx, a.pages, yield)
	case w.bare:
		m := secret.Meta{Name: secret.Name(a.e.name)}
		if w.plain {
			m = plainMeta(m.Name)
		}
		m.Cursor = a.e.name
		return yield(m, nil)
	case a.meta == nil: // destroyed meanwhile
		return true
	}
	m := w.b.meta(secret.Name(a.e.name), a.meta)
	if m.Cursor = a.e.name; !w.o.Deleted.Selects(!m.Deleted.IsZero()) {
		return true
	}
	return yield(m, nil)
}

// fold yields a folder once, if it holds a secret of those asked for.
func (w *walk) fold(ctx context.Context, a *ahead, yield func(secret.Meta, error) bool) bool {
	found := a.pages == nil
	if !found {
		deep := *w
		deep.o.Shallow, deep.o.After = false, ""
		var failed error
		deep.entries(ctx, a.pages, func(_ secret.Meta, err error) bool {
			found, failed = err == nil, err
			return false
		})
		if failed != nil {
			yield(secret.Meta{}, failed)
			return false
		}
	}
	// No name goes on with this byte, so the cursor is behind all that begin
	// with the folder.
	return !found || yield(secret.Meta{Name: secret.Name(a.e.name), Prefix: true, Cursor: a.e.name + "\xff"}, nil)
}

func (w *walk) slot(ctx context.Context) error {
	select {
	case w.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return interrupted(ctx, "")
	}
}

// read sends the pages of a folder: one ahead of who takes them.
func (w *walk) read(ctx context.Context, dir string) <-chan page {
	out := make(chan page, 1)
	go func() {
		defer close(out)
		after := w.begin(dir)
		for {
			p, last, more := w.page(ctx, dir, after)
			select {
			case out <- p:
			case <-ctx.Done():
				return
			}
			if !more || p.err != nil {
				return
			}
			after = last
		}
	}()
	return out
}

// begin is the key after which a folder is listed, as far as the cursor tells.
// A cursor within a folder begins behind the secret of the folder's name.
func (w *walk) begin(dir string) string {
	rest, ok := strings.CutPrefix(w.o.After, dir)
	rest, _, _ = strings.Cut(rest, "/")
	if !ok || !holdable(rest) {
		return ""
	}
	return rest
}

// page reads one page and keeps what the walk wants of it.
func (w *walk) page(ctx context.Context, dir, after string) (p page, last string, more bool) {
	if p.err = w.slot(ctx); p.err != nil {
		return p, "", false
	}
	defer func() { <-w.slots }()
	got, p2 := w.b.keys(ctx, dir, after, !w.bare)
	if p.err = p2; p.err != nil {
		return p, "", false
	}
	p.leaves = got.leaves
	for _, e := range got.entries {
		if w.wanted(e.name) {
			p.entries = append(p.entries, e)
		}
	}
	return p, got.last, got.more && !w.past(dir+got.last)
}

// past tells whether all that comes behind a key is behind the prefix too.
func (w *walk) past(name string) bool {
	return name > w.o.Prefix && !strings.HasPrefix(name, w.o.Prefix) && !strings.HasPrefix(w.o.Prefix, name)
}

// wanted tells whether a key, or something below it, is to be yielded.
func (w *walk) wanted(name string) bool {
	after := w.o.After
	if strings.HasSuffix(name, "/") {
		if !holdable(strings.TrimSuffix(name, "/")) || !strings.HasPrefix(name, w.o.Prefix) && !strings.HasPrefix(w.o.Prefix, name) {
			return false
		}
		// What begins with the folder lies before name + "\xff".
		if w.o.Shallow {
			return name+"\xff" > after
		}
		return name+"\xff" > after || strings.HasPrefix(after, name)
	}
	return holdable(name) && strings.HasPrefix(name, w.o.Prefix) && name > after
}

// holdable tells whether a path of the store is a name.
func holdable(path string) bool { return secret.Name(path).Check() == nil && printable(path) }

// keys is one answer of the store about a folder.
type keys struct {
	entries []entry // in the order of their bytes
	leaves  bool    // one of them is a secret
	last    string  // the last key that was told
	more    bool    // there may be more behind it
}

// A part is what one request asks of a folder.
type part struct {
	root, dir, after string
	limit            int
}

func (b *Backend) request(p part) request {
	r := request{method: methodList, path: b.settings.Mount + p.root + p.dir, capability: "list", query: url.Values{"limit": {strconv.Itoa(p.limit)}}}
	if p.after != "" {
		r.query.Set("after", p.after)
	}
	return r
}

// keys asks for what a folder holds after a key. Full asks for metadata too, of
// stores that tell them with the names. A store that cannot be told to send a
// page sends all, in an order of its own.
func (b *Backend) keys(ctx context.Context, dir, after string, full bool) (keys, error) {
	v, err := b.version(ctx, "")
	if err != nil {
		return keys{}, err
	}
	if full && v == 2 && !b.listing.plain.Load() {
		p := part{"/detailed-metadata/", dir, after, b.listing.full}
		got, err := b.do(ctx, b.request(p))
		if !noDetails(got, err) {
			return b.keysAt(ctx, p, got, err)
		}
		b.listing.plain.Store(true)
	}
	p := part{"/", dir, after, b.listing.names}
	if v == 2 {
		p.root = "/metadata/"
	}
	got, err := b.do(ctx, b.request(p))
	return b.keysAt(ctx, p, got, err)
}

// keysAt is keysOf, which doubts that there is nothing.
func (b *Backend) keysAt(ctx context.Context, p part, got *answer, err error) (keys, error) {
	out, err := b.keysOf(p, got, err)
	if err == nil && len(out.entries) == 0 && p.after == "" {
		err = b.contradicted(ctx, "")
	}
	return out, err
}

// noDetails tells that metadata are to be read one by one: the store has no
// call that lists them, the token may not make it, or its answer is too long.
func noDetails(got *answer, err error) bool {
	if err != nil {
		return secret.KindOf(err) == secret.Corrupt
	}
	return got.status == http.StatusForbidden || got.status == http.StatusMethodNotAllowed || got.said(saysOther)
}

// keysOf reads the answer about a part; 404 is that there is nothing.
func (b *Backend) keysOf(p part, got *answer, err error) (keys, error) {
	switch {
	case err != nil:
		return keys{}, err
	case got.status == http.StatusNotFound && !b.elsewhere(got):
		return keys{}, nil
	case !got.ok():
		return keys{}, b.classify(b.request(p), got)
	}
	var told struct {
		Keys []string                   `json:"keys"`
		Info map[string]json.RawMessage `json:"key_info"`
	}
	if err := json.Unmarshal(got.Data, &told); err != nil {
		return keys{}, b.strange("")
	}
	slices.Sort(told.Keys)
	out := keys{}
	for _, k := range slices.Compact(told.Keys) {
		if k <= p.after || k == "" || strings.Contains(strings.TrimSuffix(k, "/"), "/") {
			continue
		}
		e := entry{name: p.dir + k}
		if info := told.Info[k]; len(info) > 2 && !e.isFolder() { // "{}": it has gone meanwhile
			m, err := parseMetadata(info, got.at)
			if err != nil {
				return keys{}, b.strange(secret.Name(e.name))
			}
			e.meta = m
		}
		out.entries, out.last, out.leaves = append(out.entries, e), k, out.leaves || !e.isFolder()
	}
	// Fewer than asked for are the rest; more came from a store that sends
	// all at once. One that does so and has exactly as many sends nothing new.
	out.more = len(told.Keys) == p.limit && len(out.entries) > 0
	return out, nil
}

// pages yields the names of a folder, for those who walk no further.
func (b *Backend) pages(ctx context.Context, dir string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for after := ""; ; {
			got, err := b.keys(ctx, dir, after, false)
			if err != nil {
				yield(nil, err)
				return
			}
			names := make([]string, 0, len(got.entries))
			for _, e := range got.entries {
				names = append(names, strings.TrimPrefix(e.name, dir))
			}
			if !yield(names, nil) || !got.more {
				return
			}
			after = got.last
		}
	}
}
