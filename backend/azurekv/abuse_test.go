package azurekv

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/secret"
)

// says answers each request of a vault with a body.
func says(server *azurewire.Server, answer func(r *http.Request) string) {
	server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, answer(r))
		return true
	})
}

// backupOf is a backup of what a vault knows by a name.
func backupOf(az string) []byte {
	c := call{az: az}
	blob := append([]byte(archiveMagic), c.digest()...)
	sum := sha256.Sum256(blob)
	return append(blob, sum[:]...)
}

// TestAbuseVault: whoever answers in a vault's place learns nothing, and stops
// nothing.
func TestAbuseVault(t *testing.T) {
	challenged := func(header string) func(*testing.T) {
		return func(t *testing.T) {
			server, settings := serve(t, azurewire.Options{})
			server.Before(func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("WWW-Authenticate", strings.ReplaceAll(header, "OWN", strings.TrimPrefix(r.Host, "127.")))
				w.WriteHeader(http.StatusUnauthorized)
				return true
			})
			b := opened(t, settings, quick())
			_, err := b.Get(t.Context(), "claude/api", secret.At{})
			if secret.KindOf(err) != secret.Unauthenticated || strings.ContainsAny(err.Error(), "\x1b\x07") || server.Count("token") != 0 {
				t.Errorf("%d tokens, %v", server.Count("token"), err)
			}
		}
	}
	const own = `, resource="https://OWN"`
	for name, header := range map[string]string{
		"challenge-authority-without-tenant":    `Bearer authorization="https://login.microsoftonline.com"` + own,
		"challenge-authority-is-no-address":     `Bearer authorization="x"` + own,
		"challenge-authority-of-two-slashes":    `Bearer authorization="//"` + own,
		"challenge-of-another-resource":         `Bearer authorization="https://login.microsoftonline.com/` + tenant + `", resource="https://management.azure.com"`,
		"challenge-of-no-resource":              `Bearer authorization="https://login.microsoftonline.com/` + tenant + `"`,
		"challenge-of-a-resource-without-host":  `Bearer authorization="https://login.microsoftonline.com/` + tenant + `", resource="x"`,
		"challenge-of-another-scheme":           `Basic realm="vault"`,
		"challenge-with-a-tenant-of-a-terminal": "Bearer authorization=\"https://login.microsoftonline.com/\x1b]0;x\x07\"" + own,
	} {
		t.Run(name, challenged(header))
	}
	for _, id := range []string{"", "x", "https://v/", "https://v/secrets", "https://v/%zz", ":", "https://v/secrets/%1b[2J"} {
		t.Run("id-that-is-none "+strings.ReplaceAll(id, "/", "|"), func(t *testing.T) {
			server, settings := serve(t, azurewire.Options{})
			b := opened(t, settings, quick())
			if err := one(t, b); err != nil {
				t.Fatal(err)
			}
			says(server, func(*http.Request) string {
				return fmt.Sprintf(`{"id":%[1]q,"recoveryId":%[1]q,"value":"x","contentType":"","attributes":{"enabled":true,"created":1,"updated":1}}`, id)
			})
			if _, err := b.Get(t.Context(), "claude/api", secret.At{}); secret.KindOf(err) == 0 {
				t.Error("it is taken for the secret")
			}
			_, _ = b.Put(t.Context(), "claude/api", secret.Text("two"), nil)
			if _, err := b.Restore(t.Context(), "claude/api", backupOf("claude--api")); secret.KindOf(err) == 0 {
				t.Error("it is taken for restored")
			}
			says(server, func(*http.Request) string { return fmt.Sprintf(`{"value":[{"id":%q},{"id":null},null]}`, id) })
			for m, err := range b.List(t.Context(), &secret.ListOptions{Names: true, Deleted: secret.AlsoDeleted}) {
				if err == nil && m.Name.Check() != nil && strings.Contains(string(m.Name), "/") {
					t.Errorf("lists %q", m.Name)
				}
			}
			if _, err := b.Describe(t.Context(), "claude/api"); secret.KindOf(err) == 0 {
				t.Error("it is taken for a version")
			}
			for _, err := range b.Versions(t.Context(), "claude/api") {
				if secret.KindOf(err) == 0 {
					t.Error("it is taken for a version")
				}
			}
		})
	}
	for name, ask := range map[string]func(t *testing.T, b *Backend) error{
		"list": func(t *testing.T, b *Backend) error { return drain(b, t, nil) },
		"deleted": func(t *testing.T, b *Backend) error {
			return drain(b, t, &secret.ListOptions{Deleted: secret.OnlyDeleted})
		},
		"versions": func(t *testing.T, b *Backend) error { _, err := b.Describe(t.Context(), "claude/api"); return err },
	} {
		for how, next := range map[string]func(n int) int{"the-same-page": func(int) int { return 1 }, "page-after-page": func(n int) int { return n }} {
			t.Run(name+"-that-never-ends "+how, func(t *testing.T) {
				server, settings := serve(t, azurewire.Options{})
				b := opened(t, settings, quick())
				if err := one(t, b); err != nil {
					t.Fatal(err)
				}
				n := 0
				says(server, func(r *http.Request) string {
					n++
					return fmt.Sprintf(`{"value":[],"nextLink":"https://%s%s?api-version=7.4&$skiptoken=%d"}`, r.Host, r.URL.Path, next(n))
				})
				if err := ask(t, b); secret.KindOf(err) != secret.Corrupt {
					t.Errorf("after %d pages: %v", n, err)
				}
			})
		}
	}
}
