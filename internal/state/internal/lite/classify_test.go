package lite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// TestClassify: each error has one kind, and one that has it keeps it.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want secret.Kind
	}{
		{secret.Errorf(secret.Conflict, "", "x"), secret.Conflict},
		{fmt.Errorf("wrapped: %w", context.Canceled), secret.Unavailable},
		{fs.ErrNotExist, secret.NotFound},
		{fs.ErrExist, secret.Conflict},
		{fs.ErrPermission, secret.Denied},
		{syscall.EROFS, secret.Denied},
		{syscall.ENOSPC, secret.Unavailable},
		{errors.New("other"), secret.Unavailable},
	} {
		if got := secret.KindOf(Classify("/store.db", c.err)); got != c.want {
			t.Errorf("%v is %v, want %v", c.err, got, c.want)
		}
	}
	if Classify("/store.db", nil) != nil {
		t.Error("no error is an error")
	}
}
