package azurekv

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/secret"
)

// losing carries requests out, and loses the first answer of some that are good.
type losing struct {
	next http.RoundTripper
	of   func(*http.Request) bool
	lost int
}

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(r)
	if err != nil || resp.StatusCode >= http.StatusMultipleChoices || l.lost > 0 || !l.of(r) {
		return resp, err
	}
	l.lost++
	return nil, errors.Join(io.ErrUnexpectedEOF, resp.Body.Close())
}

// TestLostAnswers: what is carried out and not answered is tried again, and that
// nothing is left to do then is success.
func TestLostAnswers(t *testing.T) {
	methodAt := func(method, path string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == method && r.URL.Path == path }
	}
	for what, c := range map[string]struct {
		of     func(*http.Request) bool
		before func(*Backend) error
		do     func(*Backend) (secret.Meta, error)
		after  error
	}{
		"delete": {
			methodAt(http.MethodDelete, "/secrets/app--db"), nil,
			func(b *Backend) (secret.Meta, error) { return b.Delete(t.Context(), "app/db", nil) }, secret.Deleted,
		},
		"undelete": {
			methodAt(http.MethodPost, "/deletedsecrets/app--db/recover"),
			func(b *Backend) error { _, err := b.Delete(t.Context(), "app/db", nil); return err },
			func(b *Backend) (secret.Meta, error) { return b.Undelete(t.Context(), "app/db") }, nil,
		},
		"destroy": {
			methodAt(http.MethodDelete, "/deletedsecrets/app--db"), nil,
			func(b *Backend) (secret.Meta, error) {
				return secret.Meta{Name: "app/db"}, b.Destroy(t.Context(), "app/db")
			}, secret.NotFound,
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, settings := serve(t, azurewire.Options{})
			b := opened(t, settings, quick())
			mustPut(t, b, "app/db", "one")
			if c.before != nil {
				if err := c.before(b); err != nil {
					t.Fatal(err)
				}
			}
			l := &losing{next: b.http.Transport, of: c.of}
			b.http.Transport = l
			m, err := c.do(b)
			if err != nil || m.Name != "app/db" || l.lost != 1 {
				t.Errorf("%v, %v, %d answers lost", m.Name, err, l.lost)
			}
			if _, err := b.Get(t.Context(), "app/db", secret.At{}); !errors.Is(err, c.after) {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestNotDeletedTwice: without a lost answer, what is there or gone already is
// told as that.
func TestNotDeletedTwice(t *testing.T) {
	_, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	if _, err := b.Undelete(t.Context(), "app/db"); !errors.Is(err, secret.Conflict) {
		t.Errorf("an undelete of what is there: %v", err)
	}
	if _, err := b.Delete(t.Context(), "app/db", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Delete(t.Context(), "app/db", nil); !errors.Is(err, secret.Deleted) {
		t.Errorf("a second delete: %v", err)
	}
}
