package backendtest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// trustCases are about whom a backend believes, and what it shows to whom.
func trustCases() []endpointCase {
	return []endpointCase{
		{name: "wire: untrusted certificate is refused", ask: untrusted},
		{name: "wire: unreachable address is unavailable", ask: unreachable},
		{name: "wire: redirect to another host is never followed", ask: redirected},
		{name: "wire: answer with tacit's own mark is refused", ask: looped},
		{name: "wire: requests are marked and tell values in bodies only", ask: marked},
		{name: "wire: errors that quote the request tell no value", ask: quoted},
	}
}

func untrusted(e *endpoint) {
	e.p.Set()
	e.b = e.ec.Open(e.T, e.p.Address, "")
	e.says(e.get("app/db"), secret.Invalid, "certificate")
	e.says(e.write("app/db", "one"), secret.Invalid, "certificate")
	if seen := e.p.Seen(); len(seen) > 0 {
		e.Errorf("%d requests are sent all the same", len(seen))
	}
}

func unreachable(e *endpoint) {
	l, err := (&net.ListenConfig{}).Listen(e.Context(), "tcp", "127.0.0.1:0")
	e.ok(err)
	e.ok(l.Close())
	e.b = e.ec.Open(e.T, "https://"+l.Addr().String(), e.p.CACert)
	e.says(e.get("app/db"), secret.Unavailable)
	e.says(e.write("app/db", "one"), secret.Unavailable)
}

func redirected(e *endpoint) {
	e.put("app/db", "one")
	var met atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		met.Add(1)
		w.WriteHeader(http.StatusOK)
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		e.breaks(0, fault.Give(fault.Answer{Status: status}.With("Location", other.URL+"/elsewhere")))
		e.isAnError("get", e.get("app/db"))
		e.isAnError("put", e.write("app/db", "two"))
	}
	if n := met.Load(); n > 0 {
		e.Errorf("%d requests are sent to another host", n)
	}
	e.mends()
	e.reads("app/db", secret.At{}, "one")
}

func looped(e *endpoint) {
	e.put("app/db", "one")
	e.breaks(0, fault.Mark(wire.ViaHeader, "1"))
	e.says(e.get("app/db"), secret.Invalid, "tacit")
	if n := len(e.p.Broken()); n != 1 {
		e.Errorf("it is asked %d times", n)
	}
}

// marked looks at what an ordinary life sends.
func marked(e *endpoint) {
	e.p.Set()
	e.put("app/db", "one")
	e.put("app/db", "two")
	e.reads("app/db", secret.At{}, "two")
	e.describe("app/db")
	e.lists(nil, "app/db")
	e.delete("app/db")
	seen := e.p.Seen()
	if len(seen) < 5 {
		e.Errorf("only %d requests go through the proxy", len(seen))
	}
	for _, r := range seen {
		if r.Header.Get(wire.ViaHeader) == "" {
			e.Errorf("%s %s is not marked", r.Method, r.URI)
		}
		if strings.Contains(r.URI, canary) {
			e.Errorf("a value is in an address")
		}
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), canary) {
				e.Errorf("a value is in the header %s", name)
			}
		}
	}
}

// quoted: some servers quote what they were sent when they refuse it.
func quoted(e *endpoint) {
	for _, status := range []int{400, 403, 409, 413, 500, 503} {
		e.breaks(0, fault.Echo(func(body string) fault.Answer { return e.ec.Error(status, "cannot parse: "+body) }))
		e.isAnError("put", e.write("app/db", "one"))
		if s, ok := as[secret.Swapper](e.T); ok {
			_, err := s.Swap(e.Context(), "app/db", secret.At{}, text("one"), nil)
			e.isAnError("swap", err)
		}
	}
	e.loses(0, fault.Echo(func(body string) fault.Answer { return fault.Answer{Status: 400, Body: body} }))
	e.isAnError("put", e.write("app/db", "one"))
}
