package cli

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/secret"
)

// This file is about where an export goes: stdout, a file that appears in one
// step, or the end of the file that a runner of GitHub Actions reads.

// A sink takes a text. It is whole after keep, and gone after drop.
type sink struct {
	io.Writer
	masks io.Writer // where GitHub's runner reads them
	path  string    // empty: stdout
	keep  func() error
	drop  func() error
}

func (x *exporting) sink() (*sink, error) {
	switch {
	case x.flags.out != "":
		s, err := config.Stage(x.flags.out, 0o600)
		if err != nil {
			return nil, err
		}
		return &sink{Writer: s, masks: x.Out, path: x.flags.out, keep: s.Commit, drop: s.Discard}, nil
	case x.flags.githubEnv:
		return x.runnerFile(x.sys.Var(config.VarGitHubEnv))
	default:
		nothing := func() error { return nil }
		// The runner takes masks from stderr, too: stdout is the text alone, so
		// that it can be redirected.
		return &sink{Writer: x.Out, masks: x.Err, keep: nothing, drop: nothing}, nil
	}
}

// runnerFile appends to the runner's file, which it made: what is there stays,
// whatever happens.
func (x *exporting) runnerFile(path string) (*sink, error) {
	unusable := func(err error) error {
		return secret.Errorf(secret.Unavailable, "", "%s, the file that $%s names, cannot be written: %s", path, config.VarGitHubEnv, reason(err))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0) //nolint:gosec // the runner names it
	if err != nil {
		return nil, unusable(err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err != nil {
		return nil, errors.Join(unusable(err), f.Close())
	}
	return &sink{
		Writer: f, masks: x.Out, path: path,
		keep: func() error {
			if err := f.Close(); err != nil {
				return unusable(err)
			}
			return nil
		},
		drop: func() error {
			if err := errors.Join(f.Truncate(info.Size()), f.Close()); err != nil {
				return unusable(err)
			}
			return nil
		},
	}, nil
}

// write makes the text with fill, and tells about it.
func (x *exporting) write(ctx context.Context, fill func(*envfmt.Writer) error) error {
	to, err := x.sink()
	if err != nil {
		return err
	}
	err = x.fill(to, fill)
	if ctx.Err() != nil {
		err = interruptedExport(to.path)
	}
	if err != nil {
		return errors.Join(err, to.drop())
	}
	if err := to.keep(); err != nil {
		return err
	}
	x.tell()
	if to.path == "" {
		return nil
	}
	if x.app.flags.json {
		err = x.object(exportJSON{File: to.path, Format: string(x.format), Secrets: x.count})
	} else {
		x.done("exported", to.path, "%s, %s", count(x.count, "secret"), x.format)
	}
	if !x.flags.githubEnv && notIgnored(ctx, to.path) {
		x.warn("%s lies in a git checkout and is not ignored\n  echo /%s >> .gitignore", to.path, baseName(to.path))
	}
	return err
}

func (x *exporting) fill(to *sink, fill func(*envfmt.Writer) error) error {
	w, err := envfmt.NewWriter(to, x.format, x.optionsWith(to.masks))
	if err != nil {
		return err
	}
	if err := fill(w); err != nil {
		return err
	}
	return w.Close()
}

func interruptedExport(path string) error {
	if path == "" {
		return secret.Errorf(secret.Unavailable, "", "interrupted: what was printed is not all")
	}
	return secret.Errorf(secret.Unavailable, "", "interrupted: nothing was written")
}
