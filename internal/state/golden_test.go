package state

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tacit-secrets/tacit/internal/seal"
)

// TestGolden reads a store that the first tacit wrote. STATE_GOLDEN=new, with
// testdata/v1 removed, writes one.
func TestGolden(t *testing.T) {
	const folder = "testdata/v1"
	if os.Getenv("STATE_GOLDEN") == "new" {
		writeGolden(t, folder)
	}
	dir := t.TempDir()
	noError(t, os.CopyFS(dir, os.DirFS(folder)))
	noError(t, filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			err = os.Chmod(p, 0o600) // a checkout forgets modes
		} else if err == nil {
			err = os.Chmod(p, 0o700)
		}
		return err
	}))
	u := seal.Unlocker{KeyDir: filepath.Join(dir, "keys")}
	d, err := Open(t.Context(), filepath.Join(dir, "store.db"), &Options{Unlock: u.Unlock})
	noError(t, err)
	wantGet(t, d, "claude/api", "head")
	if v, err := getValue(t, d, "secret", "version"); err != nil || v != "value" {
		t.Errorf("%q, %v", v, err)
	}
	if h := d.LogHead(); d.Generation() != 3 || h.Size != 2 || len(h.Edge) != 1 {
		t.Errorf("generation %d, log %+v", d.Generation(), h)
	}
	_, err = d.Check(t.Context())
	noError(t, err)
	noError(t, d.Close())
}

func writeGolden(t *testing.T, folder string) {
	t.Helper()
	dir, err := filepath.Abs(folder)
	noError(t, err)
	noError(t, os.MkdirAll(dir, 0o700))
	u := seal.Unlocker{KeyDir: filepath.Join(dir, "keys")}
	key, err := seal.NewKey()
	noError(t, err)
	id := NewStoreID()
	s, err := u.NewSlot(t.Context(), id, key, seal.Method{Kind: seal.KeyFile})
	noError(t, err)
	d, err := Create(t.Context(), filepath.Join(dir, "store.db"), Seed{StoreID: id, Key: key, Slots: seal.Slots{s}}, nil)
	noError(t, err)
	d.SetLog(func() LogHead { return LogHead{Size: 2, Root: [32]byte{1}, Edge: [][32]byte{{2}}} })
	put(t, d, "claude/api", "head")
	putValue(t, d, "secret", "version", "value")
	noError(t, d.Close())
}
