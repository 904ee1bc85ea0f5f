package vault

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/secret"
)

// away answers otherwise than its store until a time.
type away struct {
	store *clockwork
	until time.Time
	asked int
	says  func(*http.Request) (*http.Response, error)
}

func (a *away) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked++
	if time.Now().Before(a.until) {
		return a.says(r)
	}
	return a.store.RoundTrip(r)
}

func (a *away) open(t *testing.T, until time.Duration) *Backend {
	t.Helper()
	a.store = newClockwork(time.Hour, time.Hour)
	u := &url.URL{Scheme: "http", Host: "127.0.0.1:8200"}
	b, err := open(Settings{Address: u.String(), Mount: "secret", Version: 2, Auth: mia()}, u, a)
	ok(t, err)
	use(t, b)
	a.asked, a.until = 0, time.Now().Add(until)
	return b
}

// A quota of so many requests a second makes OpenBao say that less than one is
// left to wait, which is 0: all tries at once would be over before it is.
func TestThrottledForLessThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &away{says: func(r *http.Request) (*http.Response, error) {
			answer, err := said(r, http.StatusTooManyRequests, map[string]any{"errors": []string{"request path \"secret/\": rate limit quota exceeded"}})
			answer.Header.Set("Retry-After", "0")
			return answer, err
		}}
		b := a.open(t, time.Second)
		use(t, b)
	})
}

// Where nobody listens, it is most often the address or the network: who waits
// is told soon. A server that starts anew is met by the tries that there are.
func TestNobodyListens(t *testing.T) {
	refused := func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	synctest.Test(t, func(t *testing.T) {
		a := &away{says: refused}
		b := a.open(t, time.Hour)
		begun := time.Now()
		_, err := b.Get(t.Context(), "app/db", secret.At{})
		fails(t, err, secret.Unavailable, "connection refused")
		if waited := time.Since(begun); a.asked != 4 || waited > 2*time.Second {
			t.Errorf("asked %d times in %s", a.asked, waited)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := &away{says: refused}
		b := a.open(t, 800*time.Millisecond)
		use(t, b)
	})
}

// A network that says nothing is not asked again: the seconds of one connection
// that did not come about were four tries of the system.
func TestSilentNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &away{says: func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}
		}}
		b := a.open(t, time.Hour)
		_, err := b.Get(t.Context(), "app/db", secret.At{})
		fails(t, err, secret.Unavailable, "no answer in time")
		if a.asked != 1 {
			t.Errorf("asked %d times", a.asked)
		}
	})
}

// A write that was refused for a moment is made again when the store said, and
// once.
func TestWriteWaitsAsItIsTold(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	p.Set(fault.Rule{On: onPath("PUT", "/data/"), Times: 1, Do: fault.Give(says(503, "standby").With("Retry-After", "1"))})
	if v := put(t, b, "a", "x"); v.Number != 1 {
		t.Errorf("version %d", v.Number)
	}
	var puts []time.Time
	for _, r := range p.Seen() {
		if r.Method == http.MethodPut && strings.Contains(r.URI, "/data/") {
			puts = append(puts, r.At)
		}
	}
	if len(puts) != 2 || puts[1].Sub(puts[0]) < 900*time.Millisecond {
		t.Errorf("tried at %v", puts)
	}
}

// Signing in comes first: it does not fail for a moment's sake.
func TestSignInIsTriedAgain(t *testing.T) {
	s := theServer(t)
	mount, policy := s.method(t, "userpass"), s.readable(t, "auth/moment")
	s.must(t, http.MethodPost, "auth/"+mount+"/users/mia", map[string]any{"password": hidden, "token_policies": policy})
	p := fault.New(t, s.tls, s.ca)
	for what, c := range map[string]struct {
		fault fault.Fault
		asked int
	}{
		"503":           {fault.Give(says(503, "no server")), 2},
		"lost answer":   {fault.ResetAfter, 2},
		"501":           {fault.Give(says(501, "not initialized")), 1},
		"sealed":        {fault.Give(says(503, "Vault is sealed")), 1},
		"wrong, as 400": {fault.Give(says(400, "invalid username or password")), 1},
	} {
		p.Set(fault.Rule{On: onPath("POST", "/login/mia"), Times: 1, Do: c.fault})
		b := s.with(t, "secret", func(of *Settings) {
			of.Address, of.TLS.CACert = p.Address, p.CACert
			of.Auth = Auth{Method: "userpass", Mount: mount, Username: "mia", Password: secret.Text(hidden)}
		})
		_, err := b.Get(t.Context(), "auth/moment", secret.At{})
		ok(t, b.Close())
		asked := 0
		for _, r := range p.Seen() {
			if strings.HasSuffix(r.URI, "/login/mia") {
				asked++
			}
		}
		if asked != c.asked || (err == nil) != (c.asked > 1) {
			t.Errorf("%s: asked %d times, %v", what, asked, err)
		}
	}
}

// A refusal names what was asked, and the command that tells more about it.
func TestRefusedSignInSaysWhereToLook(t *testing.T) {
	s := theServer(t)
	b := s.signedIn(t, Auth{Method: "jwt", Mount: "none", JWT: secret.Text(hidden)})
	refusesSignIn(t, b, "auth/none/, or nothing is mounted there", "vault auth list")
	b = s.signedIn(t, Auth{Method: "jwt", Namespace: "no/where", JWT: secret.Text(hidden)})
	_, err := b.Get(t.Context(), "a", secret.At{})
	fails(t, err, secret.Invalid, "has no namespace no/where")
	for want, a := range map[string]Auth{
		"vault list auth/approle/role":     {Method: "approle", Mount: "approle"},
		"vault read auth/jwt/role/ci":      {Method: "jwt", Mount: "jwt", Role: "ci"},
		"vault read auth/people/users/mia": {Method: methodUserpass, Mount: "people", Username: "mia"},
		"vault list auth/cert/certs":       {Method: methodCert, Mount: "cert"},
		"vault read auth/cert/certs/app":   {Method: methodCert, Mount: "cert", Role: "app"},
	} {
		if got := a.asked(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
