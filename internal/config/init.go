package config

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// Made tells what a new store is, for people.
type Made struct {
	StoreID  string
	KeyPlace string // where the key of its slot is
	Passed   string // why a keyring that may be there was passed over; empty: it was not
	AuditKey string // the log's first public key
	Project  string
	Wrote    bool   // tacit.toml was written
	Ignored  bool   // tacit.local.toml was added to .gitignore
	Left     string // the store that the folder used before, kept as it is; empty: none
}

// InitOptions belong to Init.
type InitOptions struct {
	Options
	Recovery string // an age recipient that can open the store, too; empty: none
}

// defaultFile is the tacit.toml of a new project.
const defaultFile = `project = %q
default_env = "dev"

[env.dev]
backend = "local"
`

// Init makes a project of a folder: a new store with a random id, its audit
// log, and tacit.toml if there is none. It opens no store that exists.
// Conflict where the folder is a project with a store already; a folder that
// was emptied gets a new one, since the old store says nothing about it.
func Init(ctx context.Context, s System, o InitOptions) (Made, error) {
	root, err := filepath.Abs(cmp.Or(o.Dir, s.Dir))
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return Made{}, secret.Errorf(secret.Invalid, "", "%s: no such folder", o.Dir)
	}
	u, err := readUser(s)
	if err != nil {
		return Made{}, err
	}
	left, err := s.unbound(root)
	if err != nil {
		return Made{}, err
	}
	wrote, err := writeDefault(s, u, root)
	if err != nil {
		return Made{}, err
	}
	files, err := readSnapshot(root, s.owners(u))
	if err != nil {
		return Made{}, err
	}
	if err := files.refuseUnread(root); err != nil {
		return Made{}, errors.Join(err, unwrite(wrote, root))
	}
	m, err := makeStore(ctx, &birth{s, u, o, root, files})
	if err != nil {
		err = errors.Join(err, unwrite(wrote, root))
	}
	m.Wrote, m.Left = wrote, left
	if err == nil {
		m.Ignored, err = ignoreLocal(root)
	}
	return m, err
}

// unwrite takes back what writeDefault wrote.
func unwrite(wrote bool, root string) error {
	if !wrote {
		return nil
	}
	return os.Remove(filepath.Join(root, FileName))
}

// unbound refuses a project that uses a store already. left is the store that a
// folder used which is no project any more.
func (s System) unbound(root string) (left string, err error) {
	index, err := readFolders(s)
	if err != nil {
		return "", err
	}
	id, ok := index.Folders[root]
	if !ok {
		return "", nil
	}
	if _, err := os.Stat(s.storeFile(id)); os.IsNotExist(err) {
		return "", nil // the store is gone; the hint is stale
	}
	if _, err := os.Lstat(filepath.Join(root, FileName)); os.IsNotExist(err) {
		return id, nil
	}
	return "", secret.Errorf(secret.Conflict, "", "%s is bound to store %s… already\n  look at it:  tacit env list", root, id[:4])
}

// writeDefault writes tacit.toml where there is none.
func writeDefault(s System, u User, root string) (bool, error) {
	if err := s.owners(u).checkFolder(root); err != nil {
		return false, err
	}
	path := filepath.Join(root, FileName)
	if _, err := os.Lstat(path); err == nil {
		return false, nil
	}
	name := strings.ReplaceAll(defaultFile, "%q", quoteTOML(filepath.Base(root)))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // meant to be committed and read
	if err != nil {
		return false, secret.Errorf(secret.Unavailable, "", "%s: cannot be written: %s", path, cause(err))
	}
	_, err = f.WriteString(name)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, secret.Errorf(secret.Unavailable, "", "%s: cannot be written: %s", path, cause(err))
	}
	return true, nil
}

func quoteTOML(s string) string {
	var b strings.Builder
	if toml.NewEncoder(&b).Encode(map[string]string{"x": s}) != nil {
		return `"project"`
	}
	_, quoted, _ := strings.Cut(strings.TrimSpace(b.String()), " = ")
	return quoted
}

// birth is what a new store is made from.
type birth struct {
	sys   System
	user  User
	opts  InitOptions
	root  string
	files snapshot // trusted as they are
}

// makeStore makes store and log, binds the folder, and trusts its files as
// they are. Killed at any point, no folder points at a half-made store.
func makeStore(ctx context.Context, n *birth) (m Made, err error) {
	s, id := n.sys, state.NewStoreID()
	m = Made{StoreID: id, Project: filepath.Base(n.root)}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(s.storeDir(id)))
		}
	}()
	if err := mkdirs(s.configDir(), filepath.Join(s.configDir(), "keys"), s.storeDir(id)); err != nil {
		return m, err
	}
	db, err := n.store(ctx, &m)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log, key, err := audit.Create(ctx, audit.Config{
		Dir: s.logDir(n.user, id), KeyDir: s.storeDir(id), Key: db.AuditKey(), Store: anchor{db}, Now: n.opts.Now,
	})
	if err != nil {
		return m, withAuditDir(err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	db.SetLog(logHead(log))
	m.AuditKey = key
	if err := n.bind(ctx, db, key); err != nil {
		return m, err
	}
	return m, bindFolder(s, n.root, id)
}

// bind writes down in the store whose it is and which folder uses it.
func (n *birth) bind(ctx context.Context, db *state.DB, auditKey string) error {
	inode, err := inodeOf(n.root)
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", n.root, cause(err))
	}
	about := sealed{Owner: n.sys.User(), AuditKey: auditKey, Policy: n.files.policyHash()}
	about.bind(n.root, inode, n.opts.now()().UTC())
	return about.save(ctx, dbRows{db}, n.root, n.files)
}

// store makes the store's file with its first slots. What it made for them is
// taken back if it fails.
func (n *birth) store(ctx context.Context, m *Made) (_ *state.DB, err error) {
	unlock := unlocker(n.sys, n.user, n.opts.Options)
	key, err := seal.NewKey()
	if err != nil {
		return nil, err
	}
	slot, passed, err := firstSlot(ctx, unlock, m.StoreID, key)
	if err != nil {
		return nil, err
	}
	m.KeyPlace, m.Passed = slotPlace(n.sys, slot), passed
	defer func() {
		if err != nil {
			err = errors.Join(err, unlock.Discard(context.WithoutCancel(ctx), slot))
		}
	}()
	slots := seal.Slots{slot}
	if n.opts.Recovery != "" {
		recovery, err := unlock.NewSlot(ctx, m.StoreID, key, seal.Method{Kind: seal.Age, Recipient: n.opts.Recovery, Label: "recovery"})
		if err != nil {
			return nil, err
		}
		slots = append(slots, recovery)
	}
	return state.Create(ctx, n.sys.storeFile(m.StoreID), state.Seed{StoreID: m.StoreID, Key: key, Slots: slots}, nil)
}

func mkdirs(paths ...string) error {
	for _, p := range paths {
		if err := os.MkdirAll(p, 0o700); err != nil {
			return secret.Errorf(secret.Unavailable, "", "%s: cannot be made: %s", p, cause(err))
		}
	}
	return nil
}

// ignoreLocal adds tacit.local.toml to .gitignore in a git checkout.
func ignoreLocal(root string) (bool, error) {
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return false, nil
	}
	path := filepath.Join(root, ".gitignore")
	old, err := os.ReadFile(path) //nolint:gosec // the project's own
	if err != nil && !os.IsNotExist(err) {
		return false, secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", path, cause(err))
	}
	for l := range strings.Lines(string(old)) {
		if strings.TrimSpace(l) == LocalName {
			return false, nil
		}
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		old = append(old, '\n')
	}
	return true, WriteFile(path, append(old, LocalName+"\n"...), 0o644)
}

// since is when a binding began.
func since(o *Options) time.Time { return o.now()().UTC() }
