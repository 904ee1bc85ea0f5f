package azurekv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// foreign writes as other programs do: without tacit's tags.
func foreign(t *testing.T, b *Backend, az, value string, tags map[string]*string) string {
	t.Helper()
	c, err := b.secrets()
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.SetSecret(t.Context(), az, azsecrets.SetSecretParameters{Value: &value, Tags: tags}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.ID.Version()
}

func mustPut(t *testing.T, b *Backend, n secret.Name, value string) secret.Version {
	t.Helper()
	v, err := b.Put(t.Context(), n, secret.Text(value), nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// between runs f once, before the vault sees a request that on names.
func between(s *azurewire.Server, on func(r *http.Request) bool, f func()) {
	var once atomic.Bool
	s.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" && on(r) && once.CompareAndSwap(false, true) {
			f()
		}
		return false
	})
}

func isPut(r *http.Request) bool { return r.Method == http.MethodPut }

// TestTwoWriters: the one that comes later is told, by whomever the other
// version was made, and nothing is lost.
func TestTwoWriters(t *testing.T) {
	for _, first := range []bool{true, false} { // of a new secret, or not
		for who, other := range map[string]func(t *testing.T, b *Backend) string{
			"tacit":   func(t *testing.T, b *Backend) string { return string(mustPut(t, b, "app/db", "theirs").ID) },
			"foreign": func(t *testing.T, b *Backend) string { return foreign(t, b, "app--db", "theirs", nil) },
		} {
			server, settings := serve(t, azurewire.Options{})
			late := quick()
			late.now = func() time.Time { return time.Now().Add(-time.Hour) } // numbers do not tell who was last
			ours, theirs := opened(t, settings, late), opened(t, settings, quick())
			if !first {
				mustPut(t, ours, "app/db", "before")
			}
			var id string
			between(server, isPut, func() { id = other(t, theirs) })
			_, err := ours.Put(t.Context(), "app/db", secret.Text("ours"), nil)
			var e *secret.Error
			if !errors.Is(err, secret.Conflict) || !errors.As(err, &e) || string(e.Version) != id {
				t.Errorf("%s: %v, want a conflict with %s", who, err, id)
			}
			served, err := theirs.Get(t.Context(), "app/db", secret.At{})
			if err != nil {
				t.Fatal(err)
			}
			if m, err := theirs.Describe(t.Context(), "app/db"); err != nil || m.Versions[0].ID != served.ID || string(served.Value.Reveal()) != "ours" {
				t.Errorf("%s: %s is served, told is %+v, %v", who, served.ID, m.Versions[0], err)
			}
			values := map[string]bool{}
			for v, err := range ours.Versions(t.Context(), "app/db") {
				if err != nil {
					t.Fatal(err)
				}
				got, err := ours.Get(t.Context(), "app/db", secret.At{ID: v.ID})
				if err != nil {
					t.Fatal(err)
				}
				values[string(got.Value.Reveal())] = true
			}
			if !values["ours"] || !values["theirs"] {
				t.Errorf("%s: a value is lost: %v", who, values)
			}
		}
	}
}

// TestLateWriter: a put that waited while others wrote twice is the newest, and
// its number is not the highest.
func TestLateWriter(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	late := quick()
	late.now = func() time.Time { return time.Now().Add(-time.Hour) }
	ours, theirs := opened(t, settings, late), opened(t, settings, quick())
	mustPut(t, ours, "app/db", "before")
	between(server, isPut, func() {
		mustPut(t, theirs, "app/db", "one")
		mustPut(t, theirs, "app/db", "two")
	})
	if _, err := ours.Put(t.Context(), "app/db", secret.Text("ours"), nil); !errors.Is(err, secret.Conflict) {
		t.Errorf("%v", err)
	}
	served, err := theirs.Get(t.Context(), "app/db", secret.At{})
	if err != nil || string(served.Value.Reveal()) != "ours" {
		t.Fatalf("%v", err)
	}
	m, err := theirs.Describe(t.Context(), "app/db")
	if err != nil || m.Versions[0].ID != served.ID || !slices.Contains(m.Versions[0].Stages, secret.Current) {
		t.Errorf("%s is served, told is %+v, %v", served.ID, m.Versions, err)
	}
}

// TestTimeEndsMidPut: when a put's time ends with the value on its way, nobody
// knows whether the vault took it, and that is what is said; when the vault had
// refused it, or it was never sent, it is not.
func TestTimeEndsMidPut(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "before")
	hang := func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return true
	}
	refuse := func(w http.ResponseWriter, _ *http.Request) bool {
		azurewire.Throttled("1").WriteTo(w)
		return true
	}
	for what, c := range map[string]struct {
		on      func(r *http.Request) bool
		f       func(w http.ResponseWriter, r *http.Request) bool
		unknown bool
	}{
		"on its way": {isPut, hang, true},
		"refused":    {isPut, refuse, false},
		"not sent":   {func(r *http.Request) bool { return r.Method == http.MethodGet }, hang, false},
	} {
		server.Before(func(w http.ResponseWriter, r *http.Request) bool { return c.on(r) && c.f(w, r) })
		ctx, cancel := contextOf(t, 200*time.Millisecond)
		_, err := b.Put(ctx, "app/db", secret.Text("x"), nil)
		cancel()
		told := err != nil && strings.Contains(err.Error(), "did not say whether it took the value") && strings.Contains(err.Error(), "tacit history app/db")
		if !errors.Is(err, secret.Unavailable) || !errors.Is(err, context.DeadlineExceeded) || told != c.unknown {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestHalfDone: what a vault did before something failed is part of the error.
func TestHalfDone(t *testing.T) {
	_, settings := serve(t, azurewire.Options{Deleting: time.Hour})
	slow := opened(t, settings, quick())
	mustPut(t, slow, "app/slow", "one")
	ctx, cancel := contextOf(t, 200*time.Millisecond)
	defer cancel()
	if _, err := slow.Delete(ctx, "app/slow", nil); !errors.Is(err, secret.Unavailable) || !strings.Contains(err.Error(), "it is being deleted") {
		t.Errorf("delete: %v", err)
	}

	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	blob, err := b.Backup(t.Context(), "app/db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Delete(t.Context(), "app/db", nil); err != nil {
		t.Fatal(err)
	}
	unseen := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" || !strings.HasSuffix(r.URL.Path, "/versions") {
			return false
		}
		azurewire.Forbidden("readMetadata", "app--db").WriteTo(w)
		return true
	}
	server.Before(unseen)
	if _, err := b.Undelete(t.Context(), "app/db"); !errors.Is(err, secret.Denied) || !strings.Contains(err.Error(), "it is recovered, but ") || !strings.Contains(err.Error(), "readMetadata") {
		t.Errorf("undelete: %v", err)
	}
	server.Before(nil)
	if err := b.Destroy(t.Context(), "app/db"); err != nil {
		t.Fatal(err)
	}
	server.Before(unseen)
	if _, err := b.Restore(t.Context(), "app/db", blob); !errors.Is(err, secret.Denied) || !strings.Contains(err.Error(), "it is restored, but ") {
		t.Errorf("restore: %v", err)
	}
}

// TestWriterAfter: who knew of our version replaced it, and is no rival.
func TestWriterAfter(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	ours, theirs := opened(t, settings, quick()), opened(t, settings, quick())
	mustPut(t, ours, "app/db", "before")
	looks := 0
	between(server, func(r *http.Request) bool {
		if r.URL.Path == "/secrets/app--db/versions" {
			looks++
		}
		return looks == 2
	}, func() {
		mustPut(t, theirs, "app/db", "one")
		mustPut(t, theirs, "app/db", "two")
	})
	if _, err := ours.Put(t.Context(), "app/db", secret.Text("ours"), nil); err != nil {
		t.Error(err)
	}
	if looks < 2 {
		t.Errorf("nothing came in between")
	}
}

// TestClockGoesBack: numbers grow all the same, and the newest is the newest.
func TestClockGoesBack(t *testing.T) {
	_, settings := serve(t, azurewire.Options{})
	tune, now := quick(), time.Now()
	tune.now = func() time.Time { now = now.Add(-time.Hour); return now }
	b := opened(t, settings, tune)
	last := uint64(0)
	for i := range 5 {
		v := mustPut(t, b, "app/db", fmt.Sprint(i))
		if v.Number <= last {
			t.Errorf("number %d after %d", v.Number, last)
		}
		last = v.Number
	}
	if v, err := b.Get(t.Context(), "app/db", secret.At{Number: last, Stage: secret.Current}); err != nil || string(v.Value.Reveal()) != "4" {
		t.Errorf("%v", err)
	}
}

// TestTransitions: what the vault is still doing is waited for.
func TestTransitions(t *testing.T) {
	_, settings := serve(t, azurewire.Options{Deleting: 40 * time.Millisecond, Recovering: 40 * time.Millisecond, Purging: 40 * time.Millisecond})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	if _, err := b.Delete(t.Context(), "app/db", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "app/db", secret.At{}); !errors.Is(err, secret.Deleted) {
		t.Errorf("after delete: %v", err)
	}
	if _, err := b.Undelete(t.Context(), "app/db"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, "app/db", "two")
	blob, err := b.Backup(t.Context(), "app/db")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Destroy(t.Context(), "app/db"); err != nil {
		t.Fatal(err)
	}
	if m, err := b.Restore(t.Context(), "app/db", blob); err != nil || len(m.Versions) != 2 {
		t.Errorf("restored over what is being purged: %v", err)
	}
	if err := b.Destroy(t.Context(), "app/db"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, "app/db", "three")
	if m, err := b.Describe(t.Context(), "app/db"); err != nil || len(m.Versions) != 1 {
		t.Errorf("%d versions, %v", len(m.Versions), err)
	}
}

// TestStillRecovering: a put right after a recovery that the vault calls done
// may be told that it is not.
func TestStillRecovering(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	left := 3
	server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if left == 0 || !isPut(r) || r.Header.Get("Authorization") == "" {
			return false
		}
		left--
		azurewire.Fault{Status: 409, Code: "Conflict", Inner: "ObjectIsBeingRecovered", Message: "retry later."}.WriteTo(w)
		return true
	})
	if _, err := b.Put(t.Context(), "app/db", secret.Text("two"), nil); err != nil || left != 0 {
		t.Errorf("%v, with %d to go", err, left)
	}
	left = 1 << 30
	b.tune.settle = 20 * time.Millisecond
	if _, err := b.Put(t.Context(), "app/db", secret.Text("three"), nil); !errors.Is(err, secret.Unavailable) {
		t.Errorf("recovering for ever: %v", err)
	}
}

func TestDeletedNameIsInTheWay(t *testing.T) {
	_, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	if _, err := b.Delete(t.Context(), "app/db", nil); err != nil {
		t.Fatal(err)
	}
	_, err := b.Put(t.Context(), "app/db", secret.Text("two"), nil)
	if !errors.Is(err, secret.Conflict) || !errors.Is(err, secret.Deleted) || !strings.Contains(err.Error(), "tacit undelete app/db") || !strings.Contains(err.Error(), "tacit put app/db --recover") {
		t.Errorf("%v", err)
	}
}

func TestPurge(t *testing.T) {
	_, settings := serve(t, azurewire.Options{Protected: true})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	err := b.Destroy(t.Context(), "app/db")
	if !errors.Is(err, secret.Unsupported) || !strings.Contains(err.Error(), "purge protection") {
		t.Errorf("%v", err)
	}
	if _, err := b.Get(t.Context(), "app/db", secret.At{}); err != nil {
		t.Errorf("something was changed: %v", err)
	}
	if _, err := b.Delete(t.Context(), "app/db", nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Destroy(t.Context(), "app/db"); !errors.Is(err, secret.Unsupported) || !strings.Contains(err.Error(), "ends by itself on 20") {
		t.Errorf("deleted: %v", err)
	}

	server, settings := serve(t, azurewire.Options{})
	b = opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete || !strings.HasPrefix(r.URL.Path, "/deletedsecrets/") {
			return false
		}
		azurewire.Forbidden("purge", "app--db").WriteTo(w)
		return true
	})
	err = b.Destroy(t.Context(), "app/db")
	if !errors.Is(err, secret.Denied) || !strings.Contains(err.Error(), "it is deleted, but not destroyed") || !strings.Contains(err.Error(), "Key Vault Secrets Officer") {
		t.Errorf("%v", err)
	}
}

// TestForeignVersions: others write within one second, without a number. What
// is current is what the vault serves.
func TestForeignVersions(t *testing.T) {
	frozen := time.Now()
	_, settings := serve(t, azurewire.Options{Now: func() time.Time { return frozen }})
	b := opened(t, settings, quick())
	var last string
	for i := range 30 {
		last = foreign(t, b, "app--db", fmt.Sprint(i), map[string]*string{"file-encoding": to.Ptr("utf-8")})
		m, err := b.Describe(t.Context(), "app/db")
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := m.Current(); !ok || string(v.ID) != last || v.Tags["file-encoding"] != "utf-8" || len(m.Versions) != i+1 {
			t.Fatalf("%s is the last one, told is %+v", last, v)
		}
	}
	for v, err := range b.Versions(t.Context(), "app/db") {
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.Get(t.Context(), "app/db", secret.At{ID: v.ID, Number: v.Number}); err != nil || got.ID != v.ID {
			t.Errorf("%v", err)
		}
	}
	v := mustPut(t, b, "app/db", "ours")
	if m, err := b.Describe(t.Context(), "app/db"); err != nil || m.Versions[0].ID != v.ID || slices.ContainsFunc(m.Versions[1:], func(o secret.Version) bool { return o.Number >= v.Number }) {
		t.Errorf("%v: the newest is not ours, or has not the highest number", err)
	}
	if got, err := b.Get(t.Context(), "app/db", secret.At{Stage: secret.Previous}); err != nil || string(got.ID) != last {
		t.Errorf("previous is %s, %v", got.ID, err)
	}
}

// TestTagsOfOthers: those who change tags by other tools take away what tacit
// knew, and nothing else.
func TestTagsOfOthers(t *testing.T) {
	_, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	first := mustPut(t, b, "app/db", "one")
	if _, err := b.Put(t.Context(), "app/db", secret.Text("two"), &secret.PutOptions{
		Annotations: &secret.Annotations{Description: "d", Tags: map[string]string{"owner": "payments", "both": "secret"}},
		Attributes:  &secret.Attributes{Tags: map[string]string{"both": "version"}},
	}); err != nil {
		t.Fatal(err)
	}
	m, err := b.Describe(t.Context(), "app/db")
	if v, _ := m.Current(); err != nil || m.Tags["owner"] != "payments" || m.Tags["both"] != "secret" || v.Tags["both"] != "version" || len(v.Tags) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	c, err := b.secrets()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateSecretProperties(t.Context(), "app--db", "", azsecrets.UpdateSecretPropertiesParameters{Tags: map[string]*string{"owner": to.Ptr("x"), "tacit-n": to.Ptr("no number"), "tacit-s": to.Ptr("{"), "tacit-name": to.Ptr("other")}}, nil); err != nil {
		t.Fatal(err)
	}
	m, err = b.Describe(t.Context(), "app/db")
	if v, _ := m.Current(); err != nil || v.Tags["owner"] != "x" || len(v.Tags) != 1 || len(m.Tags) != 0 || m.Description != "" {
		t.Errorf("%+v, %v", m, err)
	}
	if v, err := b.Get(t.Context(), "app/db", secret.At{Stage: secret.Previous}); err != nil || v.ID != first.ID {
		t.Errorf("previous is %s, %v", v.ID, err)
	}
	mustPut(t, b, "app/db", "three")
}

// TestAbuseAzureEncodedNameCollision: a name that is too long for a vault is
// cut, and another secret may stand where it would be. It is neither read nor
// changed as the one it is not.
func TestAbuseAzureEncodedNameCollision(t *testing.T) {
	_, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	long := secret.Name("Team/" + strings.Repeat("x", 300))
	az, _ := wire.AzureName(string(long))
	short := secret.Name(wire.AzureNameOf(az)) // as good a name as any
	each := func(n secret.Name, blob []byte) map[string]error {
		_, get := b.Get(t.Context(), n, secret.At{})
		_, describe := b.Describe(t.Context(), n)
		_, put := b.Put(t.Context(), n, secret.Text("x"), nil)
		_, annotate := b.Annotate(t.Context(), n, secret.Change{})
		_, version := b.AnnotateVersion(t.Context(), n, secret.At{}, secret.AttributeChange{})
		_, backup := b.Backup(t.Context(), n)
		_, deleted := b.Delete(t.Context(), n, nil)
		return map[string]error{"get": get, "describe": describe, "put": put, "annotate": annotate, "annotate version": version, "backup": backup, "delete": deleted, "destroy": b.Destroy(t.Context(), n)}
	}
	// The long one is there: the short name is another's.
	mustPut(t, b, long, "long")
	for what, err := range each(short, nil) {
		if !errors.Is(err, secret.Conflict) || errors.Is(err, secret.Deleted) {
			t.Errorf("%s of the short name: %v", what, err)
		}
	}
	var listed []secret.Name
	for m, err := range b.List(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, m.Name)
	}
	if !slices.Equal(listed, []secret.Name{long}) {
		t.Errorf("listed %q", listed)
	}
	// Deleted, it is not recovered by the other name either.
	if _, err := b.Delete(t.Context(), long, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Undelete(t.Context(), short); !errors.Is(err, secret.Conflict) {
		t.Errorf("undelete of the short name: %v", err)
	}
	if err := b.Destroy(t.Context(), short); !errors.Is(err, secret.Conflict) {
		t.Errorf("destroy of the short name: %v", err)
	}
	if _, err := b.Get(t.Context(), long, secret.At{}); !errors.Is(err, secret.Deleted) {
		t.Errorf("by the short name the long one was changed: %v", err)
	}
	if err := b.Destroy(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	// The short one is there: the long name is another's, whatever its tags say.
	for _, tags := range []map[string]*string{nil, {tagName: to.Ptr("prod/other")}, {tagName: to.Ptr(string(short))}} {
		foreign(t, b, az, "short", tags)
		for what, err := range each(long, nil) {
			if !errors.Is(err, secret.Conflict) {
				t.Errorf("%s of the long name with %v: %v", what, tags, err)
			}
		}
	}
	// A tag does not make a secret another one.
	foreign(t, b, "prod--stolen", "x", map[string]*string{tagName: to.Ptr("prod/other")})
	for m, err := range b.List(t.Context(), nil) {
		if err != nil || m.Name == "prod/other" {
			t.Errorf("listed %q, %v", m.Name, err)
		}
	}
	if v, err := b.Get(t.Context(), "prod/stolen", secret.At{}); err != nil || string(v.Value.Reveal()) != "x" {
		t.Errorf("%v", err)
	}
}
