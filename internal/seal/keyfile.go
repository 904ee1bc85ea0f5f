package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// A key file is one line: this prefix, 32 random bytes in base64 (URL-safe,
// unpadded), newline. maxFile bounds every other file that is read whole.
const (
	keyFilePrefix = "tacit-key-1:"
	keyFileBytes  = len(keyFilePrefix) + 43 + 1
	maxFile       = 64 << 10
)

// writeKeyFile makes a key file that is durable when it returns, and never
// replaces one.
func writeKeyFile(dir, name string) (key []byte, err error) {
	path := filepath.Join(dir, name)
	defer func() {
		if err != nil {
			err = secret.Errorf(secret.Unavailable, "", "key file %s cannot be made: %s", path, reason(err))
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the folder of the key files
	if err != nil {
		return nil, err
	}
	key = make([]byte, KeyBytes)
	_, err = rand.Read(key)
	if err == nil {
		_, err = f.WriteString(keyFilePrefix + encode(key) + "\n")
	}
	// The umask may have taken rights away; others never had any.
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close(), syncDir(dir))
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	return key, nil
}

// readKeyFile returns a key file's key. A missing file is secret.NotFound, one
// that others can read secret.Denied, one with other content secret.Corrupt.
func readKeyFile(path string) ([]byte, error) {
	b, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	text, ok := bytes.CutPrefix(b, []byte(keyFilePrefix))
	text, end := bytes.CutSuffix(text, []byte("\n"))
	// The length first: the decoder needs room for all of it.
	if ok && end && len(b) == keyFileBytes {
		key, err := base64.RawURLEncoding.Strict().AppendDecode(nil, text)
		if err == nil && len(key) == KeyBytes {
			return key, nil
		}
	}
	return nil, secret.Errorf(secret.Corrupt, "", "%s: is not a key file of tacit, or damaged", path)
}

// readPrivate reads a file of this user's that nobody else can read, up to
// 64 KiB.
func readPrivate(path string) ([]byte, error) { return readGuarded(path, checkPrivate) }

// readGuarded reads a regular file that passes a check of its owner and mode.
func readGuarded(path string, check func(string, fs.FileInfo) error) ([]byte, error) {
	f, err := openNoFollow(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, secret.Errorf(secret.NotFound, "", "%s: is not there", path)
	}
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be opened: %s", path, reason(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", path, reason(err))
	}
	if !info.Mode().IsRegular() {
		return nil, secret.Errorf(secret.Denied, "", "%s: is not a regular file", path)
	}
	if err := check(path, info); err != nil {
		return nil, err
	}
	return readBounded(path, f)
}

func readBounded(path string, r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", path, reason(err))
	}
	if len(b) > maxFile {
		return nil, secret.Errorf(secret.Invalid, "", "%s: is larger than 64 KiB", path)
	}
	return b, nil
}

// removeKeyFile overwrites and removes a key file. The overwriting helps only
// where the file system writes in place. A missing one is no error.
func removeKeyFile(dir, name string) error {
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().IsRegular() { // what a link points at is not ours
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY, 0); err != nil { //nolint:gosec // the folder of the key files
			return secret.Errorf(secret.Unavailable, "", "key file %s cannot be overwritten: %s", path, reason(err))
		}
		_, err = f.Write(make([]byte, keyFileBytes))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err = errors.Join(err, os.Remove(path)); err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "key file %s cannot be removed: %s", path, reason(err))
	}
	return nil
}

// keyFilesOf lists the names of a store's key files in a folder.
func keyFilesOf(dir, storeID string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", dir, reason(err))
	}
	var names []string
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name(), storeID+".")
		if id, key := strings.CutSuffix(id, ".key"); ok && key && isID(id) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// reason is an error without the path that the text names already.
func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
