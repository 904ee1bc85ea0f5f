package azurekv

import (
	"crypto/rand"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

var _ secret.Fitter = (*Backend)(nil)

// Fits is the error of a put that Key Vault would refuse whatever it holds. A
// secret that is there may carry one tag of tacit's own more.
func (b *Backend) Fits(n secret.Name, v secret.Value, o *secret.PutOptions) error {
	if err := n.Check(); err != nil {
		return err
	}
	if v.IsZero() {
		v = secret.Text("")
	}
	if o == nil {
		o = &secret.PutOptions{}
	}
	c := call{b: b, n: n}
	c.az, c.whole = wire.AzureName(string(n))
	h, _, err := c.prepare(v, o)
	if err != nil {
		return err
	}
	h.own, h.writer, h.number = true, rand.Text(), 1
	if !c.whole {
		h.name = n
	}
	if o.Annotations != nil {
		h.about = *o.Annotations
	}
	_, err = h.writeTags(n)
	return err
}

// MaxValueBytes is the size of the largest value.
func (*Backend) MaxValueBytes() int { return MaxValueBytes }
