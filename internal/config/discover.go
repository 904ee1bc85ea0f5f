package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
)

// findRoot returns the folder, at or above dir, that has a tacit.toml. It
// looks no further than the home folder and the border of the file system. ok
// is false if there is none.
func findRoot(dir, home string) (root string, ok bool, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", false, secret.Errorf(secret.Invalid, "", "%s: no such folder", dir)
	}
	dir, home = resolved(dir), resolved(home)
	device, err := deviceOf(dir)
	if err != nil {
		return "", false, secret.Errorf(secret.NotFound, "", "%s: no such folder", dir)
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, FileName)); err == nil {
			return dir, true, nil
		}
		parent := filepath.Dir(dir)
		if dir == home || parent == dir {
			return "", false, nil
		}
		if above, err := deviceOf(parent); above != device || err != nil {
			return "", false, nil //nolint:nilerr // a folder that cannot be looked at is a border
		}
		dir = parent
	}
}

// resolved follows links; a path that leads nowhere stays as it is.
func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}

// A snapshot holds the bytes of a folder's files, read once: what is decided
// is decided about these bytes. A file that does not exist is absent from it.
type snapshot map[string][]byte

// fileNames lists the files under trust.
func fileNames() []string { return []string{FileName, LocalName, PolicyName} }

// readSnapshot reads the files of a folder. A file that strangers can write,
// or own, is refused with the reason: passing over it would mean something
// else than what stands in the folder.
func readSnapshot(root string, who owners) (snapshot, error) {
	if err := who.checkFolder(root); err != nil {
		return nil, err
	}
	s := snapshot{}
	for _, name := range fileNames() {
		b, err := readOwned(filepath.Join(root, name), who, MaxFileBytes)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s[name] = b
	}
	return s, nil
}

// readOwned reads a file that belongs to the user, following no link. The
// error wraps fs.ErrNotExist where there is none.
func readOwned(path string, who owners, limit int64) ([]byte, error) {
	f, err := openNoFollow(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &secret.Error{Kind: secret.NotFound, Text: path + ": no such file", Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, secret.Errorf(secret.Denied, "", "%s: cannot be opened: %s", path, cause(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", path, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, secret.Errorf(secret.Denied, "", "%s: is no regular file", path)
	}
	if err := who.check(path, info); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", path, cause(err))
	}
	if int64(len(b)) > limit {
		return nil, secret.Errorf(secret.Invalid, "", "%s: is larger than %d bytes", path, limit)
	}
	return b, nil
}

// owners says whose files are read: the user's own and those of the users
// that the user's configuration names.
type owners struct {
	uid, gid int
	accepted []int
}

func (o owners) checkFolder(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", path, cause(err))
	}
	return o.check(path, info)
}

// cause drops the path that an error of package os repeats.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
