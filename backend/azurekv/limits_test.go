package azurekv

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/secret"
)

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
		"long names of tags":    {secret.Text("x"), &secret.PutOptions{Annotations: &secret.Annotations{Tags: map[string]string{strings.Repeat("a", 300): "", strings.Repeat("b", 300): ""}}}, false},
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
	if l := newLimiters(defaults()); l.all.Limit() != 350 || l.writes.Limit() != 25 || l.all.Burst() != 350 || l.writes.Burst() != 25 {
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

// TestRatesOfOneVault: backends of one vault share its rates, and those of
// another vault do not.
func TestRatesOfOneVault(t *testing.T) {
	tune := quick()
	tune.writes = 0.001
	server, settings := serve(t, azurewire.Options{})
	_, elsewhere := serve(t, azurewire.Options{})
	settings.Rates = &Rates{}
	elsewhere.Rates = settings.Rates
	first, second, other := opened(t, settings, tune), opened(t, settings, tune), opened(t, elsewhere, tune)
	mustPut(t, first, "app/db", "one")
	mustPut(t, other, "app/db", "one")
	ctx, cancel := contextOf(t, 10*time.Second)
	defer cancel()
	if _, err := second.Put(ctx, "app/db", secret.Text("two"), nil); !errors.Is(err, secret.Unavailable) || server.Count("PUT /secrets/{name}") != 1 {
		t.Errorf("%v, after %d puts", err, server.Count("PUT /secrets/{name}"))
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
