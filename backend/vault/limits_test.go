package vault

import (
	"net/http"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// With the versions it is told how many there can be: the store keeps the higher
// number of the secret's and the mount's, and says 0 where nobody chose one.
func TestVersionsTellHowManyAreKept(t *testing.T) {
	s := theServer(t)
	b := s.with(t, s.mount(t, "2"), func(*Settings) {})
	put(t, b, "a", "x")
	told := func(b *Backend) int {
		t.Helper()
		for v, err := range b.Versions(t.Context(), "a") {
			ok(t, err)
			return v.Secret.MaxVersions
		}
		return -1
	}
	policy := `path "` + b.settings.Mount + `/metadata/*" { capabilities = ["read"] }`
	narrow := func() *Backend {
		token := secret.Text(s.allowed(t, policy))
		return s.with(t, b.settings.Mount, func(c *Settings) { c.Auth = Auth{Method: "token", Token: token} })
	}
	for _, c := range []struct{ mount, own, want, narrow int }{{0, 0, 10, 0}, {4, 0, 4, 0}, {4, 6, 6, 6}, {4, 2, 4, 2}, {0, 2, 2, 2}} {
		s.must(t, http.MethodPost, b.settings.Mount+"/config", map[string]any{"max_versions": c.mount})
		s.must(t, http.MethodPost, b.settings.Mount+"/metadata/a", map[string]any{"max_versions": c.own})
		if got := told(b); got != c.want {
			t.Errorf("with %d of the mount and %d of the secret, %d are told", c.mount, c.own, got)
		}
		if got := told(narrow()); got != c.narrow {
			t.Errorf("with %d of the secret, a token that sees no more is told %d", c.own, got)
		}
	}
}
