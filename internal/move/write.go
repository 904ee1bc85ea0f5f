package move

import (
	"context"
	"errors"
	"time"

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
	vs, err := w.Broker.PutAll(ctx, w.writer(), batch)
	if err != nil {
		return err
	}
	for i, p := range of {
		p.written = &vs[i]
	}
	return nil
}

// writer is who asks the target's store.
func (c *Copy) writer() secret.Caller {
	out := c.Caller
	out.For = "copy from " + c.From.String()
	return out
}

// enough is how many secrets in a row a store may leave without an answer,
// however often it was asked for each: it is not asked for others then.
const enough = 4

// each finishes many secrets, some at once, and reports them in order, each as
// soon as it and those before it are done. Where the store does not answer any
// more, no further one is begun. What was under way then is reported as well if
// it was done, for it is there; of the others the first one is. The same holds
// of an interruption, after which what is under way may end.
func (w *writing) each(ctx context.Context, puts []pending) error {
	under, cancel := outlasting(ctx, linger)
	defer cancel()
	ended := w.begun(ctx, under, puts)
	var unanswered []Step
	unbegun := false
	for i := range puts {
		err, begun := <-ended[i]
		switch s := puts[i].Step; {
		case !begun:
			unbegun = true
		case ends(under, err):
			s.Err = err
			unanswered = append(unanswered, s)
		default:
			w.done(s, err)
		}
	}
	if len(unanswered) == 0 {
		if err := ctx.Err(); err != nil && unbegun {
			return &secret.Error{Kind: secret.Unavailable, Text: "interrupted", Err: err}
		}
		return nil
	}
	over := w.gone.Load()
	if over {
		unanswered = unanswered[:1]
	}
	for _, s := range unanswered {
		w.done(s, s.Err)
	}
	if over {
		return unanswered[0].Err
	}
	return nil
}

// linger is how long what is under way may go on after an interruption: a write
// whose answer nobody waits for is made or not, and nobody knows.
const linger = 5 * time.Second

// outlasting is a context that ends some time after another one does.
func outlasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return out, func() { stop(); cancel() }
}

// begun begins to finish secrets, in order, and none once ctx is done; each is
// finished under the other context. What came of each is sent; a channel
// is closed if it was not begun.
func (w *writing) begun(ctx, under context.Context, puts []pending) []chan error {
	slots := make(chan struct{}, broker.InFlight)
	ended := make([]chan error, len(puts))
	for i := range ended {
		ended[i] = make(chan error, 1)
	}
	go func() {
		for i := range puts {
			slots <- struct{}{}
			if w.gone.Load() || ctx.Err() != nil {
				close(ended[i])
				<-slots
				continue
			}
			go func() {
				defer func() { <-slots }()
				err := w.finish(under, &puts[i])
				w.note(under, err)
				ended[i] <- err
			}()
		}
	}()
	return ended
}

// note counts what came of a request, to see when the store does not answer.
func (w *writing) note(ctx context.Context, err error) {
	switch {
	case !ends(ctx, err):
		w.row.Store(0)
	case w.row.Add(1) >= enough || ctx.Err() != nil || errors.Is(err, secret.Unauthenticated):
		w.gone.Store(true)
	}
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
		return w.Broker.Put(ctx, w.writer(), p.Ref, p.Value, p.Options)
	}
	r := p.Ref
	r.At = *p.Old
	return w.Broker.Swap(ctx, w.writer(), r, p.Value, p.Options)
}
