package state

import (
	"context"
	"crypto/sha256"
	"iter"
	"maps"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// A Tx is the store at one moment, and within Update what was changed since.
// It is used by one goroutine, and only until the function that it was given to
// returns. What it returns is shared and must not be changed, but stays good.
type Tx struct {
	d      *DB
	ctx    context.Context // a Tx lives as long as the call that has it
	snap   *snapshot
	c      *lite.Conn // nil: only the cache is at hand
	missed bool       // a row was not in the cache: the function runs again
	batch  *batch     // nil in View
	own    map[Key]*entry
	scrub  bool
}

// Generation returns the generation that the Tx reads. Within Update that is
// the last one before it.
func (t *Tx) Generation() uint64 { return t.snap.state.Generation }

// Get returns a row's payload; none is secret.NotFound, a changed one
// secret.Corrupt.
func (t *Tx) Get(k Key) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	e, err := t.find(k)
	if err != nil {
		return nil, err
	}
	if e.absent {
		return nil, errNone(k)
	}
	return e.payload, nil
}

// Decode is Get with what parse makes of the payload, which is kept with the
// row in the cache: it is shared, must not be changed, and parse must always
// be the same function for one kind of row.
func (t *Tx) Decode(k Key, parse func(payload []byte) (any, error)) (any, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	e, err := t.find(k)
	if err != nil {
		return nil, err
	}
	if e.absent {
		return nil, errNone(k)
	}
	return e.parsed(parse)
}

func (e *entry) parsed(parse func([]byte) (any, error)) (any, error) {
	if v := e.decoded.Load(); v != nil {
		return *v, nil
	}
	v, err := parse(e.payload)
	if err != nil {
		return nil, err
	}
	e.decoded.Store(&v)
	return v, nil
}

// Put writes a row, whether there is one or not. The payload is kept and must
// not be changed afterwards. Within View it is secret.Invalid.
func (t *Tx) Put(k Key, payload []byte) error {
	if err := k.check(); err != nil {
		return err
	}
	return t.change(k, &entry{payload: payload})
}

// Delete removes a row; none is no error.
func (t *Tx) Delete(k Key) error {
	if err := k.check(); err != nil {
		return err
	}
	return t.change(k, &entry{absent: true})
}

// GetValue returns a value; none is secret.NotFound. Large values are not kept
// in the cache.
func (t *Tx) GetValue(secretID, versionID string) ([]byte, error) {
	k := Key{Kind: kindValue, Parent: secretID, Name: versionID}
	e, err := t.find(k)
	if err != nil {
		return nil, err
	}
	if e.absent {
		return nil, errNone(k)
	}
	return e.payload, nil
}

// PutValue writes a value, sealed under a key of its own. Values never change:
// if there is one already the error is secret.Conflict. Ids must not be used
// again for another value, even after DeleteValue: the old one, put back into
// the file, would be served until Check.
func (t *Tx) PutValue(secretID, versionID string, value []byte) error {
	k := Key{Kind: kindValue, Parent: secretID, Name: versionID}
	if len(secretID)+len(versionID) > MaxKeyBytes {
		return secret.Errorf(secret.Invalid, "", "a value's ids have at most %d bytes together", MaxKeyBytes)
	}
	e, err := t.find(k)
	if err != nil {
		return err
	}
	if !e.absent {
		return secret.Errorf(secret.Conflict, "", "the store has this value already")
	}
	return t.change(k, &entry{payload: value})
}

// DeleteValue removes a value; none is no error.
func (t *Tx) DeleteValue(secretID, versionID string) error {
	return t.change(Key{Kind: kindValue, Parent: secretID, Name: versionID}, &entry{absent: true})
}

// Scrub asks that what this Update deletes be gone from the file when it
// returns, as far as other processes' readers allow; it costs a checkpoint.
// Without it deleted rows, sealed as they are, stay in the write-ahead log
// until that is used up or the store is closed.
func (t *Tx) Scrub() { t.scrub = true }

func (t *Tx) change(k Key, e *entry) error {
	if t.batch == nil {
		return secret.Errorf(secret.Invalid, "", "nothing can be changed while viewing")
	}
	if len(e.payload) > MaxPayloadBytes {
		return secret.Errorf(secret.Invalid, "", "a row of %d bytes is too large: at most %d", len(e.payload), MaxPayloadBytes)
	}
	t.own[k] = e
	return nil
}

// find returns a row as this Tx sees it.
func (t *Tx) find(k Key) (*entry, error) {
	if e, ok := t.changed(k); ok {
		return e, nil
	}
	return t.committed(k)
}

func (t *Tx) changed(k Key) (*entry, bool) {
	if t.batch == nil {
		return nil, false
	}
	if e, ok := t.own[k]; ok {
		return e, true
	}
	e, ok := t.batch.changes[k]
	return e, ok
}

// committed returns a row as the file has it.
func (t *Tx) committed(k Key) (*entry, error) {
	at := t.snap.at()
	if e, ok := t.d.cache.get(at, k); ok {
		return e, nil
	}
	if t.c == nil {
		t.missed = true
		return nil, secret.Errorf(secret.Unavailable, "", "not in the cache") // never seen: the function runs again
	}
	if err := t.ctx.Err(); err != nil {
		return nil, lite.Classify(t.d.path, err)
	}
	e, err := t.load(k)
	if err != nil {
		return nil, err
	}
	t.d.cache.put(at, k, e)
	return e, nil
}

func (t *Tx) load(k Key) (*entry, error) {
	var s stored
	var ok bool
	var err error
	rowKey := t.snap.rowKey(k)
	if k.Kind == kindValue {
		ok, err = t.c.Get("SELECT wrapped, sealed FROM value WHERE key = ?", []any{rowKey}, &s.wrapped, &s.sealed)
	} else {
		ok, err = t.c.Get("SELECT sealed FROM row WHERE key = ?", []any{rowKey}, &s.sealed)
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return &entry{absent: true}, nil
	}
	payload, err := t.snap.open(k, rowKey, s)
	if err != nil {
		return nil, damaged(t.d.path, err)
	}
	return &entry{payload: payload, hash: sha256.Sum256(s.sealed)}, nil
}

// damaged says which file the bytes come from.
func damaged(path string, err error) error {
	return &secret.Error{Kind: secret.KindOf(err), Text: path + ": " + err.Error() + "\n  tacit store check", Err: err}
}

// Scan yields all rows of a kind, in no meaningful order. An error ends it.
// Rows that the loop itself changes may be seen as they were or as they are.
func (t *Tx) Scan(kind Kind) iter.Seq2[Row, error] {
	return t.scan([]byte{byte(kind)}, func(k Key) bool { return k.Kind == kind })
}

// ScanParent yields the rows of a kind that have this parent.
func (t *Tx) ScanParent(kind Kind, parent string) iter.Seq2[Row, error] {
	return t.scan(t.snap.parentKey(kind, parent), func(k Key) bool { return k.Kind == kind && k.Parent == parent })
}

func (t *Tx) scan(prefix []byte, fits func(Key) bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		changes := t.allChanges()
		for r, err := range t.scanFile(prefix) {
			if err == nil {
				if _, ok := changes[r.Key]; ok {
					continue
				}
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
		for k, e := range changes {
			if fits(k) && !e.absent && !yield(Row{k, e.payload}, nil) {
				return
			}
		}
	}
}

func (t *Tx) allChanges() map[Key]*entry {
	out := map[Key]*entry{}
	if t.batch != nil {
		maps.Copy(out, t.batch.changes)
		maps.Copy(out, t.own)
	}
	return out
}

const scanPage = 256

// scanFile yields the rows whose keys begin with prefix, a page at a time, so
// that the loop may use the connection too.
func (t *Tx) scanFile(prefix []byte) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if t.c == nil {
			t.missed = true
			yield(Row{}, secret.Errorf(secret.Unavailable, "", "not in the cache")) // never seen
			return
		}
		after, end := prefix, successor(prefix)
		for {
			page, err := t.page(after, end)
			if err != nil {
				yield(Row{}, err)
				return
			}
			for _, r := range page {
				if !yield(r.Row, nil) {
					return
				}
			}
			if len(page) < scanPage {
				return
			}
			after = page[len(page)-1].rowKey
		}
	}
}

// successor returns the first key after all that begin with prefix.
func successor(prefix []byte) []byte {
	out := append([]byte(nil), prefix...)
	for i := len(out) - 1; i >= 0; i-- {
		out[i]++
		if out[i] != 0 {
			return out[:i+1]
		}
	}
	return make([]byte, rowKeyBytes+1) // no kind is 0xff
}

type found struct {
	Row
	rowKey []byte
}

func (t *Tx) page(after, end []byte) ([]found, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, lite.Classify(t.d.path, err)
	}
	var out []found
	err := t.c.Each("SELECT key, sealed FROM row WHERE key > ? AND key < ? ORDER BY key LIMIT 256", []any{after, end}, func(scan func(...any) error) error {
		var rowKey, sealed []byte
		if err := scan(&rowKey, &sealed); err != nil {
			return err
		}
		row, err := t.openScanned(rowKey, sealed)
		out = append(out, found{row, rowKey})
		return err
	})
	return out, err
}

func (t *Tx) openScanned(rowKey, sealed []byte) (Row, error) {
	plain, err := t.snap.openRow(rowKey, sealed)
	if err != nil {
		return Row{}, damaged(t.d.path, err)
	}
	row, err := parseRow(Kind(rowKey[0]), plain)
	if err != nil {
		return Row{}, damaged(t.d.path, err)
	}
	return row, nil
}
