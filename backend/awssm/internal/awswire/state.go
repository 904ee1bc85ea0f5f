package awswire

import (
	"cmp"
	"crypto/rand"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"

	maxValue    = 65536
	maxLabels   = 20 // across all versions of a secret; the text of the error is a choice
	maxVersions = 100
	young       = 24 * time.Hour // versions that are never pruned
)

// A stamp is a time as the service writes it: seconds, with milliseconds.
type stamp time.Time

// MarshalJSON implements json.Marshaler.
func (s stamp) MarshalJSON() ([]byte, error) {
	ms := time.Time(s).UnixMilli()
	return []byte(strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64)), nil
}

// IsZero lets omitzero leave it out.
func (s stamp) IsZero() bool { return time.Time(s).IsZero() }

// A Tag belongs to a secret.
type Tag struct{ Key, Value string }

// entry is a secret.
type entry struct {
	arn, name, description, kms string
	policy                      string
	tags                        []Tag // nil: never set
	created, changed, accessed  time.Time
	deleted, purge              time.Time
	rotation                    Rotation
	versions                    []*version // oldest first
}

// Rotation is what the service says about a secret's rotation.
type Rotation struct {
	Enabled    bool
	Last, Next time.Time
}

type version struct {
	id      string
	value   []byte
	binary  bool
	labels  []string // sorted
	created time.Time
}

func (v *version) has(label string) bool { return slices.Contains(v.labels, label) }

func (v *version) add(label string) {
	if !v.has(label) {
		v.labels = append(slices.Clone(v.labels), label)
		slices.Sort(v.labels)
	}
}

func (v *version) remove(label string) {
	v.labels = slices.DeleteFunc(slices.Clone(v.labels), func(l string) bool { return l == label })
}

// holder returns the version with a label, and nil if none has it.
func (e *entry) holder(label string) *version {
	for _, v := range e.versions {
		if v.has(label) {
			return v
		}
	}
	return nil
}

func (e *entry) version(id string) *version {
	for _, v := range e.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

// move gives a label to one version and takes it from all others.
func (e *entry) move(label string, to *version) {
	for _, v := range e.versions {
		v.remove(label)
	}
	if to != nil {
		to.add(label)
	}
}

// promote makes v current as a put does: the one before keeps exactly
// AWSPREVIOUS. That a third version keeps AWSPENDING is a choice.
func (e *entry) promote(v *version) {
	old := e.holder(current)
	if old == v {
		return
	}
	e.move(previous, nil)
	if old != nil {
		old.labels = []string{previous}
	}
	v.add(current)
}

// put adds a version with the labels of a request.
func (e *entry) put(v *version, labels []string) error {
	if len(labels) == 0 {
		labels = []string{current}
	}
	if len(e.versions) == 0 && !slices.Contains(labels, current) {
		labels = append(slices.Clone(labels), current)
	}
	if e.labelsWith(labels) > maxLabels {
		return &Error{Code: "LimitExceededException", Message: "You can't have more than 20 staging labels attached to a secret."}
	}
	e.versions = append(e.versions, v)
	if slices.Contains(labels, current) {
		e.promote(v)
	}
	for _, l := range labels {
		e.move(l, v)
	}
	e.changed = v.created
	e.prune(v.created)
	return nil
}

func (e *entry) labelsWith(more []string) int {
	all := map[string]bool{}
	for _, v := range e.versions {
		for _, l := range v.labels {
			all[l] = true
		}
	}
	for _, l := range more {
		all[l] = true
	}
	return len(all)
}

func (e *entry) prune(now time.Time) {
	bare := 0
	for _, v := range slices.Backward(e.versions) {
		if len(v.labels) > 0 {
			continue
		}
		if bare++; bare > maxVersions && now.Sub(v.created) > young {
			e.versions = slices.DeleteFunc(e.versions, func(w *version) bool { return w == v })
		}
	}
}

// purge removes what has been deleted for long enough.
func (c *call) purge() {
	now := c.opts.Now()
	for n, e := range c.secrets {
		if !e.purge.IsZero() && !now.Before(e.purge) {
			delete(c.secrets, n)
		}
	}
}

func validName(n string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`).MatchString(n)
}

// find returns the secret that an id means: a name, an ARN, or an ARN without
// its suffix. One that ends like a suffix is taken for complete.
func (c *call) find(id, operation string) (*entry, error) {
	name := id
	if strings.HasPrefix(id, "arn:") {
		prefix := "arn:aws:secretsmanager:" + c.Region + ":" + c.Account + ":secret:"
		rest, here := strings.CutPrefix(id, prefix)
		if !here {
			return nil, notFound("")
		}
		name = rest
		if m := regexp.MustCompile(`^(.*)-[A-Za-z0-9]{6}$`).FindStringSubmatch(rest); m != nil {
			name = m[1]
		}
	} else if !validName(id) {
		return nil, front("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if err := c.allowed(operation, name); err != nil {
		return nil, err
	}
	e := c.secrets[name]
	if e == nil || strings.HasPrefix(id, "arn:") && id != e.arn && id+"-" != e.arn[:min(len(id)+1, len(e.arn))] {
		return nil, notFound("")
	}
	return e, nil
}

// live is find for what is refused on a secret that is to be deleted.
func (c *call) live(id string) (*entry, error) {
	e, err := c.find(id, c.Operation)
	if err == nil && !e.deleted.IsZero() {
		return nil, badRequest("You can't perform this operation on the secret because it was marked for deletion.")
	}
	return e, err
}

func (c *call) newARN(name string) string {
	return "arn:aws:secretsmanager:" + c.Region + ":" + c.Account + ":secret:" + name + "-" + rand.Text()[:6]
}

// SetRotation says what the service is to tell about a secret.
func (s *Server) SetRotation(account, region, name string, r Rotation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places[place{account, region}][name].rotation = r
}

// SetPolicy gives a secret a resource policy.
func (s *Server) SetPolicy(account, region, name, policy string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places[place{account, region}][name].policy = policy
}

// sorted returns the secrets of a call by creation, as the service does.
func (c *call) sorted() []*entry {
	out := make([]*entry, 0, len(c.secrets))
	for _, e := range c.secrets {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *entry) int {
		return cmp.Or(a.created.Compare(b.created), strings.Compare(a.name, b.name))
	})
	return out
}
