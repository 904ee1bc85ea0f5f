package move

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

// write carries out what was read: the values in one step where the store can,
// all else a secret at a time, some at once.
func (w *writing) write(ctx context.Context) error {
	puts := w.puts
	w.puts, w.bytes = nil, 0
	if w.holds["batch put"] {
		// One that is refused, refuses all: which it was is found out singly.
		if err := w.together(ctx, puts); errors.Is(err, secret.Unavailable) {
			return err
		}
	}
	return w.each(ctx, puts)
}

// together writes the values in one step.
func (w *writing) together(ctx context.Context, puts []pending) error {
	var batch []broker.Putting
	var of []*pending
	for i := range puts {
		if p := &puts[i]; p.Action != Annotate {
			batch, of = append(batch, p.put), append(of, p)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	vs, err := w.Broker.PutAll(ctx, w.caller(), batch)
	if err != nil {
		return err
	}
	for i, p := range of {
		p.written = &vs[i]
	}
	return nil
}

func (w *writing) caller() secret.Caller {
	c := w.Caller
	c.For = "copy from " + w.From.String()
	return c
}

// each finishes many secrets and reports them in order, each as soon as it and
// those before it are done. After an error that ends the copy no further one is
// begun. What was under way then is reported as well if it was done, for it is
// there; that others failed too is not told.
func (w *writing) each(ctx context.Context, puts []pending) error {
	var over atomic.Bool
	slots := make(chan struct{}, broker.InFlight)
	ended := make([]chan error, len(puts)) // closed: it was not begun
	for i := range ended {
		ended[i] = make(chan error, 1)
	}
	go func() {
		for i := range puts {
			slots <- struct{}{}
			if over.Load() {
				close(ended[i])
				<-slots
				continue
			}
			go func() {
				defer func() { <-slots }()
				err := w.finish(ctx, &puts[i])
				if ends(ctx, err) {
					over.Store(true)
				}
				ended[i] <- err
			}()
		}
	}()
	var last error
	for i := range puts {
		err, begun := <-ended[i]
		if !begun || err != nil && last != nil {
			continue
		}
		w.done(puts[i].Step, err)
		if ends(ctx, err) {
			last = err
		}
	}
	return last
}

// finish makes one secret what it is to be.
func (w *writing) finish(ctx context.Context, p *pending) error {
	if p.Action == Annotate {
		return w.extras(ctx, &p.Step)
	}
	if p.written == nil {
		v, err := w.put(ctx, p.put)
		if err != nil {
			return err
		}
		p.written = &v
	}
	p.Version = p.written.Number
	if err := w.makeCurrent(ctx, p, *p.written); err != nil {
		return err
	}
	return w.extras(ctx, &p.Step)
}

func (w *writing) put(ctx context.Context, p broker.Putting) (secret.Version, error) {
	if p.Old == nil {
		return w.Broker.Put(ctx, w.caller(), p.Ref, p.Value, p.Options)
	}
	r := p.Ref
	r.At = *p.Old
	return w.Broker.Swap(ctx, w.caller(), r, p.Value, p.Options)
}
