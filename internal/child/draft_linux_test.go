package child

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func TestDraft(t *testing.T) {
	root := memory(t)
	roots := []string{root}
	of := DraftOf{Store: "s", Env: "dev", Name: "a/b", Begun: time.Unix(1, 0).UTC()}
	d, err := NewDraft(roots, of, "value.txt", secret.Text("canary"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.Dir(), ".value.txt.swp"), []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	Sweep(roots) // it is held
	if v, err := d.Text(6); err != nil || string(v.Reveal()) != "canary" {
		t.Fatalf("%v", err)
	}
	if _, err := d.Text(5); !errors.Is(err, secret.Invalid) {
		t.Errorf("a draft over the limit: %v", err)
	}
	path, err := d.Keep()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil { // removes nothing any more
		t.Fatal(err)
	}
	Sweep(roots) // laid aside, it is nobody's to sweep
	kept := KeptDrafts(roots, DraftOf{Store: "s", Env: "dev", Name: "a/b"})
	if len(kept) != 1 || kept[0].Path != path || kept[0].Of != of {
		t.Fatalf("kept: %+v", kept)
	}
	for name, other := range map[string]DraftOf{"store": {Store: "t", Env: "dev", Name: "a/b"}, "field": {Store: "s", Env: "dev", Name: "a/b", Field: "f"}} {
		if k := KeptDrafts(roots, other); len(k) != 0 {
			t.Errorf("another %s has this draft", name)
		}
	}
	if entries, _ := os.ReadDir(kept[0].Dir); len(entries) != 2 {
		t.Errorf("beside the draft there is %v", entries)
	}
	if err := kept[0].Drop(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
}

// A killed tacit leaves a draft that nobody asked to keep: swept.
func TestDraftNobodyHoldsIsSwept(t *testing.T) {
	root := memory(t)
	d, err := NewDraft([]string{root}, DraftOf{}, "value.txt", secret.Text("canary"))
	if err != nil {
		t.Fatal(err)
	}
	_ = d.files.lock.Close()
	Sweep([]string{root})
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
}

func TestAbuseDraft(t *testing.T) {
	t.Run("draft-refused-off-tmpfs", func(t *testing.T) {
		disk := t.TempDir()
		if inMemory(disk) {
			t.Skip("SKIPPED: the temporary folder is in memory here")
		}
		if _, err := NewDraft([]string{disk}, DraftOf{}, "value.txt", secret.Text("canary")); !errors.Is(err, secret.Unsupported) {
			t.Errorf("got %v", err)
		}
		if entries, _ := os.ReadDir(disk); len(entries) != 0 {
			t.Errorf("something was made: %v", entries)
		}
	})
	plant := func(t *testing.T, mode os.FileMode) string {
		root := memory(t)
		dir := filepath.Join(root, draftPrefix()+"planted")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{draftAbout: `{"store":"s","env":"dev","name":"a"}`, "value.txt": "theirs"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return root
	}
	of := DraftOf{Store: "s", Env: "dev", Name: "a"}
	t.Run("planted-draft-in-open-folder-ignored", func(t *testing.T) {
		if k := KeptDrafts([]string{plant(t, 0o700)}, of); len(k) != 1 {
			t.Fatal("this test cannot fail") // the plant is right but for the mode
		}
		if k := KeptDrafts([]string{plant(t, 0o755)}, of); len(k) != 0 {
			t.Error("a folder that others can write to was believed")
		}
	})
	t.Run("draft-replaced-by-link-not-followed", func(t *testing.T) {
		d, err := NewDraft([]string{memory(t)}, of, "value.txt", secret.Text("canary"))
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := errors.Join(os.Remove(d.Path()), os.Symlink("/etc/hostname", d.Path())); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Text(1 << 20); err == nil || !strings.Contains(err.Error(), "no file") {
			t.Errorf("got %v", err)
		}
	})
}
