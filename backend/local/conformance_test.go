package local_test

import (
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/secret"
)

func conformance() backendtest.Config {
	return backendtest.Config{
		MaxValueBytes: local.MaxValueBytes,
		Capabilities: []string{
			"versions", "swap", "create", "undelete", "remove versions", "stages", "annotations", "attributes", "limits", "backup", "batch", "batch put", "rename", "watch",
		},
	}
}

// testOf returns the test that a case runs in.
func testOf(t backendtest.TB) testing.TB {
	tb, ok := t.(testing.TB)
	if !ok {
		t.Fatalf("not a test of its own")
	}
	return tb
}

func TestConformanceOnFiles(t *testing.T) {
	cfg := conformance()
	var files sync.Map // which file a store is in
	cfg.New = func(t backendtest.TB, now func() time.Time) secret.Backend {
		f := newFile(testOf(t))
		s, _ := f.open(testOf(t), now)
		files.Store(s, f)
		return s
	}
	cfg.Second = func(t backendtest.TB, b secret.Backend, now func() time.Time) secret.Backend {
		f, ok := files.Load(b)
		if !ok {
			t.Fatalf("that store is in no file")
		}
		s, _ := f.(file).open(testOf(t), now) //nolint:forcetypeassert // stored above
		return s
	}
	golden(t, backendtest.Run(t, cfg), "testdata/files.golden")
}

func TestConformanceInMemory(t *testing.T) {
	cfg := conformance()
	cfg.New = func(t backendtest.TB, now func() time.Time) secret.Backend {
		s, err := inMemoryAt(testOf(t), now)
		noError(testOf(t), err)
		return s
	}
	golden(t, backendtest.Run(t, cfg), "testdata/memory.golden")
}

// golden compares the cases that a store was asked with those it was asked
// before, so that none is lost in silence.
func golden(t *testing.T, cases []string, path string) {
	t.Helper()
	asked := strings.Join(cases, "\n") + "\n"
	if os.Getenv("TACIT_TEST_UPDATE") != "" {
		noError(t, os.WriteFile(path, []byte(asked), 0o600))
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != asked {
		t.Errorf("the cases asked are not those of %s (%v): look, then TACIT_TEST_UPDATE=1", path, err)
	}
}
