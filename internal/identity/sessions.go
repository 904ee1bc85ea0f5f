package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// maxSessions bounds how many files are looked at.
const maxSessions = 1024

// Register tells other tacit processes that this one is an agent's session,
// until the function it returns is called. dir is a folder of the user's own;
// where the system does not tell processes apart nothing
// is written. Files that dead processes left are swept, so that they never
// crowd out the live. The error is [secret.Invalid] if c is no agent, or the
// name of its session, which may be empty, is none.
func Register(dir string, c secret.Caller) (done func(), err error) {
	if _, _, ok := c.Principal.Split(); !ok || !c.Principal.IsAgent() || c.Session != "" && !isID(c.Session) {
		return nil, secret.Errorf(secret.Invalid, "", "a session is an agent's, and its name has no spaces and no /")
	}
	self, ok := Self()
	if !ok || dir == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be made", dir)
	}
	sweep(dir)
	b, err := json.Marshal(Session{self, c.Principal, c.Session})
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "the session cannot be written")
	}
	path := filepath.Join(dir, strconv.Itoa(self.PID)+"-"+sum(c)+".json")
	if err := write(path, b); err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "%s: cannot be written", path)
	}
	return func() { _ = os.Remove(path) }, nil
}

// sum tells the sessions of one process apart in the names of their files.
func sum(c secret.Caller) string {
	h := sha256.Sum256([]byte(FormatSession(c)))
	return hex.EncodeToString(h[:8])
}

// write replaces a file at once, so that no one reads half of it. A link in
// its place is replaced, not followed.
func write(path string, b []byte) error {
	part, err := os.CreateTemp(filepath.Dir(path), "*.part") // 0600
	if err != nil {
		return err
	}
	_, err = part.Write(b)
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		_ = os.Remove(part.Name())
	}
	return err
}

// sweep removes the files of processes that are gone.
func sweep(dir string) {
	for path, s := range files(dir) {
		if p, ok := running(s.PID); !ok || p != s.Process {
			_ = os.Remove(path)
		}
	}
}

// Sessions returns the sessions registered in dir, those of dead processes
// included: they are nobody's ancestors. A file that cannot be read stands for
// no session: removing a mark was always possible.
func Sessions(dir string) []Session {
	var out []Session
	for _, s := range files(dir) {
		if out = append(out, s); len(out) == maxSessions {
			break
		}
	}
	return out
}

// files yields the sessions of a folder with the paths of their files.
func files(dir string) iter.Seq2[string, Session] {
	return func(yield func(string, Session) bool) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".json") || !e.Type().IsRegular() {
				continue
			}
			path := filepath.Join(dir, e.Name())
			b, err := os.ReadFile(path) //nolint:gosec // a folder of the user's own
			var s Session
			if err == nil && len(b) < 4096 && json.Unmarshal(b, &s) == nil && !yield(path, s) {
				return
			}
		}
	}
}
