package vault

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// maxRounds bounds how often a write begins anew because others were faster.
const maxRounds = 64

// A putting is one Put or Swap.
type putting struct {
	name    secret.Name
	value   secret.Value
	stored  []byte // the value as JSON
	id      secret.VersionID
	replace *secret.Annotations // nil: they stay
	old     *secret.At          // nil: whichever version is current
	tries   int                 // answers that were lost
	lost    uint64              // the version that the last of them was about
}

// Put makes a new version current. It compares and swaps as every write does,
// and begins anew if another writer was faster.
func (b *Backend) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	return b.put(ctx, n, v, nil, o)
}

// Swap is Put if old is the current version.
func (b *Backend) Swap(ctx context.Context, n secret.Name, old secret.At, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	return b.put(ctx, n, v, &old, o)
}

func (b *Backend) put(ctx context.Context, n secret.Name, v secret.Value, old *secret.At, o *secret.PutOptions) (secret.Version, error) {
	engine, err := b.engine(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	if engine == 1 && old != nil {
		return secret.Version{}, b.unsupported(n)
	}
	p, err := b.newPutting(engine, n, v, o)
	if err != nil {
		return secret.Version{}, err
	}
	if v.IsZero() {
		return secret.Version{}, secret.Errorf(secret.Invalid, n, "there is no value to put")
	}
	if engine == 1 {
		return b.putPlain(ctx, p)
	}
	p.old = old
	for round := 0; ; round++ {
		told, err := b.putOnce(ctx, p)
		if !errors.Is(err, errRaced) {
			return told, err
		}
		if round == maxRounds {
			return secret.Version{}, secret.Errorf(secret.Unavailable, n, "others write it all the time")
		}
		if err := b.stepAside(ctx, n, round); err != nil {
			return secret.Version{}, err
		}
	}
}

// stepAside waits a moment where others were faster, longer each time.
func (b *Backend) stepAside(ctx context.Context, n secret.Name, round int) error {
	wait := rand.N(min(time.Millisecond<<min(round, 8), 200*time.Millisecond)) //nolint:gosec // jitter, no secret
	if b.retry.pause(ctx, wait) != nil {
		return interrupted(ctx, n)
	}
	return nil
}

// errRaced says that another writer was faster; only Put sees it.
const errRaced flaw = "another writer was faster"

// newPutting refuses what the store cannot hold, before it is asked. Of the zero
// value nothing is asked.
func (b *Backend) newPutting(engine int, n secret.Name, v secret.Value, o *secret.PutOptions) (*putting, error) {
	if o == nil {
		o = &secret.PutOptions{}
	}
	switch {
	case len(o.Stages) > 0:
		return nil, secret.Errorf(secret.Unsupported, n, "Vault has no stages: the newest version is the current one")
	case o.Attributes != nil:
		return nil, secret.Errorf(secret.Unsupported, n, "Vault keeps no attributes of versions")
	case engine == 1 && (o.ID != "" || o.Annotations != nil):
		return nil, b.unsupported(n)
	case o.ID != "" && o.ID.Check() != nil:
		return nil, secret.Errorf(secret.Invalid, n, "a version's id has 32 to 64 visible ASCII characters")
	}
	p := &putting{name: n, value: v, id: o.ID}
	if !v.IsZero() {
		if p.stored = encodeValue(v); len(p.stored) > maxStored {
			return nil, secret.Errorf(secret.Invalid, n, "Vault keeps at most %d bytes of a value, this one takes %d\n  keep what is large elsewhere, encrypted, and its key here", maxStored, len(p.stored))
		}
	}
	if o.Annotations == nil {
		return p, nil
	}
	if err := checkTags(n, o.Annotations.Tags); err != nil {
		return nil, err
	}
	p.replace = &secret.Annotations{Description: o.Annotations.Description, Tags: maps.Clone(o.Annotations.Tags)}
	change := customChange{}
	change.replace(nil, *p.replace)
	return p, checkCustom(n, change.applied(nil))
}

// Fits is the error of a Put that would be refused whatever the store holds.
// Which version of the engine that is counts as soon as it is known.
func (b *Backend) Fits(n secret.Name, v secret.Value, o *secret.PutOptions) error {
	engine := b.known()
	err := ready(context.Background(), n)
	if err == nil {
		err = plainName(engine, n)
	}
	if err == nil {
		_, err = b.newPutting(engine, n, v, o)
	}
	return err
}

// MaxValueBytes is the size of the largest value that is stored as text.
func (*Backend) MaxValueBytes() int { return MaxValueBytes }

// putOnce writes over the version that it sees; the error is errRaced if the
// store has another one by then, and any may be replaced.
func (b *Backend) putOnce(ctx context.Context, p *putting) (secret.Version, error) {
	m, err := b.before(ctx, p)
	if err != nil {
		return secret.Version{}, err
	}
	if p.id != "" {
		if told, found, err := b.again(ctx, p, m); found || err != nil {
			return told, err
		}
	}
	if err := checkCustom(p.name, b.plan(p, m, m.Current+1).applied(m.Custom)); err != nil {
		return secret.Version{}, err
	}
	v, err := b.landed(ctx, p, m)
	if errors.Is(err, errAbsent) {
		if err := b.allowed(p, m); err != nil {
			return secret.Version{}, err
		}
		v, err = b.write(ctx, p, m)
	}
	change := b.plan(p, m, v.Number)
	if err != nil || len(change) == 0 {
		return v, err
	}
	if m.Custom, err = b.tellCustom(ctx, p.name, m, change); err != nil {
		return secret.Version{}, half(v.Number, err)
	}
	v = b.told(p.name, v.Number, aVersion{Created: v.Created, Deleted: instant{v.Deleted}}, m.Custom, v.Stages)
	v.Secret = &secret.Meta{Annotations: annotations(m.Custom)}
	return v, nil
}

// plan is what a write of the version of that number changes of the custom
// metadata; nothing, mostly.
func (b *Backend) plan(p *putting, m *metadata, number uint64) customChange {
	change := customChange{}
	if p.replace != nil {
		change.replace(m.Custom, *p.replace)
	}
	if p.id != "" {
		change.keepID(m, number, p.id)
	}
	return change
}

// half is the error of a write whose value was kept, but not what was to be
// said about it.
func half(number uint64, why error) error {
	e, ok := errors.AsType[*secret.Error](why)
	if !ok {
		return why
	}
	about := *e
	about.Text = "version " + utoa(number) + " was written, but its id, description or tags were not: " + e.Text
	return &about
}

// before reads what a write has to know: what is there, and the limits of the
// store, which only Put minds.
func (b *Backend) before(ctx context.Context, p *putting) (*metadata, error) {
	strict := make(chan error, 1)
	go func() {
		if p.old == nil {
			strict <- b.refusesPut(ctx, p.name)
			return
		}
		strict <- nil
	}()
	m, err := b.metadata(ctx, p.name)
	if secret.KindOf(err) == secret.Denied {
		m, err = b.fromData(ctx, p.name, err)
	}
	if refused := <-strict; err == nil && refused != nil && (m == nil || !m.deleted()) {
		err = refused
	}
	if err == nil && m == nil {
		m = &metadata{}
	}
	return m, err
}

// fromData is what the current version tells, for tokens that may not read the
// metadata. denied is the error that they got there.
func (b *Backend) fromData(ctx context.Context, n secret.Name, denied error) (*metadata, error) {
	d, err := b.data(ctx, n, 0)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, denied
	}
	return &metadata{
		Current: d.Version, Custom: d.Custom, at: d.at,
		Versions: map[string]aVersion{utoa(d.Version): d.aVersion},
	}, nil
}

// allowed refuses a write that the state of the secret does not allow.
func (b *Backend) allowed(p *putting, m *metadata) error {
	switch {
	case m.deleted():
		return deleted(secret.Conflict, p.name)
	case p.old == nil && m.SwapOnly:
		return swapOnly(p.name)
	case p.old == nil:
		return nil
	case *p.old == secret.At{}:
		if m.Current != 0 {
			return b.inTheWay(p.name, m)
		}
	case m.Current == 0 || b.find(p.name, m, *p.old) != m.Current:
		return b.inTheWay(p.name, m)
	}
	return nil
}

func swapOnly(n secret.Name) error {
	return secret.Errorf(secret.Invalid, n, "the store demands to be told which version is replaced\n  tacit put %s --if-version NUMBER", n)
}

// inTheWay is the conflict that names the current version.
func (b *Backend) inTheWay(n secret.Name, m *metadata) error {
	err := secret.Errorf(secret.Conflict, n, "it has no version yet")
	if v, ok := m.of(m.Current); ok {
		err.Version = b.told(n, m.Current, v, m.Custom, nil).ID
		err.Text = "version " + utoa(m.Current) + " is the current one\n  tacit history " + string(n)
	} else if m.Current != 0 {
		err.Text = "version " + utoa(m.Current) + " is the current one"
	}
	return err
}

// again answers a write whose identity a version has already.
func (b *Backend) again(ctx context.Context, p *putting, m *metadata) (secret.Version, bool, error) {
	number := b.find(p.name, m, secret.At{ID: p.id})
	if number == 0 {
		return secret.Version{}, false, nil
	}
	if m.deleted() {
		return secret.Version{}, true, deleted(secret.Conflict, p.name)
	}
	v, err := b.getNumber(ctx, p.name, number)
	if err == nil && v.Value.Equal(p.value) {
		v.Value, v.Stages = secret.Value{}, m.stages(number)
		return v, true, nil
	}
	if err != nil && v.Number == 0 {
		return secret.Version{}, true, err
	}
	return secret.Version{}, true, &secret.Error{Kind: secret.Conflict, Name: p.name, Version: p.id, Text: "a version of this id has another value, or none any more"}
}

// write sends the value. Where the answer is lost, it looks.
func (b *Backend) write(ctx context.Context, p *putting, m *metadata) (secret.Version, error) {
	body := struct {
		Options struct {
			CAS uint64 `json:"cas"`
		} `json:"options"`
		Data json.RawMessage `json:"data"`
	}{Data: p.stored}
	body.Options.CAS = m.Current
	capability := "update"
	if m.Current == 0 {
		capability = "create"
	}
	r := request{method: http.MethodPut, path: b.dataPath(p.name), body: jsonBody(body), name: p.name, capability: capability, once: true}
	got, err := b.send(ctx, r)
	switch {
	case unsure(err):
		return b.settle(ctx, p, m, err)
	case secret.KindOf(err) == secret.Conflict:
		return secret.Version{}, b.late(ctx, p)
	case err != nil:
		return secret.Version{}, err
	}
	var told struct {
		aVersion
		Version uint64            `json:"version"`
		Custom  map[string]string `json:"custom_metadata"`
	}
	if err := json.Unmarshal(got.Data, &told); err != nil || told.Version != m.Current+1 || told.Created.IsZero() {
		return b.settle(ctx, p, m, unclear{error: b.strange(p.name)})
	}
	if told.Custom != nil {
		m.Custom = told.Custom
	}
	v := b.told(p.name, told.Version, told.aVersion, m.Custom, []secret.Stage{secret.Current})
	v.Secret = &secret.Meta{Annotations: annotations(m.Custom)}
	return v, nil
}

func unsure(err error) bool { _, ok := errors.AsType[unclear](err); return ok }

// settle finds out whether a write was made whose answer is lost. A version of
// that number with this value is ours; or it is as good as ours, since it
// replaced the same one.
func (b *Backend) settle(ctx context.Context, p *putting, m *metadata, why error) (secret.Version, error) {
	cause := errors.Unwrap(why)
	p.lost = m.Current + 1
	v, err := b.landed(ctx, p, &metadata{Current: p.lost})
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, errAbsent) && p.tries < maxLost:
		if err := b.standBack(ctx, p.tries, why); err != nil {
			return secret.Version{}, b.uncertain(p.name, err, p.lost)
		}
		p.tries++
		return secret.Version{}, errRaced
	case errors.Is(err, errAbsent):
		return secret.Version{}, cause
	default:
		return secret.Version{}, b.uncertain(p.name, cause, p.lost)
	}
}

// maxLost is how many answers may be lost before a write is given up.
const maxLost = 3

// standBack waits before a change is made again whose answer was lost: as long
// as before any other second try. The error is why it did not: the context is
// done, or the store asks for more time than anybody waits.
func (b *Backend) standBack(ctx context.Context, try int, why error) error {
	told := ""
	if u, ok := errors.AsType[unclear](why); ok {
		told = u.tell
	}
	wait := b.retry.wait(try, told)
	if wait > b.retry.total {
		return unwrapped(why)
	}
	return b.retry.pause(ctx, wait)
}

// landed looks whether a write whose answer was lost was made after all: it may
// come to the store long after its answer was given up. The error is errAbsent
// if it was not.
func (b *Backend) landed(ctx context.Context, p *putting, m *metadata) (secret.Version, error) {
	if p.lost == 0 || m.Current < p.lost {
		return secret.Version{}, errAbsent
	}
	v, err := b.getNumber(ctx, p.name, p.lost)
	if err != nil && v.Number == 0 {
		return secret.Version{}, err
	}
	if !v.Value.Equal(p.value) {
		return secret.Version{}, errAbsent
	}
	if v.Value = (secret.Value{}); m.Current == p.lost {
		v.Stages = []secret.Stage{secret.Current}
	}
	return v, nil
}

// late is the answer to a write that another one forestalled.
func (b *Backend) late(ctx context.Context, p *putting) error {
	if p.old == nil || p.lost != 0 { // perhaps it was our own
		return errRaced
	}
	m, err := b.metadata(ctx, p.name)
	switch {
	case err != nil:
		return secret.Errorf(secret.Conflict, p.name, "it was changed meanwhile")
	case m == nil:
		return secret.Errorf(secret.Conflict, p.name, "it was destroyed meanwhile")
	case m.deleted():
		return deleted(secret.Conflict, p.name)
	default:
		return b.inTheWay(p.name, m)
	}
}
