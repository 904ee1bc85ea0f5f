package vault

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// clockwork is a store in memory that knows tokens and one secret. It answers
// at once, so that tests of what takes hours are over at once.
type clockwork struct {
	mu                       sync.Mutex
	ttl, most                time.Duration // of the tokens it makes: at each renewal, and in all
	kind                     string
	begun, ends              map[string]time.Time
	logins, renewals, looked int
	revoked                  []string
	down                     bool // of what is about tokens
	lost                     bool // the answer to who asks for a credential
	issued                   int
}

func newClockwork(ttl, most time.Duration) *clockwork {
	return &clockwork{ttl: ttl, most: most, kind: "service", begun: map[string]time.Time{}, ends: map[string]time.Time{}}
}

// make makes a token.
func (c *clockwork) make() string {
	token := "hvs." + unique()
	c.begun[token], c.ends[token] = time.Now(), time.Now().Add(c.ttl)
	return token
}

func (c *clockwork) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	path, token := strings.TrimPrefix(r.URL.Path, "/v1/"), r.Header.Get("X-Vault-Token")
	auth := func(token string) map[string]any {
		left := int64(time.Until(c.ends[token]).Round(time.Second) / time.Second)
		return map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": left, "renewable": true, "token_type": c.kind}}
	}
	end, known := c.ends[token]
	switch {
	case c.down && strings.HasPrefix(path, "auth/"):
		return said(r, http.StatusServiceUnavailable, map[string]any{"errors": []string{"busy"}})
	case path == "auth/userpass/login/mia":
		c.logins++
		return said(r, http.StatusOK, auth(c.make()))
	case !known || !time.Now().Before(end):
		return said(r, http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
	case path == "auth/token/lookup-self":
		c.looked++
		return said(r, http.StatusOK, map[string]any{"data": map[string]any{"ttl": int64(time.Until(end) / time.Second), "renewable": true, "type": c.kind}})
	case path == "auth/token/renew-self":
		c.renewals++
		next := time.Now().Add(c.ttl)
		if limit := c.begun[token].Add(c.most); next.After(limit) {
			next = limit
		}
		c.ends[token] = next
		return said(r, http.StatusOK, auth(token))
	case path == "auth/token/revoke-self":
		delete(c.ends, token)
		c.revoked = append(c.revoked, token)
		return said(r, http.StatusNoContent, nil)
	case strings.HasPrefix(path, "sys/internal/ui/mounts/"):
		return said(r, http.StatusOK, map[string]any{"data": map[string]any{"path": "database/", "type": "database"}})
	case strings.HasPrefix(path, "database/creds/") && c.lost:
		c.issued++
		return nil, io.ErrUnexpectedEOF
	case strings.HasPrefix(path, "database/creds/"):
		return said(r, http.StatusOK, map[string]any{"lease_id": path + "/x", "lease_duration": 24 * 3600, "renewable": true, "data": map[string]any{"username": "u"}})
	case strings.HasPrefix(path, "sys/leases/"):
		return said(r, http.StatusOK, map[string]any{"lease_id": "database/creds/app/x", "lease_duration": 24 * 3600, "renewable": true})
	default:
		return said(r, http.StatusOK, map[string]any{"data": map[string]any{"data": map[string]any{"a": "b"}, "metadata": map[string]any{"version": 1, "created_time": "2026-01-01T00:00:00Z"}}})
	}
}

func said(r *http.Request, status int, v any) (*http.Response, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if v == nil {
		text = nil
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {"application/json"}}, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(string(text))), ContentLength: int64(len(text)),
	}, nil
}

func (c *clockwork) open(t *testing.T, a Auth) *Backend {
	t.Helper()
	u, err := url.Parse("http://127.0.0.1:8200")
	if err != nil {
		t.Fatal(err)
	}
	b, err := open(Settings{Address: u.String(), Mount: "secret", Version: 2, Auth: a}, u, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mia() Auth { return Auth{Method: "userpass", Username: "mia", Password: secret.Text(hidden)} }

func use(t *testing.T, b *Backend) {
	t.Helper()
	if _, err := b.Get(t.Context(), "app/db", secret.At{}); err != nil {
		t.Fatal(err)
	}
}

// A session that is used renews its token, and signs in again where that cannot
// grow older: nobody is ever refused.
func TestSessionRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(time.Hour, 4*time.Hour)
		b := c.open(t, mia())
		for range 24 * 6 {
			use(t, b)
			time.Sleep(10 * time.Minute)
		}
		// A token of 4 hours at most, in 24 hours: 6 or 7 of them, each renewed 4 to 6 times.
		if c.logins < 6 || c.logins > 8 || c.renewals < 20 || c.renewals > 45 {
			t.Errorf("%d sign-ins, %d renewals", c.logins, c.renewals)
		}
		use(t, b)
		if err := b.Close(); err != nil || len(c.revoked) != 1 {
			t.Errorf("revoked %q, %v", c.revoked, err)
		}
	})
}

// A session that slept longer than its token lived signs in again, once,
// however many callers come at once.
func TestSessionSignsInAgainOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(time.Hour, time.Hour)
		b := c.open(t, mia())
		use(t, b)
		for _, away := range []time.Duration{2 * time.Hour, 59*time.Minute + 30*time.Second} {
			time.Sleep(away) // over, or nearly
			before := c.logins
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { use(t, b) })
			}
			wg.Wait()
			if c.logins != before+1 {
				t.Errorf("after %s: %d sign-ins", away, c.logins-before)
			}
		}
		c.mu.Lock()
		clear(c.ends) // revoked by somebody else
		c.mu.Unlock()
		before := c.logins
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { use(t, b) })
		}
		wg.Wait()
		if c.logins != before+1 {
			t.Errorf("%d sign-ins after the token was revoked", c.logins-before)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What is refused after signing in again is refused: nobody signs in for ever.
func TestSessionGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(0, 0)
		b := c.open(t, mia())
		_, err := b.Get(t.Context(), "app/db", secret.At{})
		if !errors.Is(err, secret.Unauthenticated) || c.logins != 2 {
			t.Errorf("%d sign-ins, %v", c.logins, err)
		}
	})
}

func TestSessionOfBatchTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(time.Hour, 4*time.Hour)
		c.kind = "batch"
		b := c.open(t, mia())
		for range 12 {
			use(t, b)
			time.Sleep(20 * time.Minute)
		}
		if err := b.Close(); err != nil || c.renewals > 0 || len(c.revoked) > 0 || c.logins != 4 {
			t.Errorf("%d sign-ins, %d renewals, revoked %q, %v", c.logins, c.renewals, c.revoked, err)
		}
	})
}

// A token that the user gave is looked at only by a session that lasts, is
// renewed then, and is never revoked.
func TestSessionOfAGivenToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(time.Hour, 40*time.Hour)
		token := c.make()
		b := c.open(t, Auth{Method: "token", Token: secret.Text(token)})
		use(t, b)
		use(t, b)
		if c.looked > 0 {
			t.Error("a short command pays for what it does not need")
		}
		for range 24 {
			time.Sleep(10 * time.Minute)
			use(t, b)
		}
		if c.looked != 1 || c.renewals < 5 || c.renewals > 8 {
			t.Errorf("looked %d times, %d renewals", c.looked, c.renewals)
		}
		if err := b.Close(); err != nil || len(c.revoked) > 0 {
			t.Errorf("revoked %q, %v", c.revoked, err)
		}
	})
}

// A lease dies with its token: the token is renewed while the lease lives, even
// if nobody asks for anything, and no lease seems to last longer than it.
func TestSessionLivesForItsLeases(t *testing.T) {
	for what, given := range map[string]bool{"made": false, "given": true} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClockwork(time.Hour, 20*time.Hour)
				a := mia()
				if given {
					a = Auth{Method: "token", Token: secret.Text(c.make())}
				}
				b := c.open(t, a)
				l, err := b.Issue(t.Context(), "database/creds/app", 0)
				if err != nil {
					t.Fatal(err)
				}
				if left := time.Until(l.Expires); left > time.Hour || left < 59*time.Minute {
					t.Errorf("a lease of %s with a token of an hour", left)
				}
				time.Sleep(15 * time.Hour)
				c.mu.Lock()
				logins, renewals := c.logins, c.renewals
				c.mu.Unlock()
				if logins > 1 || renewals < 20 || renewals > 30 {
					t.Errorf("%d sign-ins, %d renewals", logins, renewals)
				}
				if l, err = b.Renew(t.Context(), l.ID, 24*time.Hour); err != nil || time.Until(l.Expires) > time.Hour || time.Until(l.Expires) < 15*time.Minute {
					t.Errorf("renewed to %s, %v", time.Until(l.Expires), err)
				}
				if err := b.Close(); err != nil || len(c.revoked) > 0 {
					t.Errorf("revoked %q with a lease, %v", c.revoked, err)
				}
			})
		})
	}
}

// While the store does not answer, a token that is good is used, and renewed
// once it can be.
func TestSessionBridgesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(time.Hour, 40*time.Hour)
		b := c.open(t, mia())
		use(t, b)
		time.Sleep(45 * time.Minute)
		c.down = true
		use(t, b)
		time.Sleep(2 * time.Minute)
		use(t, b)
		c.down = false
		time.Sleep(5 * time.Minute)
		use(t, b)
		if c.logins != 1 || c.renewals != 1 {
			t.Errorf("%d sign-ins, %d renewals", c.logins, c.renewals)
		}
		c.down = true
		if err := b.Close(); err == nil || strings.Contains(err.Error(), "hvs.") {
			t.Errorf("closed: %v", err)
		}
	})
}

// A lost answer may have been a credential: it is not asked for again, and that
// is said.
func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClockwork(time.Hour, time.Hour)
		b := c.open(t, mia())
		c.lost = true
		l, err := b.Issue(t.Context(), "database/creds/app", 0)
		if !errors.Is(err, secret.Unavailable) || !strings.Contains(err.Error(), "may have issued a lease or not") || c.issued != 1 || !l.Value.IsZero() {
			t.Errorf("asked %d times: %+v, %v", c.issued, l, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
