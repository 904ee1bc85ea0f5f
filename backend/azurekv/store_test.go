package azurekv

import (
	"encoding/base64"
	"errors"
	"fmt"
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
	if !errors.Is(err, secret.Denied) || !strings.Contains(err.Error(), "it is deleted, but not destroyed") || !strings.Contains(err.Error(), "Key Vault Purge Operator") {
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

// TestLimits: what the vault would refuse is refused before it is sent.
func TestLimits(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	tags := func(n int) map[string]string {
		out := map[string]string{}
		for i := range n {
			out[fmt.Sprintf("t%02d", i)] = "x"
		}
		return out
	}
	big := make([]byte, MaxValueBytes/4*3)
	for what, c := range map[string]struct {
		v    secret.Value
		o    *secret.PutOptions
		fits bool
	}{
		"bytes that fit":        {secret.Binary(big), nil, true},
		"a byte more":           {secret.Binary(slices.Concat(big, []byte{0})), nil, false},
		"text of bytes":         {secret.Text(slices.Concat(big, []byte{0})), nil, false},
		"twelve tags":           {secret.Text("x"), &secret.PutOptions{Attributes: &secret.Attributes{Tags: tags(12)}}, true},
		"fourteen tags":         {secret.Text("x"), &secret.PutOptions{Attributes: &secret.Attributes{Tags: tags(14)}}, false},
		"annotations beside":    {secret.Text("x"), &secret.PutOptions{Annotations: &secret.Annotations{Description: "d", Tags: tags(12)}}, false},
		"a tag of tacit's":      {secret.Text("x"), &secret.PutOptions{Attributes: &secret.Attributes{Tags: map[string]string{"Tacit-n": "1"}}}, false},
		"an annotation of it":   {secret.Text("x"), &secret.PutOptions{Annotations: &secret.Annotations{Tags: map[string]string{"tacit-w": "1"}}}, false},
		"a long tag":            {secret.Text("x"), &secret.PutOptions{Attributes: &secret.Attributes{Tags: map[string]string{"k": strings.Repeat("ü", 513)}}}, false},
		"a long description":    {secret.Text("x"), &secret.PutOptions{Annotations: &secret.Annotations{Description: strings.Repeat("d", 513)}}, false},
		"a nameless tag":        {secret.Text("x"), &secret.PutOptions{Attributes: &secret.Attributes{Tags: map[string]string{"": "x"}}}, false},
		"a long type":           {secret.Text("x"), &secret.PutOptions{Attributes: &secret.Attributes{ContentType: strings.Repeat("t", 256)}}, false},
		"a type that says more": {secret.Text("x"), &secret.PutOptions{Attributes: &secret.Attributes{ContentType: "image/png;base64"}}, false},
	} {
		before := server.Count("PUT /secrets/{name}")
		_, err := b.Put(t.Context(), secret.Name("app/"+what), c.v, c.o)
		if c.fits && err != nil || !c.fits && !errors.Is(err, secret.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
		if sent := server.Count("PUT /secrets/{name}") - before; sent != map[bool]int{true: 1}[c.fits] {
			t.Errorf("%s: %d requests", what, sent)
		}
	}
}

// TestForms: how values lie in the vault is what the documents say, so that
// other programs can read them.
func TestForms(t *testing.T) {
	_, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	c, err := b.secrets()
	if err != nil {
		t.Fatal(err)
	}
	for what, x := range map[string]struct {
		v           secret.Value
		kind        string
		wire, typed string
	}{
		"text":              {secret.Text(`{"k":"<&>"}`), "", `{"k":"<&>"}`, ""},
		"text of a type":    {secret.Text("x"), "application/json", "x", "application/json"},
		"bytes":             {secret.Binary([]byte{0, 255}), "", "AP8=", "application/octet-stream;base64"},
		"bytes of a type":   {secret.Binary([]byte{0, 255}), "image/png", "AP8=", "image/png;base64"},
		"text of bytes":     {secret.Text([]byte{'a', 0}), "", "YQA=", "text/plain;text;base64"},
		"text with a type":  {secret.Text([]byte{255}), "x/y", "/w==", "x/y;text;base64"},
		"empty bytes":       {secret.Binary(nil), "", "", "application/octet-stream;base64"},
		"text like base64":  {secret.Text("AP8="), "", "AP8=", ""},
		"unusual but valid": {secret.Text("\u2028\U0001F511"), "", "\u2028\U0001F511", ""},
	} {
		if _, err := b.Put(t.Context(), "form", x.v, &secret.PutOptions{Attributes: &secret.Attributes{ContentType: x.kind}}); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		r, err := c.GetSecret(t.Context(), "form", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if *r.Value != x.wire || text(r.ContentType) != x.typed {
			t.Errorf("%s lies there as %q, %q", what, *r.Value, text(r.ContentType))
		}
		got, err := b.Get(t.Context(), "form", secret.At{})
		if err != nil || !got.Value.Equal(x.v) || got.ContentType != x.kind {
			t.Errorf("%s comes back changed, of type %q, %v", what, got.ContentType, err)
		}
	}
	// What others call base64 and is none is text.
	if v := unpack("not base64!", "image/png;base64"); v.IsBinary() || string(v.Reveal()) != "not base64!" {
		t.Errorf("%s", base64.StdEncoding.EncodeToString(v.Reveal()))
	}
}

// TestNextLinkElsewhere: a list that goes on at another host is not followed,
// and the token stays here.
func TestNextLinkElsewhere(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	other, _ := serve(t, azurewire.Options{})
	server.Before(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/secrets" || r.Header.Get("Authorization") == "" {
			return false
		}
		_, _ = w.Write([]byte(`{"value":[],"nextLink":"` + other.Address + `/secrets?api-version=7.4&$skiptoken=x"}`))
		return true
	})
	other.Before(func(http.ResponseWriter, *http.Request) bool {
		t.Errorf("another host is asked")
		return false
	})
	for _, err := range b.List(t.Context(), nil) {
		if !errors.Is(err, secret.Corrupt) {
			t.Errorf("%v", err)
		}
	}
}

// TestNotKnown: a put whose answer is lost, and that cannot be looked for, is
// not sent again, and it is said that the value may be there.
func TestNotKnown(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	for what, blind := range map[string]func(r *http.Request) bool{
		"lost":  func(r *http.Request) bool { return isPut(r) },
		"taken": func(*http.Request) bool { return false },
	} {
		puts, looks := 0, 0
		server.Before(func(w http.ResponseWriter, r *http.Request) bool {
			switch {
			case isPut(r):
				puts++
			case strings.HasSuffix(r.URL.Path, "/versions"):
				looks++
			}
			switch {
			case blind(r):
				azurewire.Fault{Status: 500, Code: "InternalError"}.WriteTo(w)
			case puts > 0 && looks > 1:
				azurewire.Forbidden("readMetadata", "app--db").WriteTo(w)
			default:
				return false
			}
			return true
		})
		_, err := b.Put(t.Context(), "app/db", secret.Text("two"), nil)
		if !errors.Is(err, secret.Unavailable) || !strings.Contains(err.Error(), "tacit history app/db") || puts != 1 {
			t.Errorf("%s: sent %d times, %v", what, puts, err)
		}
	}
}

// TestEmptyAnswer: what is no list is not a list of nothing.
func TestEmptyAnswer(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	mustPut(t, b, "app/db", "one")
	for _, answer := range []string{"{}", `{"value":null}`, "null"} {
		server.Before(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == "" {
				return false
			}
			_, _ = w.Write([]byte(answer))
			return true
		})
		for _, d := range []secret.Deletion{secret.NotDeleted, secret.OnlyDeleted} {
			if err := drain(b, t, &secret.ListOptions{Deleted: d}); !errors.Is(err, secret.Invalid) {
				t.Errorf("a list of %s: %v", answer, err)
			}
		}
		if _, err := b.Describe(t.Context(), "app/db"); !errors.Is(err, secret.Invalid) {
			t.Errorf("versions of %s: %v", answer, err)
		}
	}
}

// TestRates: a put beyond the rate is not sent; a context that ends before its
// turn ends it at once.
func TestRates(t *testing.T) {
	if l := newLimits(defaults()); l.all.Limit() != 350 || l.writes.Limit() != 25 || l.all.Burst() != 350 || l.writes.Burst() != 25 {
		t.Errorf("%v, %v", l.all.Limit(), l.writes.Limit())
	}
	server, settings := serve(t, azurewire.Options{})
	tune := quick()
	tune.writes = 0.001
	b := opened(t, settings, tune)
	b.limits.writes.SetBurst(2) // the challenge is a try too
	mustPut(t, b, "app/db", "one")
	if _, err := b.Get(t.Context(), "app/db", secret.At{}); err != nil {
		t.Errorf("reads wait for writes: %v", err)
	}
	ctx, cancel := contextOf(t, 10*time.Second)
	defer cancel()
	before := server.Count("PUT /secrets/{name}")
	start := time.Now()
	_, err := b.Put(ctx, "app/db", secret.Text("two"), nil)
	if !errors.Is(err, secret.Unavailable) || server.Count("PUT /secrets/{name}") != before || time.Since(start) > 9*time.Second {
		t.Errorf("%v", err)
	}
}

// TestRequests: how many requests each call takes is part of what is promised.
func TestRequests(t *testing.T) {
	server, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	v := mustPut(t, b, "app/db", "one")
	for i := range 60 {
		mustPut(t, b, secret.Name(fmt.Sprintf("many/%02d", i)), "x")
	}
	for what, c := range map[string]struct {
		call func() error
		want int
	}{
		"get":                {func() error { _, err := b.Get(t.Context(), "app/db", secret.At{}); return err }, 1},
		"get of a version":   {func() error { _, err := b.Get(t.Context(), "app/db", secret.At{ID: v.ID}); return err }, 2},
		"get of nothing":     {func() error { _, err := b.Get(t.Context(), "none", secret.At{}); return noneIsFine(err) }, 2},
		"describe":           {func() error { _, err := b.Describe(t.Context(), "app/db"); return err }, 1},
		"put":                {func() error { _, err := b.Put(t.Context(), "app/db", secret.Text("x"), nil); return err }, 3},
		"names of 61":        {func() error { return drain(b, t, &secret.ListOptions{Names: true}) }, 3},
		"61 in whole":        {func() error { return drain(b, t, nil) }, 64},
		"the first of 61":    {func() error { return drain(b, t, &secret.ListOptions{Prefix: "app/"}) }, 4},
		"posture":            {func() error { _, err := b.Posture(t.Context()); return err }, 3},
		"rules ask nothing":  {func() error { _, err := b.Rules([]secret.Name{"a"}, secret.Get); return err }, 0},
		"folders, of all 61": {func() error { return drain(b, t, &secret.ListOptions{Shallow: true}) }, 3},
	} {
		before := server.Requests()
		if err := c.call(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if n := server.Requests() - before; n != c.want {
			t.Errorf("%s takes %d requests, want %d", what, n, c.want)
		}
	}
}
