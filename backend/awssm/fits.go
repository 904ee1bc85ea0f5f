package awssm

import "github.com/tacit-secrets/tacit/secret"

var _ secret.Fitter = (*Backend)(nil)

// Fits is the error of a put that AWS would refuse whatever it holds.
func (b *Backend) Fits(n secret.Name, v secret.Value, o *secret.PutOptions) error {
	w := &writing{n: n}
	if o != nil {
		w.opts = *o
	}
	if _, err := secretID(n); err != nil {
		return err
	}
	if err := w.checkOptions(); err != nil || v.IsZero() {
		return err
	}
	return w.take(v)
}

// MaxValueBytes is the size of the largest value.
func (*Backend) MaxValueBytes() int { return MaxValueBytes }
