package azurekv

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"golang.org/x/time/rate"

	"github.com/tacit-secrets/tacit/secret"
)

// A gate lets one request go first. It brings the challenge and the token;
// those that came meanwhile would each have asked for both. They go on as soon
// as the token is there, or if there is none: then by themselves.
type gate struct {
	mu    sync.Mutex
	open  bool
	round chan struct{}
}

// Do implements policy.Policy.
func (g *gate) Do(r *policy.Request) (*http.Response, error) {
	g.mu.Lock()
	if g.open {
		g.mu.Unlock()
		return r.Next()
	}
	if round := g.round; round != nil {
		g.mu.Unlock()
		select {
		case <-round:
			return r.Next()
		case <-r.Raw().Context().Done():
			return nil, r.Raw().Context().Err()
		}
	}
	g.round = make(chan struct{})
	g.mu.Unlock()
	resp, err := r.Next()
	g.pass(false)
	return resp, err
}

// pass lets those go on that wait; with a token, all from now on.
func (g *gate) pass(token bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = g.open || token
	if g.round != nil {
		close(g.round)
		g.round = nil
	}
}

// Rates keep the rates of vaults for the backends that share them, since the
// service counts by vault. The zero Rates are ready for use.
type Rates struct {
	mu     sync.Mutex
	vaults map[string]*limiters // by host
}

// limiters are a vault's rates: each try counts, and new versions count apart.
type limiters struct{ all, writes *rate.Limiter }

func newLimiters(t tuning) *limiters {
	limiter := func(perSecond float64) *rate.Limiter {
		if perSecond == 0 {
			return rate.NewLimiter(rate.Inf, 0)
		}
		return rate.NewLimiter(rate.Limit(perSecond), max(int(perSecond), 1))
	}
	return &limiters{all: limiter(t.perSecond), writes: limiter(t.writes)}
}

// of returns the rates of a vault; of nobody's Rates, ones of its own.
func (r *Rates) of(host string, t tuning) *limiters {
	if r == nil {
		return newLimiters(t)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.vaults == nil {
		r.vaults = map[string]*limiters{}
	}
	if r.vaults[host] == nil {
		r.vaults[host] = newLimiters(t)
	}
	return r.vaults[host]
}

// limits keep a vault's rates, so that the service need not refuse.
type limits struct {
	*limiters
	last atomic.Int32 // status of the vault's last answer; zero: none came
}

// Do implements policy.Policy.
func (l *limits) Do(r *policy.Request) (*http.Response, error) {
	if err := l.wait(r.Raw().Context(), r.Raw().Method); err != nil {
		return nil, err
	}
	resp, err := r.Next()
	if err != nil || broken(resp.StatusCode) {
		markUnclear(r.Raw().Context())
	}
	if err == nil {
		l.last.Store(int32(resp.StatusCode)) //nolint:gosec // three digits
	} else if r.Raw().Context().Err() == nil {
		l.last.Store(0)
	}
	return resp, err
}

// unclear tells of a call whether one of its tries had no answer, or one that
// leaves open what was done.
type unclear struct{ atomic.Bool }

type unclearKey struct{}

// watched is a context for the tries of one call.
func watched(ctx context.Context) (context.Context, *unclear) {
	u := &unclear{}
	return context.WithValue(ctx, unclearKey{}, u), u
}

func markUnclear(ctx context.Context) {
	if u, ok := ctx.Value(unclearKey{}).(*unclear); ok {
		u.Store(true)
	}
}

func (l *limits) wait(ctx context.Context, method string) error {
	if err := l.all.Wait(ctx); err != nil {
		return over(ctx)
	}
	if method != http.MethodPut && method != http.MethodPost {
		return nil
	}
	if err := l.writes.Wait(ctx); err != nil {
		return over(ctx)
	}
	return nil
}

// over is the error of a context that ends before its turn.
func over(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return context.DeadlineExceeded
}

// sameHost sends nothing, and so no token, to another host: where a list goes
// on is told by the answer before.
type sameHost string

// Do implements policy.Policy.
func (h sameHost) Do(r *policy.Request) (*http.Response, error) {
	if u := r.Raw().URL; u.Scheme != "https" || strings.TrimSuffix(strings.ToLower(u.Host), ":443") != string(h) {
		return nil, secret.Errorf(secret.Corrupt, "", "the vault's answer goes on at another host, %q", u.Host)
	}
	return r.Next()
}

// sound takes no challenge that the client could not read: it stops at one by a
// panic. The authority's address is of no use, but the tenant stands in it.
type sound string

// Do implements policy.Policy.
func (s sound) Do(r *policy.Request) (*http.Response, error) {
	resp, err := r.Next()
	if err != nil || resp.StatusCode != http.StatusUnauthorized || readable(resp.Header.Get("WWW-Authenticate")) {
		return resp, err
	}
	_ = resp.Body.Close()
	return nil, noChallenge("", string(s))
}

// readable takes a challenge apart as the client does.
func readable(challenge string) bool {
	for part := range strings.SplitSeq(strings.ReplaceAll(challenge, "Bearer ", ""), " ") {
		if authority, ok := strings.CutPrefix(part, "authorization="); ok && strings.Count(authority, "/") < 3 {
			return false
		}
	}
	return true
}

func noChallenge(n secret.Name, host string) *secret.Error {
	return secret.Errorf(secret.Unauthenticated, n, "what answers at https://%s is not the vault of that name, and was told nothing\n  set the vault's own address, like https://my-vault.vault.azure.net", host)
}

// locks let one caller for each name go on.
type locks struct {
	mu   sync.Mutex
	held map[secret.Name]*lock
}

type lock struct {
	turn chan struct{}
	want int
}

// take waits for a name's turn and returns what ends it.
func (l *locks) take(ctx context.Context, n secret.Name) (func(), error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[secret.Name]*lock{}
	}
	one := l.held[n]
	if one == nil {
		one = &lock{turn: make(chan struct{}, 1)}
		l.held[n] = one
	}
	one.want++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if one.want--; one.want == 0 {
			delete(l.held, n)
		}
	}
	select {
	case one.turn <- struct{}{}:
		return func() { <-one.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, interrupted(ctx, n)
	}
}
