package state

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
	"pgregory.net/rapid"
)

// TestModel runs random changes through two instances of one store, reopening
// them at times, and compares with a map.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFixture(t)
		dbs := []*DB{f.DB, f.open(t)}
		model := map[Key]string{}
		keys := rapid.Custom(func(r *rapid.T) Key {
			return Key{
				Kind:   rapid.SampledFrom([]Kind{KindSecret, KindLocal}).Draw(r, "kind"),
				Parent: rapid.SampledFrom([]string{"", "p", "pp"}).Draw(r, "parent"),
				Name:   rapid.SampledFrom([]string{"", "a", "b", "p", "é/x"}).Draw(r, "name"),
			}
		})
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			i := rapid.IntRange(0, 1).Draw(r, "instance")
			if rapid.IntRange(0, 9).Draw(r, "reopen") == 0 {
				noError(t, dbs[i].Close())
				dbs[i] = f.open(t)
			}
			changes := rapid.MapOf(keys, rapid.StringN(0, 80, -1)).Draw(r, "changes")
			fail := rapid.Bool().Draw(r, "fail")
			if changeAll(t, dbs[i], changes, fail) {
				applyAll(model, changes)
			}
			for _, d := range dbs {
				compare(t, d, model)
			}
		}
		for _, d := range dbs {
			report, err := d.Check(t.Context())
			noError(t, err)
			if int(report.Rows) != len(model) {
				t.Fatalf("%d rows, want %d", report.Rows, len(model))
			}
			noError(t, d.Close())
		}
	})
}

// changeAll puts what has a payload and deletes what has none.
func changeAll(t *testing.T, d *DB, changes map[Key]string, fail bool) bool {
	t.Helper()
	failed := errors.New("fails")
	err := d.Update(t.Context(), func(tx *Tx) error {
		for k, v := range changes {
			err := tx.Delete(k)
			if v != "" {
				err = tx.Put(k, []byte(v))
			}
			noError(t, err)
		}
		if fail {
			return failed
		}
		return nil
	})
	if fail != errors.Is(err, failed) {
		t.Fatal(err)
	}
	return err == nil
}

func applyAll(model, changes map[Key]string) {
	maps.Copy(model, changes)
	maps.DeleteFunc(model, func(_ Key, v string) bool { return v == "" })
}

func compare(t *testing.T, d *DB, model map[Key]string) {
	t.Helper()
	var got map[Key]string
	noError(t, d.View(t.Context(), func(tx *Tx) error {
		got = map[Key]string{}
		for _, kind := range []Kind{KindSecret, KindLocal} {
			for r, err := range tx.Scan(kind) {
				if err != nil {
					return err
				}
				got[r.Key] = string(r.Payload)
			}
		}
		return nil
	}))
	if !maps.Equal(got, model) {
		t.Fatalf("the store holds %v, want %v", got, model)
	}
	for k, v := range model {
		noError(t, d.View(t.Context(), func(tx *Tx) error {
			b, err := tx.Get(k)
			if err == nil && string(b) != v {
				err = fmt.Errorf("%v is %q, want %q", k, b, v)
			}
			return err
		}))
	}
}

// TestReadsAreNeverStale: what was acknowledged, by any instance, before a read
// began is seen by it, and each read sees one moment.
func TestReadsAreNeverStale(t *testing.T) {
	f := newFixture(t)
	dbs := []*DB{f.DB, f.open(t), f.open(t)}
	both := func(n int) func(*Tx) error {
		return func(tx *Tx) error {
			return errors.Join(tx.Put(row("a"), []byte(strconv.Itoa(n))), tx.Put(row("b"), []byte(strconv.Itoa(n))))
		}
	}
	noError(t, f.Update(t.Context(), both(0)))
	var acked atomic.Int64
	var stop atomic.Bool
	var readers sync.WaitGroup
	var reads atomic.Int64
	for _, d := range dbs {
		for range 2 {
			readers.Go(func() {
				for !stop.Load() {
					reads.Add(1)
					if err := sees(t, d, acked.Load()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	for n := 1; n <= 400; n++ {
		noError(t, dbs[n%2].Update(t.Context(), both(n)))
		acked.Store(int64(n))
	}
	stop.Store(true)
	readers.Wait()
	if reads.Load() < 100 {
		t.Fatalf("only %d reads: the test does not test", reads.Load())
	}
}

func sees(t *testing.T, d *DB, least int64) error {
	var a, b []byte
	err := d.View(t.Context(), func(tx *Tx) (err error) {
		if a, err = tx.Get(row("a")); err != nil {
			return err
		}
		b, err = tx.Get(row("b"))
		return err
	})
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(string(a), 10, 64)
	if err != nil || n < least || string(a) != string(b) {
		return fmt.Errorf("read %s and %s after %d was acknowledged: %w", a, b, least, err)
	}
	return nil
}

// TestCacheIsBounded: more rows than fit are served all the same.
func TestCacheIsBounded(t *testing.T) {
	d, err := Memory(t.Context(), &Options{CacheBytes: 20_000})
	noError(t, err)
	t.Cleanup(func() { noError(t, d.Close()) })
	for i := range 300 {
		put(t, d, strconv.Itoa(i), "row "+strconv.Itoa(i))
	}
	for i := range 300 {
		wantGet(t, d, strconv.Itoa(i), "row "+strconv.Itoa(i))
		size := 0
		for k, e := range d.cache.rows {
			size += e.size(k)
		}
		if size != d.cache.size || size > 20_000 {
			t.Fatalf("the cache holds %d bytes and believes %d", size, d.cache.size)
		}
	}
}

func TestDecode(t *testing.T) {
	both(t, func(t *testing.T, d *DB) {
		put(t, d, "a", "41")
		parsed := 0
		read := func() (n int) {
			noError(t, d.View(t.Context(), func(tx *Tx) error {
				v, err := tx.Decode(row("a"), func(b []byte) (any, error) {
					parsed++
					return strconv.Atoi(string(b))
				})
				n, _ = v.(int)
				return err
			}))
			return n
		}
		if first, second := read(), read(); first != 41 || second != 41 || parsed != 1 {
			t.Errorf("parsed %d times", parsed)
		}
		put(t, d, "a", "42")
		if read() != 42 || parsed != 2 {
			t.Errorf("parsed %d times", parsed)
		}
		put(t, d, "a", "x")
		for range 2 {
			err := d.View(t.Context(), func(tx *Tx) error {
				_, err := tx.Decode(row("a"), func([]byte) (any, error) { return nil, errRecord("test") })
				return err
			})
			wantKind(t, err, secret.Corrupt)
		}
	})
}
