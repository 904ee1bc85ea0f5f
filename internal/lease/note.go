package lease

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// A Note is what is remembered of one lease. It holds no value.
type Note struct {
	ID        string           `json:"id"`              // its own, for people: 12 hexadecimal digits
	Env       string           `json:"env"`             // of the environment that issued it
	Name      secret.Name      `json:"name"`            // of the rules it was made by
	Lease     string           `json:"lease,omitempty"` // what the store calls it; empty: it was being issued
	Store     string           `json:"store,omitempty"` // which store that was; empty: not known
	Issued    time.Time        `json:"issued"`
	Expires   time.Time        `json:"expires,omitzero"` // zero: the store told no end
	Renewable bool             `json:"renewable,omitempty"`
	For       secret.Principal `json:"for"`             // who was given it
	Owner     string           `json:"owner,omitempty"` // the process that revokes it; empty: it is kept until somebody revokes it
	Due       bool             `json:"due,omitempty"`   // to be revoked, whoever owns it
	Tries     int              `json:"tries,omitempty"` // how often revoking it failed
	Tried     time.Time        `json:"tried,omitzero"`  // when it failed last
}

// Ref is what the lease was issued for.
func (n Note) Ref() secret.Ref { return secret.Ref{Env: n.Env, Name: n.Name} }

// Ended reports whether the store has ended the lease by itself.
func (n Note) Ended(now time.Time) bool { return !n.Expires.IsZero() && now.After(n.Expires) }

// wait is how long a revocation that failed is left alone: a minute at first,
// then twice as long each time, and an hour at most. Else each command would
// wait for a store that does not answer.
func (n Note) wait() time.Duration {
	return min(time.Minute<<min(max(n.Tries-1, 0), 6), time.Hour)
}

// resting reports whether it was tried so lately that it is left alone.
func (n Note) resting(now time.Time) bool {
	return n.Tries > 0 && now.Sub(n.Tried) < n.wait() && !now.Before(n.Tried)
}

func (n Note) marshal() ([]byte, error) {
	b, err := json.Marshal(n)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, n.Name, "this lease cannot be noted down")
	}
	return b, nil
}

// parseNote reads a note. One that a newer tacit wrote may say more.
func parseNote(b []byte) (Note, error) {
	var n Note
	if json.Unmarshal(b, &n) != nil || n.ID == "" || secret.CheckEnv(n.Env) != nil || n.Name.Check() != nil {
		return Note{}, secret.Errorf(secret.Corrupt, "", "what is noted of a lease cannot be read\n  tacit store check")
	}
	return n, nil
}

func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
