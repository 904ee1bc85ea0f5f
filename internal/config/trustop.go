package config

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// A Review is what a person is shown before trusting a folder's files.
type Review struct {
	Root      string
	StoreID   string   // the store that the folder uses; empty: a new one will be made
	Others    []string // the other folders of that store
	Changed   []Change // file by file; empty: as they were trusted
	Addresses []string // where they would have tacit connect to
	SignsIn   []string // how they would have it sign in there
	Files     []string // which files it would read for that
	Variables []string // the secrets that they declare
	Policies  int
	Weakening []string // what was protected before and is not any more
	Standing  Standing // of the files as they were found

	files snapshot // what was shown is what is trusted
	bound *Opened
	sys   System
	user  User
	opts  Options
	moved bool
}

// Change is a file before and now; nil is no file.
type Change struct {
	File     string
	Old, New []byte
}

// ReviewTrust reads the files at or above a folder and tells what trusting
// them would mean. store names an existing store to bind the folder to; empty
// is the one that the folder uses, or a new one. Close the Review.
func ReviewTrust(ctx context.Context, s System, o Options, store string) (*Review, error) {
	u, err := readUser(s)
	if err != nil {
		return nil, err
	}
	root, ok, err := findRoot(cmp.Or(o.Dir, s.Dir), s.Home)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, secret.Errorf(secret.NotFound, "", "there is no %s here or above\n  make one:  tacit init", FileName)
	}
	r := &Review{Root: root, sys: s, user: u, opts: o}
	if r.files, err = readSnapshot(root, s.owners(u)); err != nil {
		return nil, err
	}
	if err := r.openStore(ctx, store); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.describe(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// openStore opens the store named, or the one that the folder uses.
func (r *Review) openStore(ctx context.Context, store string) error {
	if store != "" && !isStoreID(store) {
		return secret.Errorf(secret.Invalid, "", "a store's id has 32 hexadecimal digits")
	}
	if store == "" {
		index, err := readFolders(r.sys)
		if err != nil {
			return err
		}
		if store = index.Folders[r.Root]; store == "" {
			return nil
		}
	} else {
		r.moved = true
	}
	x := &Opened{sys: r.sys, user: r.user, opts: r.opts, Root: r.Root, files: r.files}
	r.bound, r.StoreID = x, store
	if err := x.openStore(ctx, store); err != nil {
		return err
	}
	if !r.moved {
		if err := x.judge(ctx, r.Root); err != nil {
			return err
		}
		r.Standing = x.Standing
	}
	return x.openLog(ctx)
}

// describe parses what is to be trusted: nothing is trusted that cannot be
// read.
func (r *Review) describe(ctx context.Context) error {
	p, err := r.files.project(r.Root)
	if err != nil {
		return err
	}
	src, err := policy.Parse(PolicyName, r.files[PolicyName])
	if err != nil {
		return err
	}
	r.Policies, r.Addresses, r.Variables = src.Len(), p.addresses(), p.variables()
	r.SignsIn, r.Files = p.signsIn(), p.reads()
	return r.compare(ctx, p)
}

// compare tells what changed since the files were trusted.
func (r *Review) compare(ctx context.Context, now *Project) error {
	var before snapshot
	if r.bound != nil {
		var err error
		if before, err = trustedFiles(ctx, dbRows{r.bound.db}, r.Root); err != nil {
			return err
		}
		for _, b := range r.bound.sealed.Folders {
			if b.Path != r.Root {
				r.Others = append(r.Others, b.Path)
			}
		}
	}
	for _, name := range fileNames() {
		if !bytes.Equal(before[name], r.files[name]) {
			r.Changed = append(r.Changed, Change{name, before[name], r.files[name]})
		}
	}
	// What was trusted by an older tacit may not parse: nothing to compare.
	if old, err := before.project(r.Root); err == nil {
		r.Weakening = weakened(old, now)
	}
	return nil
}

// Trust binds the folder and remembers the bytes that were shown. made tells
// of the store that was made, if one was.
func (r *Review) Trust(ctx context.Context, caller secret.Caller) (made *Made, err error) {
	if r.bound == nil {
		if caller.Principal.IsAgent() { // there is no store yet that could refuse it
			return nil, secret.Errorf(secret.Denied, "", "%s may not trust files\n  a person does this, outside of the agent's session", caller.Principal)
		}
		m, err := makeStore(ctx, &birth{r.sys, r.user, InitOptions{Options: r.opts}, r.Root, r.files})
		return &m, err
	}
	inode, err := inodeOf(r.Root)
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", r.Root, cause(err))
	}
	x := r.bound
	err = x.record(ctx, caller, "trust "+r.Root, func(ctx context.Context) error {
		s := x.sealed
		s.Folders = slices.Clone(s.Folders)
		s.bind(r.Root, inode, since(&r.opts))
		s.Policy = r.files.policyHash()
		return s.save(ctx, dbRows{x.db}, r.Root, r.files)
	})
	if err != nil {
		return nil, err
	}
	return nil, bindFolder(r.sys, r.Root, r.StoreID)
}

// Close gives back what ReviewTrust took.
func (r *Review) Close() error {
	if r.bound == nil {
		return nil
	}
	return r.bound.Close()
}

// adminEnv stands in records for what concerns the whole store.
const adminEnv = "store"

// record decides and records a change of the store itself: only its own user
// may make one, trusted files or not.
func (x *Opened) record(ctx context.Context, c secret.Caller, what string, f func(context.Context) error) error {
	return x.recordAs(ctx, c, secret.Grant, what, f)
}

// recordAs is record for another verb than grant.
func (x *Opened) recordAs(ctx context.Context, c secret.Caller, verb secret.Verb, what string, f func(context.Context) error) error {
	b, err := broker.New(broker.Config{
		Envs:   map[string]broker.Env{adminEnv: broker.Opened(nil)},
		Policy: policy.Locked(x.sealed.Owner, "only "+string(x.sealed.Owner)+" may"), Log: x.appender, Now: x.opts.Now,
	})
	if err != nil {
		return err
	}
	return errors.Join(b.Do(ctx, c, broker.Action{Verb: verb, Env: adminEnv, For: what}, f), b.Close(ctx))
}
