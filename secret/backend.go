package secret

import (
	"context"
	"iter"
	"time"
)

// A Backend is a kind of place where secrets are kept.
//
// It is safe for concurrent use. It keeps no map or slice it is given, but for
// the bytes of a [Value], and never changes what it gave. Every error it
// returns has exactly one [Kind]; a done context is Unavailable and wraps the
// context's error. No error text holds a value.
//
// A promise is an interface; a hint is an option. An option that belongs to an
// optional interface is kept by the backends that implement it and refused
// with Unsupported, before anything changes, by those that do not; hints may
// be ignored. Optional interfaces are found by type assertion and kept whole
// or not implemented; [Capabilities] lists them. What a backend is decides
// which it implements; how this one is configured may still make a method
// answer Unsupported, before anything changes.
type Backend interface {
	// Get returns one version with its value, in one request wherever the
	// store can. NoVersion tells a missing version from a missing secret. With the error for a deleted, destroyed or disabled version
	// it returns the version without its value, as far as the store tells.
	Get(ctx context.Context, name Name, at At) (Version, error)

	// Describe reads no value; deleted secrets are described too.
	Describe(ctx context.Context, name Name) (Meta, error)

	// Put makes a new version current, creating the secret if need be; the one
	// that was current keeps exactly the stage Previous. A deleted secret is
	// in the way: Conflict, Deleted.
	Put(ctx context.Context, name Name, value Value, opts *PutOptions) (Version, error)

	// Delete makes all versions unreadable: until Undelete if the backend is
	// an Undeleter, for ever if not. From then on every change answers
	// NotFound, Deleted, but for those that bring the secret back or destroy
	// it, and those that it is in the way of.
	Delete(ctx context.Context, name Name, opts *DeleteOptions) (Meta, error)

	// List yields secrets in the store's own order, the same each time. An
	// error ends it. Versions in a list have no Number and no Created where
	// the store tells them for one secret at a time only.
	List(ctx context.Context, opts *ListOptions) iter.Seq2[Meta, error]
}

// PutOptions belong to Put and Swap; nil is none.
type PutOptions struct {
	ID          VersionID    // Versioner: of the new version. Taken: same value, nothing happens; other value, Conflict
	Stages      []Stage      // Stager: moved to the new version, instead of Current; a first version is current anyway
	Annotations *Annotations // Annotator: replaced in the same step; nil keeps them
	Attributes  *Attributes  // VersionAnnotator: of the new version; nothing is inherited
}

// DeleteOptions belong to Delete; nil is none.
type DeleteOptions struct {
	Window time.Duration // a hint: how long it can be undeleted; Meta.Purge is the answer
}

// A Deletion selects secrets by whether they are deleted.
type Deletion uint8

// The zero Deletion is NotDeleted.
const (
	NotDeleted Deletion = iota
	AlsoDeleted
	OnlyDeleted
)

// Selects reports whether a secret that is deleted, or is not, is one of those
// that d asks for.
func (d Deletion) Selects(deleted bool) bool {
	switch d {
	case AlsoDeleted:
		return true
	case OnlyDeleted:
		return deleted
	default:
		return !deleted
	}
}

// ListOptions belong to List; nil is all that is not deleted.
type ListOptions struct {
	Prefix  string   // bytes that names begin with: not a Name, it may end in "/"
	After   string   // the Cursor of the last one seen
	Shallow bool     // names with a further "/" are yielded once, as far as that "/", with Meta.Prefix set
	Names   bool     // a hint: names are enough
	Deleted Deletion // Undeleter
}

// A Versioner keeps old versions; writers may choose their identity.
type Versioner interface {
	// Versions yields all versions without values, newest first.
	Versions(ctx context.Context, name Name) iter.Seq2[Version, error]
}

// A Swapper compares and swaps.
type Swapper interface {
	// Swap is Put if old is the current version, deleted or not; the zero At
	// demands that there is none. Otherwise Conflict. A version that opts.ID
	// names already is looked at first.
	Swap(ctx context.Context, name Name, old At, value Value, opts *PutOptions) (Version, error)
}

// A Creator keeps secrets that have no version yet.
type Creator interface {
	// Create is Conflict where the secret exists, deleted or not.
	Create(ctx context.Context, name Name, a Annotations) (Meta, error)
}

// An Undeleter keeps deleted secrets for a while, and destroys on demand.
type Undeleter interface {
	// Undelete is Conflict if the secret is not deleted.
	Undelete(ctx context.Context, name Name) (Meta, error)
	// Destroy removes a secret with all versions, deleted or not, at once and
	// for ever.
	Destroy(ctx context.Context, name Name) error
}

// A VersionRemover removes single versions. Each call changes all or nothing;
// versions that do not exist are ignored.
type VersionRemover interface {
	DeleteVersions(ctx context.Context, name Name, at ...At) error
	// UndeleteVersions starts Limits.DeleteAfter anew.
	UndeleteVersions(ctx context.Context, name Name, at ...At) error
	// DestroyVersions removes values for ever and keeps what is said about
	// the versions.
	DestroyVersions(ctx context.Context, name Name, at ...At) error
}

// A Stager lets stages be moved.
type Stager interface {
	// MoveStage compares and swaps; an empty from or to is no version. When
	// Current moves, its old version gains Previous and both keep their other
	// stages. Previous is moved by the store alone.
	MoveStage(ctx context.Context, name Name, stage Stage, from, to VersionID) (Meta, error)
}

// An Annotator keeps annotations of secrets.
type Annotator interface {
	Annotate(ctx context.Context, name Name, c Change) (Meta, error)
}

// A VersionAnnotator keeps attributes of single versions.
type VersionAnnotator interface {
	AnnotateVersion(ctx context.Context, name Name, at At, c AttributeChange) (Version, error)
}

// A Limiter keeps limits and holds every writer to them. Of a secret's own and
// the store's count: the higher MaxVersions, the own DeleteAfter if any, and
// either SwapOnly.
type Limiter interface {
	// Limit sets the limits of a secret; with the empty name, of the store.
	Limit(ctx context.Context, name Name, l Limits) error
	// Limits returns those of the store.
	Limits(ctx context.Context) (Limits, error)
}

// An Archiver packs a secret into one sealed blob with all its versions,
// identities and attributes, for a backend of its kind.
type Archiver interface {
	Backup(ctx context.Context, name Name) ([]byte, error)
	// Restore is Invalid if the blob is of another name or damaged, and
	// Conflict if the secret exists, deleted or not. The secret gets a UID of
	// its own: the one that was packed may live on under another name.
	Restore(ctx context.Context, name Name, blob []byte) (Meta, error)
}

// A BatchGetter reads many secrets in few requests.
type BatchGetter interface {
	// GetBatch returns the current versions: one Result for each name, in
	// order.
	GetBatch(ctx context.Context, names []Name) []Result
}

// A Batcher writes many secrets in one step.
type Batcher interface {
	// PutBatch writes all or nothing, and returns one Version for each, in
	// order. The first that is refused decides the error, which names it.
	// Invalid: a name occurs twice, or there are more than [MaxBatch].
	PutBatch(ctx context.Context, puts []Putting) ([]Version, error)
}

// A Renamer gives a secret another name in one step.
type Renamer interface {
	// Rename keeps all but the name: UID, versions with their identities and
	// stages, annotations, limits. A deleted secret is NotFound, Deleted; a
	// secret of the new name, deleted or not, is a Conflict.
	Rename(ctx context.Context, from, to Name) (Meta, error)
}

// A Watcher tells of changes, its own and those of other processes.
type Watcher interface {
	// Watch yields the names of secrets that begin with prefix and changed,
	// until ctx is done. The empty name says that anything may have changed:
	// it comes first and after each gap.
	Watch(ctx context.Context, prefix string) iter.Seq2[Name, error]
}

// A Lessor makes credentials that it ends by itself.
type Lessor interface {
	// Issue makes a credential by the rules that name stands for. The ttl is
	// a hint, Lease.Expires the answer; zero is the store's own. NotFound: the
	// store has no such rules.
	Issue(ctx context.Context, name Name, ttl time.Duration) (Lease, error)
	// Renew makes a lease end later, at most at the store's own limit; its
	// answer has no value. NotFound: the lease ended. Unsupported: this one
	// cannot be renewed.
	Renew(ctx context.Context, id string, ttl time.Duration) (Lease, error)
	// Revoke ends a lease at once. One that ended already is no error.
	Revoke(ctx context.Context, id string) error
}

// A Prober looks for evidence of how well the store itself is kept.
type Prober interface {
	// Posture returns what it found, in a fixed order. What the caller may not
	// see is a Finding of status unknown, never one of status ok.
	Posture(ctx context.Context) ([]Finding, error)
}

// A Grantor writes the store's own rules.
type Grantor interface {
	// Rules returns rules that allow the verbs on the names and nothing else.
	// It changes nothing and asks no store. Unsupported: the store has no rule
	// for a verb.
	Rules(names []Name, verbs ...Verb) ([]Rule, error)
}

// A Fitter tells what its store cannot hold, before anything is written to it.
// It is no promise about secrets: [Capabilities] does not name it.
type Fitter interface {
	// Fits is the error of a Put that would be refused whatever the store
	// holds: for its name, its value or its options. It asks no store. Of the
	// zero Value nothing is asked. Invalid: too large, or not to be written
	// there; Unsupported: the store keeps no such thing.
	Fits(name Name, value Value, opts *PutOptions) error
	// MaxValueBytes is the size of the largest value.
	MaxValueBytes() int
}

// A Narrower is configured, in some stores, not to keep all that its kind can
// keep. It is no promise about secrets: [Capabilities] does not name it.
type Narrower interface {
	// Lacks names the capabilities that this store answers with Unsupported.
	// It may ask the store once.
	Lacks(ctx context.Context) ([]string, error)
}

// MaxBatch is how many secrets one PutBatch writes at most.
const MaxBatch = 10_000

// A Putting is one write of a batch.
type Putting struct {
	Name    Name
	Value   Value
	Old     *At // as in Swap; nil: whichever version is current
	Options *PutOptions
}

// A TagChange changes tags: first Clear, then Remove, then Set.
type TagChange struct {
	Clear  bool
	Remove []string
	Set    map[string]string
}

// A Change changes annotations; nil keeps.
type Change struct {
	Description *string
	Tags        TagChange
}

// An AttributeChange changes attributes; nil keeps, zero clears.
type AttributeChange struct {
	Disabled           *bool
	NotBefore, Expires *time.Time
	ContentType        *string
	Tags               TagChange
}

// A Result is one answer of a batch.
type Result struct {
	Version Version
	Err     error
}

// A Lease is a credential that its backend made and will end by itself.
type Lease struct {
	ID        string // names the lease to its backend; no value, but not to be published
	Name      Name
	Value     Value     // from Issue only
	Expires   time.Time // zero: the store told no end
	Renewable bool
}

// The states of a [Finding].
const (
	FindingOK      = "ok"
	FindingBad     = "bad"
	FindingUnknown = "unknown"
)

// A Finding is one line of evidence about a store.
type Finding struct {
	Check    string // which question, in few words: "audit devices"
	Status   string // one of the constants above
	Evidence string // what was seen, or why nothing was
	Remedy   string // what to do; empty if the status is ok
}

// A Rule is a text in a language of the store: "hcl", "json", "bicep", "sh".
type Rule struct{ Language, Text string }

// Capabilities names the optional interfaces that b implements, in the words
// of the documents. The list in each backend's conformance test and the tables
// in docs come from it, so that no capability is lost in silence.
func Capabilities(b Backend) []string {
	var out []string
	for _, c := range [...]struct {
		has  bool
		name string
	}{
		{is[Versioner](b), "versions"},
		{is[Swapper](b), "swap"},
		{is[Creator](b), "create"},
		{is[Undeleter](b), "undelete"},
		{is[VersionRemover](b), "remove versions"},
		{is[Stager](b), "stages"},
		{is[Annotator](b), "annotations"},
		{is[VersionAnnotator](b), "attributes"},
		{is[Limiter](b), "limits"},
		{is[Archiver](b), "backup"},
		{is[BatchGetter](b), "batch"},
		{is[Batcher](b), "batch put"},
		{is[Renamer](b), "rename"},
		{is[Watcher](b), "watch"},
		{is[Lessor](b), "leases"},
		{is[Prober](b), "posture"},
		{is[Grantor](b), "rules"},
	} {
		if c.has {
			out = append(out, c.name)
		}
	}
	return out
}

func is[T any](b Backend) bool { _, ok := b.(T); return ok }
