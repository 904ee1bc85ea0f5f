package azurekv

import (
	"context"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func contextOf(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

func noneIsFine(err error) error {
	if secret.KindOf(err) == secret.NotFound {
		return nil
	}
	return err
}

// drain lists to the end.
func drain(b *Backend, t *testing.T, o *secret.ListOptions) error {
	t.Helper()
	for _, err := range b.List(t.Context(), o) {
		if err != nil {
			return err
		}
	}
	return nil
}
