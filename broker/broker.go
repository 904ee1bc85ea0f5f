package broker

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// DefaultTimeout bounds one call of a backend.
const DefaultTimeout = 10 * time.Second

// InFlight is how many requests of one call are sent to a store at once.
const InFlight = 32

// An Env is one environment: a backend with a name prefix.
type Env struct {
	// Open returns the backend. It is called once, when the environment is
	// first used; after an error it is called again.
	Open func(ctx context.Context) (secret.Backend, error)
	// Prefix is put before every name; empty, or ending in "/".
	Prefix string
	// Exclusive says that nothing else writes to the store, so that
	// compare-and-swap may be done here where the backend cannot. Changes of
	// one name then wait for each other.
	Exclusive bool
	// Timeout bounds one call of the backend. Zero means DefaultTimeout.
	Timeout time.Duration
	// Last keeps what [Broker.GiveAll] read; nil: nothing is kept.
	Last LastKnown
	// Leases says where the credentials lie that the store makes.
	Leases Leasing
}

// Leasing belongs to the leases of an environment. They lie beside the
// secrets, so that the prefix of these is not theirs.
type Leasing struct {
	Prefix  string // put before the name of each, with no "/" added
	Refused error  // why this environment issues none; nil: it may
}

// Opened is an Env over a backend that is open already.
func Opened(b secret.Backend) Env {
	return Env{Open: func(context.Context) (secret.Backend, error) { return b, nil }}
}

// Config says what a [Broker] works with.
type Config struct {
	Envs   map[string]Env
	Policy policy.Decider   // required
	Log    audit.Appender   // required: a Broker that cannot record does not answer
	Now    func() time.Time // nil: time.Now
}

// A Broker decides, records and answers. It is safe for concurrent use.
type Broker struct {
	envs   map[string]*env
	policy policy.Decider
	log    audit.Appender
	now    func() time.Time
	quiet  denials
}

// New returns a Broker. The error, of kind [secret.Invalid], lists all that is
// wrong with cfg.
func New(cfg Config) (*Broker, error) {
	var problems []string
	if cfg.Policy == nil {
		problems = append(problems, "no policy")
	}
	if cfg.Log == nil {
		problems = append(problems, "no audit log")
	}
	b := &Broker{envs: map[string]*env{}, policy: cfg.Policy, log: cfg.Log, now: cfg.Now}
	b.quiet.keep = b.append
	if b.now == nil {
		b.now = time.Now
	}
	for name, e := range cfg.Envs {
		if e.Open == nil || secret.CheckEnv(name) != nil || secret.Name(e.Prefix+"x").Check() != nil || e.Prefix != "" && !strings.HasSuffix(e.Prefix, "/") ||
			secret.Name(e.Leases.Prefix+"x").Check() != nil {
			problems = append(problems, "environment "+name)
		}
		e.Timeout = cmp.Or(e.Timeout, DefaultTimeout)
		b.envs[name] = newEnv(name, e)
	}
	if len(problems) > 0 {
		return nil, secret.Errorf(secret.Invalid, "", "broker: %s", strings.Join(problems, ", "))
	}
	return b, nil
}

// Envs returns the names of the environments, sorted.
func (b *Broker) Envs() []string { return slices.Sorted(maps.Keys(b.envs)) }

// Capabilities names the optional promises that an environment's store keeps,
// as it is configured.
func (b *Broker) Capabilities(ctx context.Context, name string) ([]string, error) {
	e, err := b.env(name)
	if err != nil {
		return nil, err
	}
	back, err := e.backend(ctx)
	if err != nil {
		return nil, e.outside(err, "")
	}
	all := secret.Capabilities(back)
	n, ok := back.(secret.Narrower)
	if !ok {
		return all, nil
	}
	lacks, err := n.Lacks(ctx)
	if err != nil {
		return nil, e.outside(err, "")
	}
	return slices.DeleteFunc(all, func(c string) bool { return slices.Contains(lacks, c) }), nil
}

// Explain decides without asking anything of a store and without a record:
// for people who ask why.
func (b *Broker) Explain(r policy.Request) policy.Decision {
	if r.Time.IsZero() {
		r.Time = b.now()
	}
	if e, ok := b.policy.(interface {
		Explain(policy.Request) policy.Decision
	}); ok {
		return e.Explain(r)
	}
	return b.policy.Decide(r)
}

// Close records what was not recorded one by one. The Broker is not used
// afterwards.
func (b *Broker) Close(ctx context.Context) error {
	return b.quiet.close(ctx)
}

func (b *Broker) env(name string) (*env, error) {
	e, ok := b.envs[name]
	if !ok {
		return nil, secret.Errorf(secret.Invalid, "", "no environment %q is declared\n  there are: %s", name, strings.Join(b.Envs(), ", "))
	}
	return e, nil
}

// env is an environment in use.
type env struct {
	Env
	name    string
	store   *opening
	flights flights
	locks   [64]sync.Mutex // by name, for compare-and-swap done here
	seed    maphash.Seed
}

// opening is a backend that is opened when it is first used.
type opening struct {
	mu   sync.Mutex
	open secret.Backend
}

func newEnv(name string, e Env) *env {
	return &env{Env: e, name: name, seed: maphash.MakeSeed(), store: &opening{}}
}

// leasing is the environment as its leases see it: the same store, under
// another prefix.
func (e *env) leasing() *env {
	out := newEnv(e.name, e.Env)
	out.store, out.Prefix = e.store, e.Leases.Prefix
	return out
}

// lock returns the lock of a name, which it may share with other names.
func (e *env) lock(full secret.Name) *sync.Mutex {
	return &e.locks[maphash.String(e.seed, string(full))%uint64(len(e.locks))]
}

// backend opens the environment when it is first used.
func (e *env) backend(ctx context.Context) (secret.Backend, error) {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	if e.store.open == nil {
		b, err := e.Open(ctx)
		if err != nil {
			return nil, err
		}
		e.store.open = b
	}
	return e.store.open, nil
}

// full puts the prefix before a name, and checks the result again.
func (e *env) full(n secret.Name) (secret.Name, error) {
	if err := n.Check(); err != nil {
		return "", err
	}
	full := secret.Name(e.Prefix) + n
	if err := full.Check(); err != nil {
		return "", err
	}
	return full, nil
}

// own takes the prefix away from a name that the store told; ok is false if
// the name does not lie in this environment.
func (e *env) own(n secret.Name) (own secret.Name, ok bool) {
	s, ok := strings.CutPrefix(string(n), e.Prefix)
	return secret.Name(s), ok
}

// outside gives an error one kind, and the name that the caller knows. The
// words of an error without a kind go no further: they may hold anything.
func (e *env) outside(err error, n secret.Name) error {
	if err == nil {
		return nil
	}
	out := secret.Error{Kind: secret.Unavailable, Err: err}
	if n != "" {
		out.Name = shown(e.name, n)
	}
	inner, ok := errors.AsType[*secret.Error](err)
	kind := secret.KindOf(err)
	switch {
	case ok && kind != 0:
		out = *inner
		out.Text = e.told(inner)
		out.Name = e.named(inner, n)
	case kind != 0:
		out.Kind = kind
	case errors.Is(err, context.DeadlineExceeded):
		out.Text = "the store did not answer in time"
	case errors.Is(err, context.Canceled):
		out.Text = "interrupted before the store answered"
	default:
		out.Text, out.Err = "the store failed without saying how", nil
	}
	// What is about the store as a whole names the environment, since several
	// may be asked in one command.
	if out.Name == "" && n == "" && !strings.HasPrefix(out.Text, e.name+":") {
		out.Text = e.name + ": " + out.Text
	}
	return &out
}

// told is the text of a backend's error with the name that the caller knows:
// in a command of tacit with its environment, or it would be about another
// secret. Where the name is a part of something longer, a path of the store or
// a line of its policy, it stays, since the store knows no other.
func (e *env) told(inner *secret.Error) string {
	text := regexp.MustCompile(`(?m)(\btacit policy export)$`).ReplaceAllString(inner.Text, "$1 --env "+e.name)
	own, ok := e.own(inner.Name)
	if !ok || own == "" {
		return text
	}
	whole := regexp.MustCompile(`(\btacit [a-z]+ |\s|^)` + regexp.QuoteMeta(string(inner.Name)) + `([,;:.)]*(?:\s|$))`)
	return whole.ReplaceAllStringFunc(text, func(found string) string {
		part := whole.FindStringSubmatch(found)
		name := own
		if strings.HasPrefix(part[1], "tacit ") {
			name = shown(e.name, own)
		}
		return part[1] + string(name) + part[2]
	})
}

// named is the name in a backend's error as the caller knows it; n is the one
// that was asked for. A text that begins with it already needs no other.
func (e *env) named(inner *secret.Error, n secret.Name) secret.Name {
	if n == "" {
		n, _ = e.own(inner.Name)
	}
	if n == "" || strings.HasPrefix(inner.Text, string(shown(e.name, n))) {
		return ""
	}
	return shown(e.name, n)
}

// shown is a name as messages show it, with its environment.
func shown(env string, n secret.Name) secret.Name {
	return secret.Name(secret.Ref{Env: env, Name: n}.String())
}

// can finds an optional interface of a backend.
func can[T any](b secret.Backend, n secret.Name, what string) (T, error) {
	t, ok := b.(T)
	if !ok {
		return t, secret.Errorf(secret.Unsupported, n, "this store %s", what)
	}
	return t, nil
}
