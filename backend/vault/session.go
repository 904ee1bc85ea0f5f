package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// When a token is renewed, and when it is not used any more.
const (
	tooShort  = 60 * time.Second // a token with less left is not begun anything with
	lookAfter = 60 * time.Second // a session that lasts longer learns how long its token does
	closeWait = 3 * time.Second  // bounds giving the token back
	renewWait = 10 * time.Second // bounds what is done about a token beside what was asked for
)

// A session keeps the token of a sign-in: it renews it when two thirds of its
// time are over, and signs in again where it cannot grow older. Only one caller
// at a time does either.
type session struct {
	how   signer
	back  *Backend
	space string        // where its tokens are known, if not where the secrets are
	turn  chan struct{} // holds one element: whose turn it is to look or sign in
	signed
	known   bool      // what the token's end is: told, or looked up
	begun   time.Time // when it was signed in
	expires time.Time // zero: not known, or never
	due     time.Time // when to renew; zero: never

	mu     sync.Mutex
	leases map[string]bool // that the token must live for
	stop   context.CancelFunc
	wg     sync.WaitGroup
}

func newSession(how signer, back *Backend) *session {
	s := &session{how: how, back: back, space: strings.Trim(back.settings.Auth.Namespace, "/"), turn: make(chan struct{}, 1), leases: map[string]bool{}}
	s.turn <- struct{}{}
	return s
}

// take waits for the turn.
func (s *session) take(ctx context.Context) error {
	select {
	case <-s.turn:
		return nil
	case <-ctx.Done():
		return interrupted(ctx, "")
	}
}

func (s *session) give() { s.turn <- struct{}{} }

// token returns the token to send. refused is one that the store did not take:
// a sign-in follows, unless another caller's already did.
func (s *session) token(ctx context.Context, refused string) (string, error) {
	if err := s.take(ctx); err != nil {
		return "", err
	}
	defer s.give()
	if s.signed.token == "" || s.signed.token == refused {
		return s.signIn(ctx, refused)
	}
	now := time.Now()
	if !s.known && now.Sub(s.begun) >= lookAfter {
		s.look(ctx)
	}
	if !s.due.IsZero() && !now.Before(s.due) {
		s.renew(ctx)
	}
	if !s.expires.IsZero() && s.how.again() && s.expires.Sub(now) < min(tooShort, s.ttl/2) {
		return s.signIn(ctx, "")
	}
	return s.signed.token, nil
}

func (s *session) signIn(ctx context.Context, refused string) (string, error) {
	got, err := s.how.signIn(ctx, refused)
	if err != nil {
		return "", err
	}
	s.signed, s.begun = got, time.Now()
	s.known = s.how.again() // a token of somebody else's tells nothing by itself
	s.lasts(got.ttl)
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.leases) // those live with another token
	return got.token, nil
}

// longest is the longest time that the store's word is taken for: twice as long
// still is a [time.Duration].
const longest = 100 * 365 * 24 * time.Hour

// lasting is a number of seconds of the store, which may say any.
func lasting(seconds int64) time.Duration {
	return time.Duration(min(max(seconds, 0), int64(longest/time.Second))) * time.Second
}

// lasts notes how long the token lasts from now.
func (s *session) lasts(ttl time.Duration) {
	s.ttl, s.expires, s.due = max(s.ttl, ttl), time.Time{}, time.Time{} // what is left of a limit is no life
	if ttl <= 0 {
		return
	}
	now := time.Now()
	s.expires = now.Add(ttl)
	if s.renewable {
		d := ttl * 2 / 3
		s.due = now.Add(d - rand.N(d/10+1)) //nolint:gosec // so that many do not come at once, no secret
	}
}

// look asks the store about the token.
func (s *session) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, renewWait)
	defer cancel()
	got, err := s.back.do(ctx, request{method: http.MethodGet, path: "auth/token/lookup-self", open: true, token: s.signed.token, space: s.space})
	if err != nil || !got.ok() {
		s.known = got != nil && got.status == http.StatusForbidden // who may not look never learns it
		return
	}
	var told struct {
		TTL       int64  `json:"ttl"`
		Renewable bool   `json:"renewable"`
		Type      string `json:"type"`
	}
	if json.Unmarshal(got.Data, &told) != nil {
		return
	}
	s.known, s.renewable = true, told.Renewable && told.Type != typeBatch
	s.lasts(lasting(told.TTL))
}

// renew lets the token live longer. One that does not grow is not renewed
// again: a sign-in follows in time, where there can be one.
func (s *session) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, renewWait)
	defer cancel()
	got, err := s.back.do(ctx, request{method: http.MethodPut, path: "auth/token/renew-self", open: true, token: s.signed.token, space: s.space, body: jsonBody(map[string]any{})})
	if err != nil {
		s.due = time.Now().Add(min(tooShort, max(time.Until(s.expires)/4, time.Second)))
		return
	}
	before := s.expires
	next, ok := tokenIn(got)
	if !got.ok() || !ok {
		s.due = time.Time{}
		return
	}
	s.renewable = next.renewable
	s.lasts(next.ttl)
	if s.expires.Sub(before) < min(time.Second, next.ttl/10) {
		s.due = time.Time{}
	}
}

// lend makes the token fit for a lease, which dies with it: the end of the
// token is known, and it is renewed while the lease lives.
func (s *session) lend(ctx context.Context) error {
	if _, err := s.token(ctx, ""); err != nil {
		return err
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	if !s.known {
		s.look(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil && !s.due.IsZero() {
		ctx, stop := context.WithCancel(context.Background())
		s.stop = stop
		s.wg.Go(func() { s.keep(ctx) })
	}
	return nil
}

// keep renews the token while there are leases that live with it.
func (s *session) keep(ctx context.Context) {
	for {
		wait := tooShort
		if s.lending() {
			if s.take(ctx) != nil {
				return
			}
			if due := cmp.Or(s.due, s.expires); !due.IsZero() {
				wait = max(time.Until(due), time.Second)
			}
			s.give()
		}
		if s.back.retry.pause(ctx, min(wait, tooShort)) != nil {
			return
		}
		if s.lending() {
			_, _ = s.token(ctx, "") // what fails is met by whoever uses it next
		}
	}
}

// lent notes a lease that lives with the token.
func (s *session) lent(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases[id] = true
}

// returned notes that nobody wants a lease to live.
func (s *session) returned(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leases, id)
}

func (s *session) lending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.leases) > 0
}

// atMost is when a lease ends that the store ends at t: no later than the token.
// The lease is there, so that this is told even where nobody waits for it.
func (s *session) atMost(ctx context.Context, t time.Time) time.Time {
	if s.take(ctx) != nil {
		return t
	}
	defer s.give()
	if s.expires.IsZero() || !t.IsZero() && t.Before(s.expires) {
		return t
	}
	return s.expires
}

// Close implements [io.Closer]: it gives back a token that was made for this
// backend, unless a lease lives that would die with it.
func (b *Backend) Close() error {
	s := b.session
	s.mu.Lock()
	stop := s.stop
	s.stop = nil
	s.mu.Unlock()
	if stop != nil {
		stop()
		s.wg.Wait()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	token, minted := s.signed.token, s.minted
	s.signed = signed{}
	if token == "" || !minted || s.lending() {
		return nil
	}
	r := request{method: http.MethodPost, path: "auth/token/revoke-self", open: true, token: token, space: s.space, capability: "update", body: jsonBody(map[string]any{})}
	got, err := b.do(ctx, r)
	if err == nil && !got.ok() && got.status != http.StatusForbidden { // one that ended is refused
		err = b.classify(r, got)
	}
	if err != nil {
		return &secret.Error{Kind: cmp.Or(secret.KindOf(err), secret.Unavailable), Err: err, Text: b.where + ": the token that was made for this could not be given back: it ends by itself"}
	}
	return nil
}

// typeBatch is a token that cannot be renewed or revoked.
const typeBatch = "batch"

// tokenIn reads the token of an answer to a sign-in or a renewal.
func tokenIn(got *answer) (signed, bool) {
	var auth struct {
		Token     string          `json:"client_token"`
		Duration  int64           `json:"lease_duration"`
		Renewable bool            `json:"renewable"`
		Type      string          `json:"token_type"`
		MFA       json.RawMessage `json:"mfa_requirement"`
	}
	if json.Unmarshal(got.Auth, &auth) != nil || auth.Token == "" {
		return signed{}, false
	}
	batch := auth.Type == typeBatch
	return signed{
		token: auth.Token, ttl: lasting(auth.Duration),
		renewable: auth.Renewable && !batch, minted: !batch,
	}, true
}

// login signs in at a method. how says in few words what is shown to it. It is
// tried again like a read, though a token whose answer is lost lives until it
// ends: what comes first of all is not to fail for a moment's sake.
func (b *Backend) login(ctx context.Context, a Auth, body any, how string) (signed, error) {
	r := request{method: http.MethodPost, path: "auth/" + a.Mount + "/login", body: jsonBody(body), open: true, space: a.Namespace}
	if a.Method == methodUserpass {
		r.path += "/" + a.Username
	}
	got, err := b.do(ctx, r)
	if err != nil {
		return signed{}, err
	}
	switch {
	case got.said(saysNoRoute):
		return signed{}, secret.Errorf(secret.Invalid, "", "no way to sign in is mounted at auth/%s/ of %s\n  vault auth list", a.Mount, b.where)
	case got.status == http.StatusForbidden && unauthenticated(got): // which is also what it says of a path without a method
		return signed{}, secret.Errorf(secret.Unauthenticated, "", "%s does not take %s at auth/%s/, or nothing is mounted there\n  vault auth list; what it asks for:  %s", b.where, how, a.Mount, a.asked())
	case got.status == http.StatusBadRequest, got.status == http.StatusUnauthorized, got.status == http.StatusForbidden:
		return signed{}, secret.Errorf(secret.Unauthenticated, "", "%s does not take %s at auth/%s/\n  its audit log says why; what it asks for:  %s", b.where, how, a.Mount, a.asked())
	case !got.ok():
		return signed{}, b.classify(r, got)
	}
	s, ok := tokenIn(got)
	if !ok {
		return signed{}, secret.Errorf(secret.Unauthenticated, "", "%s gives no token for %s: it may ask for a second factor, which tacit cannot give\n  vault login, and method = \"token\"", b.where, how)
	}
	return s, nil
}

// asked is the command that tells what a method asks for.
func (a *Auth) asked() string {
	kept, name := "role", a.Role
	switch a.Method {
	case methodUserpass:
		kept, name = "users", a.Username
	case methodCert:
		kept = "certs"
	}
	if name == "" {
		return "vault list auth/" + a.Mount + "/" + kept
	}
	return "vault read auth/" + a.Mount + "/" + kept + "/" + name
}
