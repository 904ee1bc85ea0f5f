package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// Standing says how far the files of a folder may be believed.
type Standing uint8

// The standings, from least to most.
const (
	Unbound       Standing = iota // no store lists this folder
	Untrusted                     // the files are not those that were trusted
	PolicyChanged                 // the policy is not the one that the store was told to keep
	Trusted
)

// String returns the standing in words.
func (s Standing) String() string {
	switch s {
	case Untrusted:
		return "untrusted"
	case PolicyChanged:
		return "policy changed"
	case Trusted:
		return "trusted"
	default:
		return "unbound"
	}
}

// rows is where sealed records are kept: in the store, under its keys.
type rows interface {
	get(ctx context.Context, name string) ([]byte, error) // nil if there is none
	put(ctx context.Context, all map[string][]byte) error // all or nothing
}

// sealed is what a store says about itself: whose it is, which folders use
// it, and which policy holds. It lies in the store and not in a file, so that
// nobody without the key can change it.
type sealed struct {
	Owner    secret.Principal `json:"owner"`
	AuditKey string           `json:"audit_key"`        // the log's first key
	Policy   string           `json:"policy,omitempty"` // SHA-256 of the trusted policy; empty: there is none
	Folders  []bound          `json:"folders"`
}

// bound is a folder that uses a store. The inode tells it from another folder
// that was put in its place.
type bound struct {
	Path  string    `json:"path"`
	Inode uint64    `json:"inode"`
	Since time.Time `json:"since"`
}

const (
	rowStore = "store"
	rowFiles = "files:" // followed by a folder's path: its trusted bytes
)

func loadSealed(ctx context.Context, r rows) (sealed, error) {
	var s sealed
	b, err := r.get(ctx, rowStore)
	if err != nil {
		return s, err
	}
	if b == nil || json.Unmarshal(b, &s) != nil {
		return s, secret.Errorf(secret.Corrupt, "", "the store says nothing about whose it is\n  it was not finished by tacit init: remove it, or restore a backup")
	}
	return s, nil
}

// save writes the record, and the trusted bytes of a folder if snap is given.
func (s *sealed) save(ctx context.Context, r rows, root string, snap snapshot) error {
	b, err := json.Marshal(s)
	if err != nil {
		return secret.Errorf(secret.Invalid, "", "this folder's path cannot be kept")
	}
	all := map[string][]byte{rowStore: b}
	if snap != nil {
		if all[rowFiles+root], err = json.Marshal(snap); err != nil {
			return secret.Errorf(secret.Invalid, "", "the files of this folder cannot be kept")
		}
	}
	return r.put(ctx, all)
}

// trustedFiles returns the bytes of a folder's files when they were last
// trusted; nil if they never were.
func trustedFiles(ctx context.Context, r rows, root string) (snapshot, error) {
	b, err := r.get(ctx, rowFiles+root)
	if err != nil || b == nil {
		return nil, err
	}
	var s snapshot
	if json.Unmarshal(b, &s) != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "what was trusted in %s cannot be read", root)
	}
	return s, nil
}

// find returns the binding of a folder; nil if there is none.
func (s *sealed) find(root string) *bound {
	for i := range s.Folders {
		if s.Folders[i].Path == root {
			return &s.Folders[i]
		}
	}
	return nil
}

// bind lists a folder, in place of an older binding of the same path.
func (s *sealed) bind(root string, inode uint64, now time.Time) {
	if b := s.find(root); b != nil {
		*b = bound{root, inode, now}
		return
	}
	s.Folders = append(s.Folders, bound{root, inode, now})
}

// judge compares what stands in a folder with what the store was told.
func (s *sealed) judge(trusted, now snapshot) Standing {
	if !maps.EqualFunc(trusted, now, bytes.Equal) || trusted == nil {
		return Untrusted
	}
	if now.policyHash() != s.Policy {
		return PolicyChanged
	}
	return Trusted
}

// policyHash returns the SHA-256 of the policy; empty if there is none.
func (s snapshot) policyHash() string {
	text, ok := s[PolicyName]
	if !ok {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// equal reports whether two folders hold the same files.
func (s snapshot) equal(t snapshot) bool { return maps.EqualFunc(s, t, bytes.Equal) }

// project reads the files, together.
func (s snapshot) project(root string) (*Project, error) {
	main, err := ParseFile(FileName, s[FileName])
	if err != nil {
		return nil, err
	}
	var local *File
	if text, ok := s[LocalName]; ok {
		f, err := ParseFile(LocalName, text)
		if err != nil {
			return nil, err
		}
		local = &f
	}
	return NewProject(filepath.Base(root), main, local)
}

// with returns a copy of the snapshot with one file replaced.
func (s snapshot) with(name string, b []byte) snapshot {
	out := maps.Clone(s)
	if out == nil {
		out = snapshot{}
	}
	out[name] = slices.Clone(b)
	return out
}
