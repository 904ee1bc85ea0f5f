package child

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A DraftOf says what a draft is of: which secret of which store, and what it
// was made from.
type DraftOf struct {
	Store string    `json:"store"`
	Env   string    `json:"env"`
	Name  string    `json:"name"`
	Field string    `json:"field,omitempty"`
	Base  string    `json:"base,omitempty"` // the version it was made from; empty: there was none
	Begun time.Time `json:"begun"`
}

// Same reports whether two drafts are of the same secret and field.
func (d DraftOf) Same(e DraftOf) bool {
	return d.Store == e.Store && d.Env == e.Env && d.Name == e.Name && d.Field == e.Field
}

// A Draft is a secret in a file for an editor: mode 0600, in a folder of mode
// 0700, in memory only. What the editor leaves beside it is removed together
// with it.
//
// While it is in use it is held and swept like [Files]. [Draft.Keep] lays it
// aside, in a folder that no sweep removes: until it is dropped, or the machine
// is switched off.
type Draft struct {
	of    DraftOf
	files *Files
	name  string
}

const (
	draftAbout = ".about.json" // beside the text
	maxDraft   = 64 << 20      // of the text
	maxAbout   = 16 << 10
)

// NewDraft makes a draft in the first of roots that lies in memory; the errors
// are those of [NewFiles]. name is what its file is called.
func NewDraft(roots []string, of DraftOf, name string, text secret.Value) (*Draft, error) {
	about, err := json.Marshal(of)
	if err != nil || name == draftAbout || name != filepath.Base(name) {
		return nil, secret.Errorf(secret.Invalid, "", "a draft cannot be called like that")
	}
	files, err := NewFiles(roots)
	if err != nil {
		return nil, err
	}
	d := &Draft{of: of, files: files, name: name}
	err = writeNew(filepath.Join(files.dir, draftAbout), about)
	if err == nil {
		err = writeNew(d.Path(), text.Reveal())
	}
	if err != nil {
		return nil, errors.Join(secret.Errorf(secret.Unavailable, "", "the draft cannot be written in memory: %s", reason(err)), files.Close())
	}
	return d, nil
}

func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in our own folder
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// Dir is the folder of the draft, in which an editor may leave what it likes.
func (d *Draft) Dir() string { return d.files.dir }

// Path is the file to edit.
func (d *Draft) Path() string { return filepath.Join(d.files.dir, d.name) }

// Text reads what the file holds now, at most limit bytes. Errors are of kind
// [secret.Invalid]: it is gone, no file any more, or too large.
func (d *Draft) Text(limit int64) (secret.Value, error) { return readDraft(d.Path(), limit) }

func readDraft(path string, limit int64) (secret.Value, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return secret.Value{}, secret.Errorf(secret.Invalid, "", "the editor removed the file")
	case err != nil || !info.Mode().IsRegular():
		return secret.Value{}, secret.Errorf(secret.Invalid, "", "what the editor left is no file")
	case info.Size() > limit:
		return secret.Value{}, secret.Errorf(secret.Invalid, "", "it is larger than %d bytes", limit)
	}
	b, err := os.ReadFile(path) //nolint:gosec // in our own folder
	if err != nil {
		return secret.Value{}, secret.Errorf(secret.Unavailable, "", "the draft cannot be read: %s", reason(err))
	}
	return secret.Text(b), nil
}

// Close removes the draft. It can be called more than once, also after Keep.
func (d *Draft) Close() error {
	if d.files == nil {
		return nil
	}
	err := d.files.Close()
	d.files = nil
	return err
}

// Keep lays the draft aside, without what the editor left beside it, and
// returns where it is.
func (d *Draft) Keep() (string, error) {
	if _, err := d.Text(maxDraft); err != nil {
		return "", errors.Join(err, d.Close())
	}
	kept := filepath.Join(filepath.Dir(d.files.dir), draftPrefix()+rand.Text())
	err := onlyDraft(d.files.dir, d.name)
	if err == nil {
		err = os.Rename(d.files.dir, kept)
	}
	if err != nil {
		return "", secret.Errorf(secret.Unavailable, "", "the draft cannot be kept: %s", reason(err))
	}
	_ = d.files.lock.Close()
	d.files = nil
	return filepath.Join(kept, d.name), nil
}

// onlyDraft removes all but the draft from a folder.
func onlyDraft(dir, name string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != name && e.Name() != draftAbout {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// draftPrefix begins the name of each folder of this user with a draft that is
// kept.
func draftPrefix() string { return "tacit-draft-" + strconv.Itoa(os.Getuid()) + "-" }

// A KeptDraft is one that was laid aside.
type KeptDraft struct {
	Of   DraftOf
	Dir  string
	Path string
}

// KeptDrafts finds the drafts that are of the same secret and field, the newest
// first.
func KeptDrafts(roots []string, of DraftOf) []KeptDraft {
	var out []KeptDraft
	for _, root := range roots {
		if !inMemory(root) {
			continue
		}
		entries, _ := os.ReadDir(root)
		for _, e := range entries {
			if !e.IsDir() || !strings.HasPrefix(e.Name(), draftPrefix()) {
				continue
			}
			if k, ok := keptDraft(filepath.Join(root, e.Name())); ok && k.Of.Same(of) {
				out = append(out, k)
			}
		}
	}
	slices.SortFunc(out, func(a, b KeptDraft) int { return b.Of.Begun.Compare(a.Of.Begun) })
	return out
}

// keptDraft reads what a folder says of itself. In shared memory, anyone can
// make one with that name.
func keptDraft(dir string) (KeptDraft, bool) {
	k := KeptDraft{Dir: dir}
	if !private(dir) {
		return k, false
	}
	about, err := readDraft(filepath.Join(dir, draftAbout), maxAbout)
	if err != nil || json.Unmarshal(about.Reveal(), &k.Of) != nil {
		return k, false
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() != draftAbout && e.Type().IsRegular() {
			k.Path = filepath.Join(dir, e.Name())
		}
	}
	return k, err == nil && k.Path != ""
}

// Text reads the draft.
func (k KeptDraft) Text() (secret.Value, error) { return readDraft(k.Path, maxDraft) }

// Drop removes the draft.
func (k KeptDraft) Drop() error {
	if err := os.RemoveAll(k.Dir); err != nil {
		return secret.Errorf(secret.Unavailable, "", "%s cannot be removed: %s\n  rm -r %s", k.Dir, reason(err), k.Dir)
	}
	return nil
}
