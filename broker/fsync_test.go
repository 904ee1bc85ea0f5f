package broker_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// countedFile counts what is made durable.
type countedFile struct {
	audit.File
	syncs *atomic.Int64
}

func (f countedFile) Sync() error {
	f.syncs.Add(1)
	return f.File.Sync()
}

// counted returns a Broker over a real log whose fsyncs are counted.
func counted(t *testing.T) (*broker.Broker, string, *atomic.Int64) {
	t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	syncs, dir := new(atomic.Int64), t.TempDir()
	l, _, err := audit.Create(t.Context(), audit.Config{Dir: dir, KeyDir: t.TempDir(), Key: key, MinFree: 1, OpenFile: func(path string, flag int) (audit.File, error) {
		f, err := audit.OpenFile(path, flag)
		return countedFile{f, syncs}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	set, err := policy.New(policy.Config{Owner: "user:mia"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.New(broker.Config{Envs: map[string]broker.Env{"dev": broker.Opened(mem.New(nil))}, Policy: set, Log: l})
	if err != nil {
		t.Fatal(err)
	}
	return b, dir, syncs
}

// TestReadsShareOneFsync: however many references one command reads, found,
// missing or denied, their records become durable together.
func TestReadsShareOneFsync(t *testing.T) {
	b, dir, syncs := counted(t)
	var refs []secret.Ref
	for i := range 100 {
		r := ref(t, fmt.Sprintf("n%d", i))
		refs = append(refs, r)
		if i%3 == 0 {
			continue // it is missing, which is recorded too
		}
		if _, err := b.Put(t.Context(), mia(), r, secret.Text(canary), nil); err != nil {
			t.Fatal(err)
		}
	}
	for what, read := range map[string]func(){
		"get":    func() { b.GetAll(t.Context(), mia(), refs) },
		"check":  func() { b.Check(t.Context(), mia(), refs) },
		"denied": func() { b.GetAll(t.Context(), eve(), refs[:5]) },
		"one":    func() { _, _ = b.Get(t.Context(), mia(), refs[1]) },
	} {
		before, n := syncs.Load(), records(t, dir)
		read()
		if got := syncs.Load() - before; got != 1 {
			t.Errorf("%s: %d fsyncs", what, got)
		}
		if want := map[string]int{"get": 100, "check": 100, "denied": 5, "one": 1}[what]; records(t, dir)-n != want {
			t.Errorf("%s: %d records, want %d", what, records(t, dir)-n, want)
		}
	}
	before := syncs.Load()
	if _, err := b.Put(t.Context(), mia(), refs[1], secret.Text(canary), nil); err != nil {
		t.Fatal(err)
	}
	if got := syncs.Load() - before; got != 2 { // it begins, it ends
		t.Errorf("a change: %d fsyncs", got)
	}
}

func records(t *testing.T, dir string) (n int) {
	t.Helper()
	for _, err := range audit.Read(t.Context(), dir, audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
