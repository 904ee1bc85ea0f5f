package config

import (
	"context"
	"errors"
	"time"

	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// sweepLast removes the last known values whose time is over and, if the files
// are trusted, those that nothing in them asks for any more. What cannot be
// removed now is removed the next time; no use is made of it meanwhile.
func (x *Opened) sweepLast(ctx context.Context) error {
	now := x.opts.now()()
	rows, err := lastRows(ctx, x.db)
	if err != nil {
		return err
	}
	wanted := x.keepsLast()
	var over []lastFound
	for _, r := range rows {
		if r.over(now) || wanted != nil && r.Value != "" && r.of.folder == short(x.bindRoot) && !wanted[r.of.env+lastSep+r.of.settings] {
			over = append(over, r)
		}
	}
	return removeLast(ctx, x.db, over)
}

// keepsLast are the environments that keep last known values; nil if the files
// are not trusted, or not read.
func (x *Opened) keepsLast() map[string]bool {
	if x.Standing < Trusted || x.Project == nil {
		return nil
	}
	out := map[string]bool{}
	for _, e := range x.Project.envs {
		if k, ok := x.lastKnown(e).(*lastKnown); ok && k.bound > 0 {
			out[e.Name+lastSep+k.of.settings] = true
		}
	}
	return out
}

// forgetLast removes all last known values of a store.
func forgetLast(ctx context.Context, db *state.DB) error {
	rows, err := lastRows(ctx, db)
	if err != nil {
		return err
	}
	return removeLast(ctx, db, rows)
}

// withoutLast takes all last known values out of a copy of a store.
func withoutLast(tx *state.Tx) error {
	rows, err := lastTx{tx}.all()
	if err != nil {
		return err
	}
	_, err = lastTx{tx}.removeIf(rows, func(*lastFound) bool { return true })
	return err
}

func removeLast(ctx context.Context, db *state.DB, rows []lastFound) error {
	if len(rows) == 0 {
		return nil
	}
	return db.Update(ctx, func(tx *state.Tx) error {
		for _, r := range rows {
			now, err := lastTx{tx}.row(r.key)
			if err != nil {
				return err
			}
			if now != nil && *now == r.lastRow { // nobody was here meanwhile
				if err := (lastTx{tx}).remove(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// behind reports whether the clock is behind a time that was seen before.
func behind(now, seen time.Time) bool { return now.Before(seen.Add(-clockSlack)) }

// over reports whether the time of a row is over, or has not come yet.
func (r lastRow) over(now time.Time) bool {
	return now.UnixNano() >= r.Until || behind(now, r.read())
}

// lastTx is the space of last known values within a transaction.
type lastTx struct{ tx *state.Tx }

type lastFound struct {
	lastRow
	key state.Key
	of  lastOf
}

// atNow reports whether the row is of whatever version was current.
func (r *lastFound) atNow() bool {
	now := atText(secret.At{}) + lastSep
	return len(r.key.Name) >= len(now) && r.key.Name[:len(now)] == now
}

// all returns the rows but the clock's.
func (t lastTx) all() ([]lastFound, error) {
	var out []lastFound
	for row, err := range t.tx.Scan(state.KindLast) {
		if err != nil {
			return nil, err
		}
		if row.Key == clockKey() {
			continue
		}
		of, ok := parseLastOf(row.Parent)
		r, err := parseLastRow(row.Payload)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, secret.Errorf(secret.Corrupt, "", "the store's record of a last known value has no owner\n  tacit store check")
		}
		out = append(out, lastFound{r, row.Key, of})
	}
	return out, nil
}

// removeIf removes some of the rows, and returns the others.
func (t lastTx) removeIf(rows []lastFound, which func(*lastFound) bool) ([]lastFound, error) {
	var left []lastFound
	for i := range rows {
		if !which(&rows[i]) {
			left = append(left, rows[i])
		} else if err := t.remove(rows[i]); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// row returns one; nil if there is none.
func (t lastTx) row(k state.Key) (*lastRow, error) {
	b, err := t.tx.Get(k)
	if errors.Is(err, secret.NotFound) {
		return nil, nil //nolint:nilnil // no row is what nil means
	}
	if err != nil {
		return nil, err
	}
	r, err := parseLastRow(b)
	return &r, err
}

func (t lastTx) put(k state.Key, r lastRow) error { return t.tx.Put(k, r.marshal()) }

// remove takes a row and its value away, so that neither stays in the file.
func (t lastTx) remove(r lastFound) error {
	t.tx.Scrub()
	if r.Value != "" {
		if err := t.tx.DeleteValue(lastValues, r.Value); err != nil {
			return err
		}
	}
	return t.tx.Delete(r.key)
}

// clock is the latest time that was seen; zero if none was.
func (t lastTx) clock() (time.Time, error) {
	r, err := t.row(clockKey())
	if err != nil || r == nil {
		return time.Time{}, err
	}
	return r.read(), nil
}

func lastRows(ctx context.Context, db *state.DB) (out []lastFound, err error) {
	err = db.View(ctx, func(tx *state.Tx) error {
		out, err = lastTx{tx}.all()
		return err
	})
	return out, err
}
