package state

import (
	"context"
	"fmt"
	"testing"

	"github.com/tacit-secrets/tacit/internal/state/internal/lite"
)

// To open a connection costs as much as many reads: one after the other they
// need one.
func TestReadsOneAfterTheOtherShareAConnection(t *testing.T) {
	d := newFixture(t).DB
	for range 2 * maxReaders {
		noError(t, d.read(t.Context(), func(*lite.Conn) error { return nil }))
	}
	if n := openReaders(d); n != 1 {
		t.Errorf("%d connections are open", n)
	}
	// At once they have one each.
	all := make([]*lite.Conn, maxReaders)
	for i := range all {
		var err error
		all[i], err = d.reader(context.WithoutCancel(t.Context()))
		noError(t, err)
	}
	for _, c := range all {
		d.readers <- c
	}
	if n := openReaders(d); n != maxReaders {
		t.Errorf("%d connections are open for %d at once", n, maxReaders)
	}
}

func openReaders(d *DB) (n int) {
	for range maxReaders {
		c := <-d.readers
		if c != nil {
			n++
		}
		d.readers <- c
	}
	return n
}

// A command looks a few times, and opens no second connection for that; a
// server gets one. Both see what other processes commit.
func TestFewChecksNeedNoConnectionOfTheirOwn(t *testing.T) {
	f := newFixture(t)
	other := f.open(t)
	for i := range 3 * maxLent {
		name := fmt.Sprint("n", i)
		put(t, other, name, "v")
		var got []byte
		noError(t, f.View(t.Context(), func(tx *Tx) (err error) {
			got, err = tx.Get(row(name))
			return err
		}))
		if got == nil {
			t.Fatalf("view %d does not see what was committed before it", i)
		}
		if own := f.checks.c != nil; own != (i >= maxLent) || openReaders(f.DB) != 1 {
			t.Fatalf("after %d views: a connection of its own %v, %d readers", i+1, own, openReaders(f.DB))
		}
	}
}
