package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/secret"
)

// A source is the file that is imported, read once.
type source struct {
	path string // empty: stdin
	text []byte
	info os.FileInfo // of what was read
}

// source reads a file, or stdin for "-".
func (a *app) source(file string) (*source, error) {
	if file == "-" {
		if terminal(a.In) {
			return nil, secret.Errorf(secret.Invalid, "", "stdin is a terminal\n  tacit import - < FILE")
		}
		text, err := readAll(a.In, envfmt.MaxBytes)
		return &source{text: text}, err
	}
	f, err := os.Open(file) //nolint:gosec // the user names it
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "%s: cannot be read: %s", file, reason(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, secret.Errorf(secret.Invalid, "", "%s: cannot be read: %s", file, reason(err))
	case info.IsDir():
		return nil, secret.Errorf(secret.Invalid, "", "%s: is a folder", file)
	}
	text, err := readAll(f, envfmt.MaxBytes)
	return &source{path: file, text: text, info: info}, err
}

func (s *source) name() string {
	if s.path == "" {
		return "stdin"
	}
	return s.path
}

// headBytes is how much of a file tells its format.
const headBytes = 8 << 10

// detected is the format that was said, or that the file shows.
func (s *source) detected(said string) (envfmt.Format, error) {
	if said != "" {
		return envfmt.ParseFormat(said)
	}
	f, err := envfmt.Detect(filepath.Base(s.path), s.text[:min(len(s.text), headBytes)])
	if err != nil {
		return "", secret.Errorf(secret.KindOf(err), "", "%s: %s", s.name(), err)
	}
	return f, nil
}

// entries reads the names and values: all of them, or an error that names each
// line that is wrong.
func (s *source) entries(said string) ([]envfmt.Entry, envfmt.Format, error) {
	format, err := s.detected(said)
	if err != nil {
		return nil, "", err
	}
	all, err := envfmt.Read(bytes.NewReader(s.text), format)
	switch {
	case err != nil:
		return nil, "", secret.Errorf(secret.KindOf(err), "", "%s: %s", s.name(), err)
	case len(all) == 0:
		return nil, "", secret.Errorf(secret.Invalid, "", "%s: has nothing in it, as %s", s.name(), format)
	}
	return all, format, nil
}

// offerDeletion deletes the source if that was asked for, or a person wants it
// now. Everything in it was read back and is equal.
func (p *importing) offerDeletion(ctx context.Context) error {
	if p.source.path == "" {
		return nil
	}
	inHistory := tracked(ctx, p.source.path)
	wanted := p.flags.deleteSource
	if !wanted && p.interactive() && !p.app.flags.yes && !p.app.flags.json {
		var err error
		if wanted, err = p.wants(ctx, "all of it is in the store: delete "+p.source.path); err != nil {
			return secret.Errorf(secret.KindOf(err), "", "%s was imported, and stays", p.source.path)
		}
	}
	if wanted {
		if err := p.source.remove(); err != nil {
			return err
		}
		if !p.app.flags.json {
			p.done("deleted", p.source.path, "")
		}
	}
	if inHistory {
		p.warn("git tracks %s: its history still holds the values\n  where others can read that, make new ones", p.source.path)
	}
	return nil
}

// remove deletes the file if it is the one that was read, unchanged.
func (s *source) remove() error {
	stays := func(format string, args ...any) error {
		args = append([]any{s.path}, args...)
		return secret.Errorf(secret.Conflict, "", "%s was imported, and stays: "+format, args...)
	}
	info, err := os.Lstat(s.path)
	switch {
	case err != nil:
		return stays("%s", reason(err))
	case !info.Mode().IsRegular():
		return stays("it is a link, or no file")
	case !os.SameFile(info, s.info):
		return stays("another file took its place meanwhile")
	}
	now, err := os.ReadFile(s.path)
	switch {
	case err != nil:
		return stays("%s", reason(err))
	case !bytes.Equal(now, s.text):
		return stays("it was changed meanwhile\n  import it again")
	}
	if err := os.Remove(s.path); err != nil {
		return stays("%s", reason(err))
	}
	return nil
}
