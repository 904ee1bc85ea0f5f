package move

import (
	"context"
	"errors"
	"slices"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// An Import writes values that come from outside. It reads what is there
// first, so its caller needs get as well as put: who may only put must not
// learn which values are equal.
type Import struct {
	Broker *broker.Broker
	Caller secret.Caller
	can    map[string][]string // by environment: what its store can
}

// An Incoming is one value to be written. Compare fills in what is to be done.
type Incoming struct {
	Ref    secret.Ref // without a version; with a field, that field alone is replaced
	Value  secret.Value
	Action Action    // Create, Update, Same, or Refuse
	Err    error     // of Refuse, or of a write that failed
	old    secret.At // the version that was compared
	read   bool      // whether there is one
}

// Compare reads what is there, and decides for each value what is to be done.
// What is in the way of one value becomes its Err; an error that is about more
// than one ends it.
func (m *Import) Compare(ctx context.Context, all []Incoming) error {
	for chunk := range slices.Chunk(all, readChunk) {
		for i, r := range m.Broker.GetAll(ctx, m.Caller, refsOf(chunk)) {
			if err := chunk[i].compare(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func refsOf(all []Incoming) []secret.Ref {
	refs := make([]secret.Ref, len(all))
	for i, in := range all {
		refs[i] = in.Ref
	}
	return refs
}

func (in *Incoming) compare(r secret.Result) error {
	switch {
	case r.Err == nil:
		in.read, in.old = true, secret.At{ID: r.Version.ID, Number: r.Version.Number}
		in.Action = Update
		if r.Version.Value.Equal(in.Value) {
			in.Action = Same
		}
	case errors.Is(r.Err, secret.Deleted):
		in.Action = Refuse
		in.Err = secret.Errorf(secret.Conflict, in.Ref.Name, "%s was deleted\n  bring it back first:  tacit undelete %s", in.Ref, in.whole())
	case errors.Is(r.Err, secret.NotFound):
		in.Action = Create
	case errors.Is(r.Err, secret.Invalid): // a field of what is no object
		in.Action, in.Err = Refuse, r.Err
	default:
		return r.Err
	}
	return nil
}

func (in *Incoming) whole() secret.Ref { return secret.Ref{Env: in.Ref.Env, Name: in.Ref.Name} }

// Steps tells in how many steps n whole secrets of an environment are written:
// what was written before a failure stays.
func (m *Import) Steps(ctx context.Context, env string, n int) (int, error) {
	batch, err := m.holds(ctx, env, "batch put")
	switch {
	case err != nil:
		return 0, err
	case !batch:
		return n, nil
	default:
		return (n + secret.MaxBatch - 1) / secret.MaxBatch, nil
	}
}

func (m *Import) holds(ctx context.Context, env, capability string) (bool, error) {
	if m.can == nil {
		m.can = map[string][]string{}
	}
	if _, ok := m.can[env]; !ok {
		can, err := m.Broker.Capabilities(ctx, env)
		if err != nil {
			return false, err
		}
		m.can[env] = can
	}
	return slices.Contains(m.can[env], capability), nil
}

// Write writes what is new or changed, each secret only if it is as Compare
// found it: whole secrets of an environment in as few steps as its store can,
// then fields one by one. wrote is told how many more are written. The first
// error ends it; what was written stays, and is the same when it is run again.
func (m *Import) Write(ctx context.Context, all []Incoming, wrote func(n int)) error {
	byEnv := map[string][]*Incoming{}
	var envs []string
	var fields []*Incoming
	for i := range all {
		in := &all[i]
		switch {
		case in.Action != Create && in.Action != Update:
		case in.Ref.Field != "":
			fields = append(fields, in)
		default:
			if byEnv[in.Ref.Env] == nil {
				envs = append(envs, in.Ref.Env)
			}
			byEnv[in.Ref.Env] = append(byEnv[in.Ref.Env], in)
		}
	}
	for _, env := range envs {
		if err := m.wholes(ctx, env, byEnv[env], wrote); err != nil {
			return err
		}
	}
	return m.fields(ctx, fields, wrote)
}

// wholes writes whole secrets of one environment.
func (m *Import) wholes(ctx context.Context, env string, all []*Incoming, wrote func(int)) error {
	batch, err := m.holds(ctx, env, "batch put")
	if err != nil {
		return err
	}
	swap, err := m.holds(ctx, env, "swap")
	if err != nil {
		return err
	}
	puts := make([]broker.Putting, len(all))
	for i, in := range all {
		puts[i] = broker.Putting{Ref: in.Ref, Value: in.Value}
		if swap {
			puts[i].Old = &in.old // the zero one where there is none
		}
	}
	size := 1
	if batch {
		size = secret.MaxBatch
	}
	for chunk := range slices.Chunk(puts, size) {
		if err := m.put(ctx, chunk, batch); err != nil {
			return err
		}
		wrote(len(chunk))
	}
	return nil
}

func (m *Import) put(ctx context.Context, puts []broker.Putting, batch bool) (err error) {
	p := puts[0]
	switch {
	case batch:
		_, err = m.Broker.PutAll(ctx, m.Caller, puts)
	case p.Old != nil:
		p.Ref.At = *p.Old
		_, err = m.Broker.Swap(ctx, m.Caller, p.Ref, p.Value, nil)
	default:
		_, err = m.Broker.Put(ctx, m.Caller, p.Ref, p.Value, nil)
	}
	return err
}

// fields merges single fields. The first one of a secret demands the version
// that was compared; each further one, the version that the one before made.
func (m *Import) fields(ctx context.Context, all []*Incoming, wrote func(int)) error {
	now := map[secret.Ref]secret.At{}
	for _, in := range all {
		r := in.Ref
		if at, ok := now[in.whole()]; ok {
			r.At = at
		} else if in.read {
			r.At = in.old
		}
		v, err := m.Broker.Merge(ctx, m.Caller, r, in.Value, nil)
		if err != nil {
			return err
		}
		now[in.whole()] = v.At()
		wrote(1)
	}
	return nil
}

// Verify reads back what was written and compares. Conflict: somebody changed
// it meanwhile; what differs is named.
func (m *Import) Verify(ctx context.Context, all []Incoming) error {
	var check []Incoming
	for _, in := range all {
		if in.Action == Create || in.Action == Update {
			check = append(check, in)
		}
	}
	for chunk := range slices.Chunk(check, readChunk) {
		for i, r := range m.Broker.GetAll(ctx, m.Caller, refsOf(chunk)) {
			if r.Err != nil {
				return r.Err
			}
			if !r.Version.Value.Equal(chunk[i].Value) {
				return secret.Errorf(secret.Conflict, chunk[i].Ref.Name, "%s: read back, it is not what was written: somebody changed it meanwhile", chunk[i].Ref)
			}
		}
	}
	return nil
}
