package config

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/tacit-secrets/tacit/secret"
)

const lockWait = 5 * time.Second

// folders is the index of which folder uses which store: a plain hint, which
// the store's own sealed list must confirm.
type folders struct {
	Folders map[string]string `toml:"folders"` // path → the store's id
}

func (s System) foldersFile() string { return filepath.Join(s.dataDir(), "folders.toml") }

func readFolders(s System) (folders, error) {
	var f folders
	text, err := readOwned(s.foldersFile(), owners{uid: s.UID, gid: s.GID}, 16*MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if err := decodeTOML(s.foldersFile(), text, &f); err != nil {
		return folders{}, err
	}
	for path, id := range f.Folders {
		if !isStoreID(id) {
			return folders{}, secret.Errorf(secret.Corrupt, "", "%s: %s has no store's id\n  remove the line and bind the folder again:  tacit trust --store ID", s.foldersFile(), path)
		}
	}
	return f, nil
}

// isStoreID guards what becomes part of a path.
func isStoreID(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == 16
}

// bindFolder writes one line of the index.
func bindFolder(s System, root, id string) error {
	if err := os.MkdirAll(s.dataDir(), 0o700); err != nil {
		return secret.Errorf(secret.Unavailable, "", "%s: cannot be made: %s", s.dataDir(), cause(err))
	}
	unlock, err := lock(filepath.Join(s.dataDir(), "folders.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	f, err := readFolders(s)
	if err != nil {
		return err
	}
	if f.Folders == nil {
		f.Folders = map[string]string{}
	}
	f.Folders[root] = id
	var b bytes.Buffer
	b.WriteString("# Which folder uses which store: a hint. The store's own sealed list decides.\n")
	if err := toml.NewEncoder(&b).Encode(f); err != nil {
		return secret.Errorf(secret.Invalid, "", "%s: this folder's path cannot be written to %s", root, s.foldersFile())
	}
	return WriteFile(s.foldersFile(), b.Bytes(), 0o600)
}
