package broker

import (
	"context"

	"github.com/tacit-secrets/tacit/secret"
)

// Fits is the error of a put that an environment's store would refuse whatever
// it holds, as far as the store can tell without being asked. Of the zero Value
// nothing is asked. It decides and records nothing, for it tells nothing of
// what is stored.
func (b *Broker) Fits(ctx context.Context, r secret.Ref, value secret.Value, opts *secret.PutOptions) error {
	e, f, err := b.fitter(ctx, r.Env)
	if err != nil || f == nil {
		return err
	}
	full, err := e.full(r.Name)
	if err == nil {
		err = f.Fits(full, value, opts)
	}
	return e.outside(err, r.Name)
}

// MaxValueBytes is the size of the largest value that an environment's store
// takes; 0 if only the store knows.
func (b *Broker) MaxValueBytes(ctx context.Context, envName string) (int, error) {
	_, f, err := b.fitter(ctx, envName)
	if err != nil || f == nil {
		return 0, err
	}
	return f.MaxValueBytes(), nil
}

func (b *Broker) fitter(ctx context.Context, envName string) (*env, secret.Fitter, error) {
	e, err := b.env(envName)
	if err != nil {
		return nil, nil, err
	}
	back, err := e.backend(ctx)
	if err != nil {
		return nil, nil, e.outside(err, "")
	}
	f, _ := back.(secret.Fitter)
	return e, f, nil
}
