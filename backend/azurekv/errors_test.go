package azurekv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/secret"
)

// forbid answers all that reads lists or values as to a caller without the role.
func forbid(s *azurewire.Server, action string) {
	s.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" || !strings.HasPrefix(r.URL.Path, "/secrets") && !strings.HasPrefix(r.URL.Path, "/deletedsecrets") {
			return false
		}
		azurewire.Forbidden(action, "app--db").WriteTo(w)
		return true
	})
}

// TestAnswers: each answer of a vault is an error that names the vault, what
// happened and what to do, and nothing of who asked.
func TestAnswers(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	for what, c := range map[string]struct {
		fault azurewire.Fault
		kind  secret.Kind
		says  []string
	}{
		"no role":          {azurewire.Forbidden("getSecret", "app--db"), secret.Denied, []string{`"Key Vault Secrets User"`, "Microsoft.KeyVault/vaults/secrets/getSecret/action", "/secrets/app--db", "five minutes"}},
		"firewall":         {azurewire.Fault{Status: 403, Code: "Forbidden", Inner: "ForbiddenByFirewall", Message: "Client address: 203.0.113.9 caller"}, secret.Denied, []string{"network", "az keyvault network-rule add"}},
		"private link":     {azurewire.Fault{Status: 403, Code: "Forbidden", Inner: "ForbiddenByConnection", Message: "caller"}, secret.Denied, []string{"private link"}},
		"access policy":    {azurewire.Fault{Status: 403, Code: "Forbidden", Inner: "AccessDenied", Message: "The user, group or application 'appid=caller' does not have secrets get permission"}, secret.Denied, []string{"az keyvault set-policy", "--secret-permissions get"}},
		"throttled":        {azurewire.Throttled("0"), secret.Unavailable, []string{"too many requests", "4,000"}},
		"down":             {azurewire.Fault{Status: 503, Code: "ServiceUnavailable", Message: "caller"}, secret.Unavailable, []string{"503", "healthstatus"}},
		"bad":              {azurewire.Fault{Status: 400, Code: "BadParameter", Message: "value caller is invalid"}, secret.Invalid, []string{"BadParameter"}},
		"odd code":         {azurewire.Fault{Status: 400, Code: "caller caller", Message: "caller"}, secret.Invalid, []string{"no code"}},
		"being deleted":    {azurewire.Fault{Status: 409, Code: "Conflict", Inner: "ObjectIsBeingDeleted", Message: "caller"}, secret.Unavailable, []string{"still deleting"}},
		"unknown conflict": {azurewire.Fault{Status: 409, Code: "Conflict", Message: "caller"}, secret.Conflict, []string{"in the way"}},
		"teapot":           {azurewire.Fault{Status: 418, Code: "Teapot", Message: "caller"}, secret.Invalid, []string{"no vault gives (418)"}},
	} {
		server.Before(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == "" {
				return false
			}
			c.fault.WriteTo(w)
			return true
		})
		_, err := b.Get(t.Context(), "app/db", secret.At{})
		if secret.KindOf(err) != c.kind {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for _, s := range append(c.says, "app/db", "Key Vault "+b.vault) {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s does not say %q: %v", what, s, err)
			}
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), "caller") || strings.Contains(e.Error(), "subscription/") || strings.Contains(e.Error(), "203.0.113.9") {
				t.Errorf("%s tells who asked: %v", what, e)
			}
		}
	}
}

// TestThrottledUntilTooLate: a call whose time ends while the vault refuses for
// too many requests says so, and not that nobody answered.
func TestThrottledUntilTooLate(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	tune := quick()
	b := opened(t, settings, tune)
	mustPut(t, b, "app/db", "one")
	for what, f := range map[string]azurewire.Fault{"too many requests": azurewire.Throttled("1"), "(503)": {Status: 503, Code: "ServiceUnavailable", Header: http.Header{"Retry-After": {"1"}}}} {
		server.Before(func(w http.ResponseWriter, r *http.Request) bool {
			f.WriteTo(w)
			return true
		})
		ctx, cancel := contextOf(t, 300*time.Millisecond)
		_, get := b.Get(ctx, "app/db", secret.At{})
		_, put := b.Put(ctx, "app/db", secret.Text("two"), nil)
		cancel()
		if !errors.Is(get, secret.Unavailable) || !errors.Is(get, context.DeadlineExceeded) || !strings.Contains(get.Error(), what) {
			t.Errorf("get: %v", get)
		}
		if !errors.Is(put, secret.Unavailable) {
			t.Errorf("put: %v", put)
		}
	}
}

// TestWriterWithoutReading: who may write and list, but not read values, can
// put; who may not list is told so before anything is written.
func TestWriterWithoutReading(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	foreign(t, b, "app--db", "theirs", nil)
	foreign(t, b, "app--db", "theirs too", nil)
	forbidden := func(on func(r *http.Request) bool, action string) {
		server.Before(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == "" || !on(r) {
				return false
			}
			azurewire.Forbidden(action, "app--db").WriteTo(w)
			return true
		})
	}
	forbidden(func(r *http.Request) bool {
		return r.Method == http.MethodGet && !strings.Contains(r.URL.Path, "versions")
	}, "getSecret")
	v := mustPut(t, b, "app/db", "ours")
	forbidden(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "versions") }, "readMetadata")
	before := server.Count("PUT /secrets/{name}")
	_, err := b.Put(t.Context(), "app/db", secret.Text("more"), nil)
	if !errors.Is(err, secret.Denied) || !strings.Contains(err.Error(), "readMetadata") || server.Count("PUT /secrets/{name}") != before {
		t.Errorf("%v", err)
	}
	// Reading takes no list; nor does a version by its own id.
	if got, err := b.Get(t.Context(), "app/db", secret.At{}); err != nil || got.ID != v.ID {
		t.Errorf("%v", err)
	}
	if got, err := b.Get(t.Context(), "app/db", secret.At{ID: v.ID}); err != nil || string(got.Value.Reveal()) != "ours" {
		t.Errorf("%v", err)
	}
	if _, err := b.Get(t.Context(), "app/db", secret.At{Number: v.Number}); !errors.Is(err, secret.Denied) {
		t.Errorf("%v", err)
	}
}

// TestUnknownVault: a name that there is not is told with the name, and not
// tried again.
func TestUnknownVault(t *testing.T) {
	b, err := New(Settings{Address: "https://no-such-vault.vault.azure.net"})
	if err != nil {
		t.Fatal(err)
	}
	dns := &url.Error{Op: "Get", URL: "https://no-such-vault.vault.azure.net/secrets/x", Err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "no-such-vault.vault.azure.net", IsNotFound: true}}}
	if worthRetry(nil, dns) {
		t.Errorf("it is tried again")
	}
	got := call{b: b, n: "app/db"}.classify(t.Context(), dns, actGet)
	if secret.KindOf(got) != secret.Unavailable || !strings.Contains(got.Error(), "the host no-such-vault.vault.azure.net is not known") || !strings.Contains(got.Error(), "az keyvault list") {
		t.Errorf("%v", got)
	}
	if !worthRetry(nil, &url.Error{Op: "Get", URL: "x", Err: fmt.Errorf("connection reset")}) {
		t.Errorf("a reset is not tried again")
	}
}
