package head

import (
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// BatchNames returns the names of a batch, in order. Invalid if there are none
// or too many, or if one occurs twice: which of two values is meant?
func BatchNames(puts []secret.Putting) ([]secret.Name, error) {
	if len(puts) == 0 || len(puts) > secret.MaxBatch {
		return nil, secret.Errorf(secret.Invalid, "", "a batch writes 1 to %d secrets, this one has %d", secret.MaxBatch, len(puts))
	}
	names := make([]secret.Name, len(puts))
	seen := make(map[secret.Name]bool, len(puts))
	for i, p := range puts {
		if err := p.Name.Check(); err != nil { // before an error names it
			return nil, err
		}
		if seen[p.Name] {
			return nil, secret.Errorf(secret.Invalid, p.Name, "it stands twice in one batch")
		}
		names[i], seen[p.Name] = p.Name, true
	}
	return names, nil
}

// SameName refuses to rename a secret to the name that it has.
func SameName(n secret.Name) error {
	if err := n.Check(); err != nil {
		return err
	}
	return secret.Errorf(secret.Invalid, n, "it has this name already")
}

// Renamed is the head under another name: nothing but its time changes.
func (h *Head) Renamed(now time.Time, from secret.Name) (*Head, error) {
	if err := h.Live(from); err != nil {
		return nil, err
	}
	return h.with(now), nil
}

// Restored is the head of a backup as a secret of its own: the one that the
// backup was made of may live on under another name.
func (h *Head) Restored() *Head {
	out := *h
	out.UID = newID()
	return &out
}
