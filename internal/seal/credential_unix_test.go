//go:build unix

package seal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// TestAbuseCredential: systemd's own files are read, whichever way it lets the
// service in, and no other ones.
func TestAbuseCredential(t *testing.T) {
	text := strings.Repeat("credential", 4)
	path := writeFile(t, "tacit", text, 0o400)
	u := &Unlocker{CredentialDir: filepath.Dir(path), Credential: "tacit"}
	k := newTestKey(t)
	s := Slots{mustSlot(t, u, k, Method{Kind: Credential})}
	opens(t, u, s, k)
	t.Run("slot-names-another-credential", func(t *testing.T) {
		v := *u
		v.Credential = "other"
		_, err := v.Unlock(t.Context(), testStore, s)
		wantKind(t, err, secret.Unauthenticated)
		if !strings.Contains(err.Error(), "other") {
			t.Errorf("the reason is missing: %v", err)
		}
	})
	for name, c := range map[string]struct {
		mode os.FileMode
		uid  int
		ok   bool
	}{
		"of-root-by-access-list": {0o440, 0, true},
		"readable-by-all":        {0o444, 0, false},
		"group-may-write":        {0o460, 0, false},
		"of-another-user":        {0o400, 12345, false},
	} {
		t.Run("credential-"+name, func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("SKIPPED: only root can give a file away")
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(path, c.uid, -1); err != nil {
				t.Fatal(err)
			}
			_, err := u.credential("tacit")
			if c.ok && err != nil {
				t.Error(err)
			} else if !c.ok {
				wantKind(t, err, secret.Denied)
			}
		})
	}
}
