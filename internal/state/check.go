package state

import (
	"context"
	"crypto/sha256"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
	"github.com/tacit-secrets/tacit/secret"
)

// A Report is what Check found sound.
type Report struct {
	Epoch, Generation uint64
	Rows              uint64 // values included
	Values            uint64
	Log               LogHead
}

// Check reads the whole store at one moment: SQLite's own structure, each row
// and value, their number and the set-MAC over all of them. An older row that
// was put back, and one that was taken away, are found here and nowhere else.
// The first thing that is wrong is the error, secret.Corrupt. It takes about a
// second for 50,000 rows; changes go on meanwhile.
func (d *DB) Check(ctx context.Context) (Report, error) {
	var r Report
	err := d.read(ctx, func(c *lite.Conn) error {
		s, err := d.snapshot(ctx, c)
		if err != nil {
			return err
		}
		r = Report{Epoch: s.state.Epoch, Generation: s.state.Generation, Log: s.state.Log}
		if err := intact(c); err != nil {
			return err
		}
		return d.checkRows(ctx, c, s, &r)
	})
	return r, err
}

// intact asks SQLite for what is wrong with its own structure.
func intact(c *lite.Conn) error {
	if c.Path != lite.Memory {
		if err := c.CheckFormat(); err != nil {
			return err
		}
	}
	var text string
	if _, err := c.Get("PRAGMA integrity_check(1)", nil, &text); err != nil {
		return err
	}
	if text != "ok" {
		return secret.Errorf(secret.Corrupt, "", "%s: SQLite's structure is damaged: %s\n  tacit store restore FILE", c.Path, text)
	}
	return nil
}

func (d *DB) checkRows(ctx context.Context, c *lite.Conn, s *snapshot, r *Report) error {
	var set sum
	err := s.eachStored(ctx, c, func(rowKey []byte, b stored) error {
		if err := s.opens(rowKey, b); err != nil {
			return damaged(d.path, err)
		}
		r.Rows++
		if rowKey[0] == byte(kindValue) {
			r.Values++
		}
		set.add(s.term(rowKey, sha256.Sum256(b.sealed)))
		return nil
	})
	if err != nil {
		return err
	}
	if r.Rows != s.state.Rows || set != s.state.Set {
		return secret.Errorf(secret.Corrupt, "", "%s: rows were put back, taken away or added behind tacit's back\n  tacit store restore FILE", d.path)
	}
	return nil
}

// opens reports whether a row is sound and lies where it belongs.
func (s *snapshot) opens(rowKey []byte, b stored) error {
	if len(rowKey) != rowKeyBytes {
		return errRecord("row")
	}
	if rowKey[0] == byte(kindValue) {
		_, err := s.openValue(rowKey, b)
		return err
	}
	plain, err := s.openRow(rowKey, b.sealed)
	if err != nil {
		return err
	}
	row, err := parseRow(Kind(rowKey[0]), plain)
	if err == nil && string(s.rowKey(row.Key)) != string(rowKey) {
		err = errRecord("row")
	}
	return err
}

// eachStored calls f with all rows of both tables.
func (s *snapshot) eachStored(ctx context.Context, c *lite.Conn, f func(rowKey []byte, b stored) error) error {
	for _, query := range []string{"SELECT key, x'', sealed FROM row", "SELECT key, wrapped, sealed FROM value"} {
		err := c.Each(query, nil, func(scan func(...any) error) error {
			if err := ctx.Err(); err != nil {
				return lite.Classify(c.Path, err)
			}
			var rowKey []byte
			var b stored
			if err := scan(&rowKey, &b.wrapped, &b.sealed); err != nil {
				return err
			}
			return f(rowKey, b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
