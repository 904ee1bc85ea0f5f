package identity

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// maxSessions bounds how many files are looked at.
const maxSessions = 1024

// Register tells other tacit processes that this one is an agent's session,
// until the function it returns is called. dir is a folder of the user's own,
// in $XDG_RUNTIME_DIR; where the system does not tell processes apart nothing
// is written.
func Register(dir string, c secret.Caller) (done func(), err error) {
	self, ok := Self()
	if !ok || dir == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be made", dir)
	}
	b, err := json.Marshal(Session{self, c.Principal, c.Session})
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "the session cannot be written")
	}
	path := filepath.Join(dir, strconv.Itoa(self.PID)+".json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be written", path)
	}
	return func() { _ = os.Remove(path) }, nil
}

// Sessions returns the sessions registered in dir. A file that cannot be read
// stands for no session: removing a mark was always possible.
func Sessions(dir string) []Session {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []Session
	for _, e := range entries[:min(len(entries), maxSessions)] {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name())) //nolint:gosec // a folder of the user's own
		var s Session
		if err == nil && len(b) < 4096 && json.Unmarshal(b, &s) == nil {
			out = append(out, s)
		}
	}
	return out
}
