package config

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/azurekv"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/identity"
	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// Options say how a project is opened; the zero ones are right for most.
type Options struct {
	Dir        string           // where to begin looking; empty: the working folder
	Env        string           // the environment meant when a reference names none; empty: the project's default
	Reason     string           // why, for the audit log
	Caller     *secret.Caller   // who asks; nil: what the machine shows
	Passphrase Prompt           // asks a person; nil: nobody is there
	NoKeyring  bool             // key files only
	CacheBytes int              // bounds what is kept decrypted; 0: what the store keeps by itself
	Now        func() time.Time // nil: time.Now

	wait time.Duration // how long other processes are waited for; 0: as store, log and Broker do by themselves
}

// Opened is a project that is ready for use.
type Opened struct {
	Broker   *broker.Broker
	Caller   secret.Caller
	Project  *Project // of the files as they stand, trusted or not; see Standing
	Env      string   // the environment meant when a reference names none
	Root     string   // the project's folder
	StoreID  string
	Standing Standing

	sys      System
	user     User
	opts     Options
	files    snapshot
	trusted  snapshot // what the store was told to trust here; nil: nothing
	db       *state.DB
	log      *audit.Log // nil with a sink
	appender audit.Appender
	sealed   sealed
	bindRoot string        // the folder that the store lists: Root, or its main checkout
	sink     *audit.Sink   // nil without a socket
	stores   closers       // of the environments that were used
	rates    azurekv.Rates // of vaults that several environments may lie in
	leases   *lease.Book
}

// Open finds the project at or above a folder, unlocks its store and opens all
// that stands over it. Errors: NotFound where there is no project or no store
// is bound to it, Invalid for files that cannot be read, Unauthenticated where
// nothing unlocks the store, Corrupt where store and log contradict each
// other.
func Open(ctx context.Context, s System, o Options) (*Opened, error) {
	go audit.Prepare() // while the store is opened
	x := &Opened{sys: s, opts: o}
	if err := x.find(ctx); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	if err := x.assemble(ctx); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

// find reads the files of the folder and opens the store that it is bound to.
func (x *Opened) find(ctx context.Context) error {
	var err error
	if x.user, err = readUser(x.sys); err != nil {
		return err
	}
	if err := x.readFiles(); err != nil {
		return err
	}
	x.bindRoot = x.Root
	id, err := x.boundStore(&x.bindRoot)
	if err != nil {
		return err
	}
	if err := x.openStore(ctx, id); err != nil {
		return err
	}
	return x.judge(ctx, x.bindRoot)
}

// readFiles finds the project and takes its snapshot, read once.
func (x *Opened) readFiles() error {
	dir := cmp.Or(x.opts.Dir, x.sys.Dir)
	root, ok, err := findRoot(dir, x.sys.Home)
	if err != nil {
		return err
	}
	if !ok {
		return secret.Errorf(secret.NotFound, "", "%s is in no project: there is no %s here or above\n  make one:  tacit init", dir, FileName)
	}
	x.Root = root
	x.files, err = readSnapshot(root, x.sys.owners(x.user))
	return err
}

func (s System) owners(u User) owners { return owners{uid: s.UID, gid: s.GID, accepted: u.Owners} }

// boundStore asks the index which store the folder uses. A linked worktree
// with the files of its main checkout shares the main checkout's.
func (x *Opened) boundStore(root *string) (string, error) {
	index, err := readFolders(x.sys)
	if err != nil {
		return "", err
	}
	if id, ok := index.Folders[x.Root]; ok {
		return id, nil
	}
	main, ok := x.sys.owners(x.user).mainCheckout(x.Root)
	if !ok {
		return "", errNoStore(x.Root)
	}
	id, ok := index.Folders[main]
	if !ok {
		return "", errNoStore(x.Root)
	}
	files, err := readSnapshot(main, x.sys.owners(x.user))
	if err != nil || !files.equal(x.files) {
		return "", secret.Errorf(secret.Denied, "", "%s is a worktree of %s, and its files differ\n  read them, then:  tacit trust --store %s", x.Root, main, id)
	}
	*root = main
	return id, nil
}

func (x *Opened) openStore(ctx context.Context, id string) error {
	u := unlocker(x.sys, x.user, x.opts)
	db, err := state.Open(ctx, x.sys.storeFile(id), &state.Options{
		Wait: x.opts.wait, CacheBytes: x.opts.CacheBytes,
		Unlock: func(ctx context.Context, storeID string, slots seal.Slots) (*seal.Key, error) {
			return u.Unlock(ctx, storeID, slots)
		},
	})
	if err != nil {
		return err
	}
	x.db, x.StoreID = db, id
	if db.StoreID() != id {
		return secret.Errorf(secret.Corrupt, "", "%s holds another store than its folder says", x.sys.storeFile(id))
	}
	x.sealed, err = loadSealed(ctx, dbRows{db})
	return err
}

func (s System) storeFile(id string) string { return filepath.Join(s.storeDir(id), "store.db") }

// judge compares the folder with the store's own sealed list, and its files
// with what was trusted.
func (x *Opened) judge(ctx context.Context, root string) error {
	b := x.sealed.find(root)
	inode, err := inodeOf(root)
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "%s: cannot be read: %s", root, err)
	}
	if b == nil || b.Inode != inode {
		return secret.Errorf(secret.Denied, "", "%s is not the folder that store %s… was bound to\n  if it is yours:  tacit trust --store %s", x.Root, x.StoreID[:4], x.StoreID)
	}
	if x.trusted, err = trustedFiles(ctx, dbRows{x.db}, root); err != nil {
		return err
	}
	x.Standing = x.sealed.judge(x.trusted, x.files)
	return nil
}

// assemble opens the log and makes policy and Broker.
func (x *Opened) assemble(ctx context.Context) error {
	if err := x.openLog(ctx); err != nil {
		return err
	}
	decider, err := x.settle()
	if err != nil {
		return err
	}
	envs, err := x.environments()
	if err != nil {
		return err
	}
	// What cannot be swept now is swept the next time, and not used meanwhile.
	_ = x.sweepLast(ctx)
	if x.Broker, err = broker.New(broker.Config{Envs: envs, Policy: decider, Log: x.appender, Now: x.opts.Now}); err != nil {
		return err
	}
	x.openLeases()
	return nil
}

// settle reads what the files say, who asks, and what policy holds.
func (x *Opened) settle() (_ policy.Decider, err error) {
	if x.Project, err = x.parse(); err != nil {
		return nil, err
	}
	x.Env = cmp.Or(x.opts.Env, x.Project.DefaultEnv)
	if _, err := x.Project.Environment(x.Env); err != nil {
		return nil, err
	}
	x.Caller = x.sys.Caller()
	if x.opts.Caller != nil {
		x.Caller = *x.opts.Caller
	}
	x.Caller.Reason = x.opts.Reason
	return x.decider()
}

// openLog opens the audit log, or what the user's settings put in its place.
func (x *Opened) openLog(ctx context.Context) error {
	switch sink := x.user.Audit.Sink; {
	case sink == "stderr":
		x.appender = audit.NewSink(os.Stderr, x.opts.now())
		return nil
	case sink != "":
		x.sink = audit.DialSink(strings.TrimPrefix(sink, "unix:"), x.opts.now())
		x.appender = x.sink
		return nil
	}
	l, err := audit.Open(ctx, x.logConfig())
	if err != nil {
		return withAuditDir(err)
	}
	x.log, x.appender = l, l
	x.db.SetLog(logHead(l))
	return nil
}

// withAuditDir names the settings that help where no file can be written.
func withAuditDir(err error) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || e.Kind != secret.Unavailable || strings.Contains(e.Text, "\n") {
		return err
	}
	out := *e
	out.Text += "\n  set audit.dir, or audit.sink, in your own config.toml"
	return &out
}

func (x *Opened) logConfig() audit.Config {
	return audit.Config{
		Dir: x.LogDir(), KeyDir: x.sys.storeDir(x.StoreID), Key: x.db.AuditKey(), Store: anchor{x.db}, Now: x.opts.Now,
		LockWait: x.opts.wait,
	}
}

// LogDir is the folder of the audit log.
func (x *Opened) LogDir() string { return x.sys.logDir(x.user, x.StoreID) }

func (s System) logDir(u User, id string) string {
	if u.Audit.Dir != "" {
		return filepath.Join(u.Audit.Dir, id)
	}
	return s.auditDir(id)
}

// parse reads the project's files. Where they are not trusted, nothing of them
// counts: a prefix or a default that changed would lead put and get elsewhere.
// The environments are then those that were trusted before, of the embedded
// store alone.
func (x *Opened) parse() (*Project, error) {
	p, err := x.files.project(x.Root)
	if err != nil || x.Standing == Trusted {
		return p, err
	}
	if x.trusted == nil { // a store was restored into this folder
		return p.embeddedOnly(), nil
	}
	before, err := x.trusted.project(x.Root)
	if err != nil { // trusted by a tacit that read more
		return nil, x.notTrusted()
	}
	return before.embeddedOnly(), nil
}

// decider makes the policy: that of the trusted files, or one that lets only
// the store's user go on.
func (x *Opened) decider() (policy.Decider, error) {
	switch x.Standing {
	case Trusted:
	case PolicyChanged:
		return policy.Locked(x.sealed.Owner, PolicyName+" is not the one this store was told to keep: tacit trust", untrustedVerbs()...), nil
	default:
		return policy.Locked(x.sealed.Owner, "the files here are not trusted: tacit trust", untrustedVerbs()...), nil
	}
	cfg := policy.Config{Owner: x.sealed.Owner}
	if text, ok := x.files[PolicyName]; ok {
		src, err := policy.Parse(PolicyName, text)
		if err != nil {
			return nil, err
		}
		cfg.Sources = []*policy.Source{src}
	}
	for _, name := range x.Project.EnvNames() {
		if x.Protected(name) {
			cfg.Protected = append(cfg.Protected, name)
		}
	}
	return policy.New(cfg)
}

// Protected reports whether writes to an environment ask first.
func (x *Opened) Protected(env string) bool {
	e, err := x.Project.Environment(env)
	return err == nil && e.Protected
}

// Declarations returns what is declared for the environment meant. Under files
// that are not trusted no declaration counts: Denied.
func (x *Opened) Declarations() ([]Declaration, error) {
	if x.Standing < Trusted {
		return nil, x.notTrusted()
	}
	return x.Project.Declarations(x.Env)
}

// untrustedVerbs are what the store's user may go on with where the files are
// not trusted: all of it can be taken back, and names what it is about. The
// log may be read, to see what happened.
func untrustedVerbs() []secret.Verb {
	return []secret.Verb{secret.Get, secret.Put, secret.List, secret.Delete, secret.Undelete, secret.Verify}
}

// notTrusted says which file is not, what the files ask for, and the way out.
func (x *Opened) notTrusted() error {
	changed := PolicyName
	for _, name := range fileNames() {
		if x.Standing != PolicyChanged && !bytes.Equal(x.files[name], x.trusted[name]) {
			changed = name
			break
		}
	}
	text := changed + " here is not trusted"
	if asked := x.files.asks(x.Root); asked != "" {
		text += "\n  it asks for " + asked
	}
	return secret.Errorf(secret.Denied, "", "%s\n  read it, then:  tacit trust", text)
}

// Close gives back what Open took, here and to the stores elsewhere.
func (x *Opened) Close() error {
	giveBack, err := x.Detach()
	return errors.Join(err, giveBack())
}

// Detach is Close of all that lies here. giveBack, which is not nil, does the
// rest: it asks stores elsewhere to end what they made for this, tokens, which
// end by themselves if it fails. That takes seconds where a store hangs.
func (x *Opened) Detach() (giveBack func() error, err error) {
	var errs []error
	if x.leases != nil {
		x.leases.Close()
	}
	if x.Broker != nil {
		errs = append(errs, x.Broker.Close(context.Background()))
	}
	giveBack = x.stores.take()
	if x.log != nil {
		errs = append(errs, x.log.Close())
	}
	if x.db != nil {
		errs = append(errs, x.db.Close())
	}
	if x.sink != nil {
		errs = append(errs, x.sink.Close())
	}
	return giveBack, errors.Join(errs...)
}

// Caller returns who asks, as the machine shows it.
func (s System) Caller() secret.Caller {
	return identity.Local(identity.Inputs{
		Login: s.Login, Env: s.Var, Ancestors: identity.Ancestors, Sessions: identity.Sessions(s.sessionsDir()),
	})
}

// BeginSession tells the other tacit processes of this user that what runs
// below this one is an agent, whatever its environment says, until the function
// it returns is called.
func (s System) BeginSession(c secret.Caller) (done func(), err error) {
	return identity.Register(s.sessionsDir(), c)
}

// sessionsDir lies beside the stores: who finds a store finds the sessions too,
// without a variable that an agent could drop.
func (s System) sessionsDir() string { return filepath.Join(s.dataDir(), "sessions") }

// KnownAgent tells whether a program is an agent that people run.
func KnownAgent(argv0 string) (name string, ok bool) { return identity.KnownAgent(argv0) }

// KnownAgents returns the names by which such programs are known.
func KnownAgents() []string { return identity.KnownAgents() }
