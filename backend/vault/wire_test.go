package vault

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// behind is a backend over a new mount whose requests go through a proxy.
func (s server) behind(t *testing.T) (*Backend, *fault.Proxy) {
	t.Helper()
	p := fault.New(t, s.tls, s.ca)
	b := s.with(t, s.mount(t, "2"), func(c *Settings) { c.Address, c.TLS.CACert = p.Address, p.CACert })
	return b, p
}

func says(status int, message string) fault.Answer {
	return fault.JSON(status, string(jsonBody(map[string][]string{"errors": {message}})))
}

func onPath(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == method && strings.Contains(r.URL.Path, part) }
}

// Which answers are worth another try is a list; 501 is not on it.
func TestWhatIsTriedAgain(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	put(t, b, "a", "x")
	for status, again := range map[int]bool{
		400: false, 401: false, 403: false, 405: false, 412: true, 413: false, 418: false, 429: true,
		472: false, 473: false, 500: true, 501: false, 502: true, 503: true, 504: true,
	} {
		p.Set(fault.Rule{On: onPath("GET", "/data/"), Times: 1, Do: fault.Give(says(status, "an error"))})
		_, err := b.Get(t.Context(), "a", secret.At{})
		if (err == nil) != again {
			t.Errorf("after %d: %v", status, err)
		}
		if sent := len(p.Seen()); sent != 1 && !again || sent != 2 && again {
			t.Errorf("after %d, %d requests are sent", status, sent)
		}
	}
	p.Set(fault.Rule{On: onPath("GET", "/data/"), Do: fault.Give(says(503, "Vault is sealed"))})
	_, err := b.Get(t.Context(), "a", secret.At{})
	fails(t, err, secret.Unavailable, "is sealed", "vault operator unseal")
	if sent := len(p.Seen()); sent != 1 {
		t.Errorf("a sealed store is asked %d times", sent)
	}
	p.Set(fault.Rule{Times: 1, Do: fault.Give(says(400, "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period"))})
	reads(t, b, "a", secret.At{}, "x")
}

// Waiting ends at once with its context, and sooner than the store asks for
// where that is longer than anybody waits.
func TestWaitingEnds(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	put(t, b, "a", "x")
	p.Set(fault.Rule{Do: fault.Give(says(429, "too many").With("Retry-After", "3600"))})
	_, err := b.Get(t.Context(), "a", secret.At{})
	fails(t, err, secret.Unavailable, "takes no more requests now, and asks to wait 3600 s")
	if sent := len(p.Seen()); sent != 1 {
		t.Errorf("it is asked %d times", sent)
	}
}

// An answer that is lost is looked for: what was written is not written again,
// and what was not is.
func TestLostAnswers(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	one := put(t, b, "a", "one")
	for _, f := range []fault.Fault{fault.Reset, fault.ResetAfter, fault.ResetMidBody, fault.Cut, fault.Give(says(502, "bad gateway"))} {
		n := one.Number
		p.Set(fault.Rule{On: onPath("PUT", "/data/"), Times: 1, Do: f})
		two, err := b.Swap(t.Context(), "a", secret.At{ID: one.ID}, secret.Text("two"), nil)
		ok(t, err)
		if two.Number != n+1 {
			t.Errorf("version %d follows %d", two.Number, n)
		}
		p.Set(fault.Rule{On: onPath("PUT", "/data/"), Times: 1, Do: f})
		one = put(t, b, "a", "three")
		if one.Number != n+2 {
			t.Errorf("version %d follows %d", one.Number, n+1)
		}
		reads(t, b, "a", secret.At{}, "three")
	}
	p.Set(fault.Rule{On: onPath("DELETE", "/metadata/"), Times: 1, Do: fault.ResetAfter})
	ok(t, b.Destroy(t.Context(), "a"))
}

// A request may come to the store long after its answer was given up. It is
// found then, and the identity that was chosen is that of its version, not of
// the next one.
func TestWriteThatLandsLate(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	put(t, b, "a", "one")
	var late *http.Request
	p.Set(fault.Rule{On: onPath("PUT", "/data/"), Times: 1, Do: func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		late = r.Clone(context.WithoutCancel(r.Context()))
		late.Body = io.NopCloser(bytes.NewReader(body))
		fault.Reset(w, r, pass)
	}}, fault.Rule{On: func(r *http.Request) bool { return late != nil && onPath("GET", "/metadata/")(r) }, Times: 1, Do: func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		pass.ServeHTTP(httptest.NewRecorder(), late)
		pass.ServeHTTP(w, r)
	}})
	id := secret.VersionID(strings.Repeat("x", 40))
	v, err := b.Put(t.Context(), "a", secret.Text("two"), &secret.PutOptions{ID: id})
	ok(t, err)
	if v.Number != 2 || v.ID != id {
		t.Errorf("%+v", v)
	}
	reads(t, b, "a", secret.At{ID: id}, "two")
	if v = put(t, b, "a", "three"); v.Number != 3 || v.ID == id {
		t.Errorf("%+v", v)
	}
}

// A writer whose answer is lost does not take another one's version for its own.
func TestLostAnswerAndAnotherWriter(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	other := s.with(t, b.settings.Mount, func(*Settings) {})
	one := put(t, b, "a", "one")
	var once sync.Once
	p.Set(fault.Rule{On: onPath("PUT", "/data/"), Times: 1, Do: func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		once.Do(func() { put(t, other, "a", "theirs") })
		fault.Reset(w, r, pass)
	}})
	_, err := b.Swap(t.Context(), "a", secret.At{ID: one.ID}, secret.Text(canary), nil)
	fails(t, err, secret.Conflict, "version 2 is the current one")
	reads(t, b, "a", secret.At{}, "theirs")
}

// Where nothing can be read back, it is said that the outcome is not known.
func TestUnknownOutcomeIsSaid(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	put(t, b, "a", "one")
	down := false
	p.Set(fault.Rule{On: func(r *http.Request) bool {
		down = down || onPath("PUT", "/data/")(r)
		return down
	}, Do: fault.ResetAfter})
	_, err := b.Put(t.Context(), "a", secret.Text(canary), nil)
	fails(t, err, secret.Unavailable, "may have kept version 2 or not", "tacit history a")

	p.Set(fault.Rule{On: onPath("PUT", "/data/"), Do: fault.Hang})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = b.Put(ctx, "a", secret.Text(canary), nil)
	fails(t, err, secret.Unavailable, "may have kept version")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v hides why it was given up", err)
	}

	p.Set(fault.Rule{On: onPath("GET", "/data/"), Do: fault.Hang})
	late, over := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer over()
	_, err = b.Get(late, "a", secret.At{})
	fails(t, err, secret.Unavailable, "did not answer in time")
}

// What of a write was kept is said, where not all was.
func TestHalfAWriteIsSaid(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	p.Set(fault.Rule{On: func(r *http.Request) bool {
		return r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/metadata/")
	}, Do: fault.Give(says(403, "1 error occurred:\n\t* permission denied\n\n"))})
	_, err := b.Put(t.Context(), "a", secret.Text(canary), &secret.PutOptions{Annotations: &secret.Annotations{Description: "d"}})
	fails(t, err, secret.Denied, "version 1 was written, but its id, description or tags were not", "/metadata/a")
}

// Of many callers that begin at once, one asks what is mounted.
func TestOneCallerAsksWhatIsMounted(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	p.Set(fault.Rule{On: onPath("GET", "/sys/internal/ui/mounts/"), Do: fault.Slow(50 * time.Millisecond)})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := b.Get(t.Context(), "none", secret.At{}); secret.KindOf(err) != secret.NotFound {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(p.Broken()); n != 1 {
		t.Errorf("%d ask", n)
	}
}

// One read is one request, also by identity; names alone are one for each
// folder, and metadata come along where the store has a call for that.
func TestRequestsAreFew(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	var v secret.Version
	for i := range 40 {
		v = put(t, b, secret.Name(fmt.Sprintf("app/%02d", i)), "x")
	}
	put(t, b, "app/00", "y")
	for what, c := range map[string]struct {
		want int
		call func()
	}{
		"get":                 {1, func() { reads(t, b, "app/39", secret.At{}, "x") }},
		"get by identity":     {1, func() { reads(t, b, "app/39", secret.At{ID: v.ID}, "x") }},
		"get by stage":        {2, func() { reads(t, b, "app/00", secret.At{Stage: secret.Previous}, "x") }},
		"list of names":       {2, func() { listed(t, b, &secret.ListOptions{Names: true, Deleted: secret.AlsoDeleted}) }},
		"list":                {2, func() { listed(t, b, nil) }},
		"list of a prefix":    {1, func() { listed(t, b, &secret.ListOptions{Prefix: "app/3"}) }},
		"list of no name":     {0, func() { listed(t, b, &secret.ListOptions{Prefix: "a//"}) }},
		"shallow, by names":   {1, func() { listed(t, b, &secret.ListOptions{Shallow: true, Deleted: secret.AlsoDeleted, Names: true}) }},
		"list after the last": {2, func() { listed(t, b, &secret.ListOptions{After: "app/39"}) }},
	} {
		p.Set()
		c.call()
		if got := len(p.Seen()); got != c.want {
			t.Errorf("%s takes %d requests, want %d", what, got, c.want)
		}
	}
}

// Pages of any size, and stores that send none, yield the same names.
func TestPagesOfEveryKind(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	var want []string
	for _, n := range []string{"a", "a!", "a/1", "a/2/x", "a/2/y", "ab", "b/1", "b/2", "b/3", "b/4", "c"} {
		put(t, b, secret.Name(n), "x")
		want = append(want, n)
	}
	_, err := b.Delete(t.Context(), "b/3", nil)
	ok(t, err)
	live := slices.DeleteFunc(slices.Clone(want), func(n string) bool { return n == "b/3" })
	vault := fault.Rule{Do: func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if strings.Contains(r.URL.Path, "/detailed-metadata/") {
			fault.Give(fault.JSON(404, `{"errors":null,"data":null,"warnings":["Invalid path for a versioned K/V secrets engine. See the API docs"]}`))(w, r, pass)
			return
		}
		q := r.URL.Query()
		q.Del("limit")
		q.Del("after")
		r.URL.RawQuery = q.Encode()
		pass.ServeHTTP(w, r)
	}}
	for what, set := range map[string]func(){"OpenBao": func() { p.Set() }, "Vault": func() { p.Set(vault) }} {
		for _, size := range []int{1, 2, 3, 1000} {
			set()
			b.listing.plain.Store(false)
			b.listing.names, b.listing.full = size, size
			if got := listed(t, b, nil); !slices.Equal(got, live) {
				t.Errorf("%s in pages of %d lists %q", what, size, got)
			}
			if got := listed(t, b, &secret.ListOptions{Deleted: secret.AlsoDeleted, Names: true}); !slices.Equal(got, want) {
				t.Errorf("%s in pages of %d lists the names %q", what, size, got)
			}
			for i, after := range live {
				if got := listed(t, b, &secret.ListOptions{After: after}); !slices.Equal(got, live[i+1:]) {
					t.Errorf("%s in pages of %d lists %q after %s", what, size, got, after)
				}
			}
			if got := listed(t, b, &secret.ListOptions{Shallow: true}); !slices.Equal(got, []string{"a", "a!", "a/", "ab", "b/", "c"}) {
				t.Errorf("%s in pages of %d lists %q", what, size, got)
			}
		}
	}
}

// Servers that lag behind each other say so by an index, and by 412: what was
// written is read, whichever server answers.
func TestIndexIsGivenBack(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	p.Set(fault.Rule{On: onPath("PUT", "/data/"), Times: 1, Do: fault.Mark("X-Vault-Index", "seen-17")})
	put(t, b, "a", "x")
	behind := 0
	p.Set(fault.Rule{On: onPath("GET", "/data/"), Do: func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		if r.Header.Get("X-Vault-Index") != "seen-17" {
			t.Errorf("the index given back is %q", r.Header.Get("X-Vault-Index"))
		}
		if behind++; behind < 3 {
			fault.Give(says(412, "required index state not present"))(w, r, pass)
			return
		}
		pass.ServeHTTP(w, r)
	}})
	reads(t, b, "a", secret.At{}, "x")
}

// A page of metadata that is too long is no reason to list nothing.
func TestLongPagesAreReadOneByOne(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	put(t, b, "a", "x")
	put(t, b, "b", "x")
	p.Set(fault.Rule{On: onPath("GET", "/detailed-metadata/"), Do: fault.Long})
	if got := listed(t, b, nil); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("listed %q", got)
	}
}

// Stores and policies without PATCH: custom metadata are written as a whole,
// and OpenBao, which counts their changes, lets no writer lose another's.
func TestAnnotationsWithoutPatch(t *testing.T) {
	s := theServer(t)
	for status, message := range map[int]string{405: "unsupported operation", 403: "1 error occurred:\n\t* permission denied\n\n"} {
		b, p := s.behind(t)
		p.Set(fault.Rule{On: onPath("PATCH", "/metadata/"), Do: fault.Give(says(status, message))})
		description := "d"
		_, err := b.Put(t.Context(), "a", secret.Text("x"), &secret.PutOptions{ID: secret.VersionID(strings.Repeat("i", 32)), Annotations: &secret.Annotations{Description: description}})
		ok(t, err)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				_, err := b.Annotate(t.Context(), "a", secret.Change{Tags: secret.TagChange{Set: map[string]string{fmt.Sprint(i): "v"}}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		m, err := b.Describe(t.Context(), "a")
		ok(t, err)
		if m.Description != description || len(m.Tags) != 10 {
			t.Errorf("%+v", m.Annotations)
		}
		_, err = b.Delete(t.Context(), "a", nil)
		ok(t, err)
		m, err = b.Undelete(t.Context(), "a")
		ok(t, err)
		if v, _ := m.Current(); !m.Deleted.IsZero() || len(m.Tags) != 10 || v.ID != secret.VersionID(strings.Repeat("i", 32)) {
			t.Errorf("%+v", m)
		}
	}
}

// A change that was made is told as made, also where the store can no longer be
// looked at: an error would make its caller try again, and find it in the way.
func TestChangesThatWereMadeAreTold(t *testing.T) {
	s := theServer(t)
	b, p := s.behind(t)
	put(t, b, "a", "x")
	looks := 1 // that are answered
	blind := func() {
		p.Set(fault.Rule{On: onPath("GET", "/metadata/"), After: looks, Do: fault.Give(says(403, "1 error occurred:\n\t* permission denied\n\n"))})
	}
	blind()
	m, err := b.Annotate(t.Context(), "a", secret.Change{Tags: secret.TagChange{Set: map[string]string{"k": "v"}}})
	if err != nil || m.Tags["k"] != "v" {
		t.Errorf("annotate: %+v, %v", m, err)
	}
	blind()
	m, err = b.Delete(t.Context(), "a", nil)
	if err != nil || m.Deleted.IsZero() || m.Tags["k"] != "v" {
		t.Errorf("delete: %+v, %v", m, err)
	}
	blind()
	m, err = b.Undelete(t.Context(), "a")
	if v, _ := m.Current(); err != nil || !m.Deleted.IsZero() || !v.Deleted.IsZero() {
		t.Errorf("undelete: %+v, %v", m, err)
	}
	blind()
	m, err = b.Create(t.Context(), "new", secret.Annotations{Description: "d"})
	if err != nil || m.Description != "d" || m.Created.IsZero() {
		t.Errorf("create: %+v, %v", m, err)
	}
	p.Set()
	reads(t, b, "a", secret.At{}, "x")
}

// TestCertificateOfAnotherHost: the remedy is the name that is in it, not another
// authority.
func TestCertificateOfAnotherHost(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	b, err := New(Settings{Address: "https://localhost:" + port, Mount: "secret", Version: 2, TLS: wire.TLS{CACert: string(ca)}, Auth: mia()})
	ok(t, err)
	_, err = b.Get(t.Context(), "app/db", secret.At{})
	fails(t, err, secret.Invalid, "not for localhost", `server_name = "HOST"`)
}
