package audit

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// MaxField is the length of the longest text of a record, in bytes. Longer
// ones are cut.
const MaxField = 1024

// A Phase tells the two records of a change apart.
type Phase string

// The phases. A read and a denial have one record and no phase.
const (
	Begin Phase = "begin" // durable before the change is made
	End   Phase = "end"   // durable before the answer
)

// The verbs that only the log itself uses.
const (
	Epoch   secret.Verb = "epoch"   // the store or the log begins anew, by someone's decision
	Recover secret.Verb = "recover" // bytes that were never acknowledged were removed
	Adopt   secret.Verb = "adopt"   // the log was missing, and begins anew
)

// BySelf is how the principal of tacit's own records, app:tacit, is known.
const BySelf secret.How = "self"

// A Record says who did what to which version, and the outcome. It holds no
// value, and no hash of one.
type Record struct {
	N         uint64           `json:"n"` // its place in the log, from 0
	Time      time.Time        `json:"time"`
	Principal secret.Principal `json:"principal"`
	How       secret.How       `json:"how,omitempty"`
	Session   string           `json:"session,omitempty"`
	Agent     string           `json:"agent,omitempty"` // the sub-agent
	Verb      secret.Verb      `json:"verb"`
	Env       string           `json:"env,omitempty"`
	Name      string           `json:"name,omitempty"`
	Version   secret.VersionID `json:"version,omitempty"`
	Number    uint64           `json:"number,omitempty"` // of the version
	Lease     string           `json:"lease,omitempty"`  // the digest of a lease's id
	Phase     Phase            `json:"phase,omitempty"`
	Begun     *uint64          `json:"begun,omitempty"` // of an End: the n of its Begin
	Outcome   string           `json:"outcome,omitempty"`
	Reason    string           `json:"reason,omitempty"`   // why, of a denial, an error or a last known value
	Note      string           `json:"note,omitempty"`     // the caller's own words
	For       string           `json:"for,omitempty"`      // what for: "run make"
	Policy    string           `json:"policy,omitempty"`   // which policy decided
	Duration  time.Duration    `json:"duration,omitempty"` // in nanoseconds
}

// The outcomes besides the kinds of errors.
const (
	OK     = "ok"
	Denied = "denied"
)

// An Appender keeps records. When Append returns nil they are durable, in
// order. It sets N and Time of each and returns the first N. Records that
// cannot be kept are an error of kind [secret.Unavailable].
type Appender interface {
	Append(ctx context.Context, rs ...Record) (uint64, error)
}

// clean makes the texts of a record valid and bounded.
func (r *Record) clean() {
	for _, s := range []*string{&r.Session, &r.Agent, &r.Env, &r.Name, &r.Outcome, &r.Reason, &r.Note, &r.For, &r.Policy, &r.Lease} {
		*s = bounded(*s)
	}
	r.Principal = secret.Principal(bounded(string(r.Principal)))
	r.Verb, r.How = secret.Verb(bounded(string(r.Verb))), secret.How(bounded(string(r.How)))
	r.Version = secret.VersionID(bounded(string(r.Version)))
}

func bounded(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= MaxField {
		return s
	}
	n := MaxField
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
