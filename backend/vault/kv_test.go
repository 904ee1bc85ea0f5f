package vault

import (
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/secret"
)

const canary = "canary-7f3a"

// with opens a backend over a mount with changed settings.
func (s server) with(t testing.TB, mount string, change func(*Settings)) *Backend {
	t.Helper()
	settings := s.settings(mount)
	change(&settings)
	b, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	b.retry.base, b.retry.most = time.Millisecond, 10*time.Millisecond
	return b
}

// allowed makes a token that may do what a policy says.
func (s server) allowed(t testing.TB, policy string) string {
	t.Helper()
	name := strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-")
	s.must(t, http.MethodPut, "sys/policies/acl/"+name, map[string]string{"policy": policy})
	got := s.must(t, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{name}})
	var auth struct {
		Token string `json:"client_token"`
	}
	unmarshal(t, got.Auth, &auth)
	return auth.Token
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails expects an error of a kind that names what is to be named, and no
// value.
func fails(t testing.TB, err error, k secret.Kind, texts ...string) {
	t.Helper()
	if secret.KindOf(err) != k {
		t.Errorf("%v is %q, want %q", err, secret.KindOf(err).Error(), k.Error())
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), canary) {
			t.Error("an error tells a value")
		}
	}
}

func put(t testing.TB, b *Backend, n secret.Name, s string) secret.Version {
	t.Helper()
	v, err := b.Put(t.Context(), n, secret.Text(s), nil)
	ok(t, err)
	return v
}

func reads(t testing.TB, b *Backend, n secret.Name, at secret.At, want string) secret.Version {
	t.Helper()
	v, err := b.Get(t.Context(), n, at)
	ok(t, err)
	if string(v.Value.Reveal()) != want {
		t.Errorf("%s is read as %q, want %q", n, v.Value.Reveal(), want)
	}
	return v
}

func listed(t testing.TB, b *Backend, o *secret.ListOptions) (names []string) {
	t.Helper()
	for m, err := range b.List(t.Context(), o) {
		ok(t, err)
		names = append(names, string(m.Name))
	}
	return names
}

// A mount whose path has a "/" is told by the preflight call; so are a path
// within a mount, an engine of another type, and a mount that is not there.
func TestMountsArePaths(t *testing.T) {
	s := theServer(t)
	mount := s.mount(t, "2")
	b := s.with(t, "/"+mount+"/", func(*Settings) {})
	put(t, b, "data/x", "v") // words of the API are names like others
	put(t, b, secret.Name(mount), "w")
	if got := listed(t, b, nil); !slices.Equal(got, []string{"data/x", mount}) {
		t.Errorf("listed %q", got)
	}
	for path, text := range map[string]string{mount + "/data": "lies within the mount", "cubbyhole": `"cubbyhole"`} {
		_, err := s.with(t, path, func(*Settings) {}).Get(t.Context(), "x", secret.At{})
		fails(t, err, secret.Invalid, text, s.address[len("http://"):])
	}
	_, err := s.with(t, "sealed-secrets", func(c *Settings) { c.Version = 2 }).Get(t.Context(), "x", secret.At{})
	fails(t, err, secret.Invalid, "nothing is mounted at sealed-secrets/")
	none := s.with(t, "test/none", func(*Settings) {})
	_, err = none.Get(t.Context(), "x", secret.At{})
	fails(t, err, secret.Denied, "test/none/", "kv_version = 2")
	_, err = none.Put(t.Context(), "x", secret.Text(canary), nil)
	fails(t, err, secret.Denied, "test/none/")
	for _, version := range []int{1, 2} {
		known := s.with(t, "test/none", func(c *Settings) { c.Version = version })
		_, err = known.Get(t.Context(), "x", secret.At{})
		fails(t, err, secret.Invalid, "nothing is mounted at test/none/", "vault secrets enable")
		_, err = known.Put(t.Context(), "x", secret.Text(canary), nil)
		fails(t, err, secret.Invalid, "nothing is mounted at test/none/")
		for _, err := range known.List(t.Context(), nil) {
			fails(t, err, secret.Invalid, "nothing is mounted at test/none/")
		}
	}
}

// Settings that say another version than the engine has make everything look as
// if it were not there. They are found out, once, and only where nothing was
// found; a store that does not tell is believed to be as they say.
func TestSettingsOfAnotherVersion(t *testing.T) {
	s := theServer(t)
	for said, is := range map[int]string{1: "2", 2: "1"} {
		mount := s.mount(t, is)
		put(t, s.with(t, mount, func(*Settings) {}), "a", "v")
		wrong := func() *Backend { return s.with(t, mount, func(c *Settings) { c.Version = said }) }
		_, err := wrong().Get(t.Context(), "a", secret.At{})
		fails(t, err, secret.Invalid, "is version "+is+" of the KV engine", "kv_version = "+is)
		_, err = wrong().Put(t.Context(), "b", secret.Text(canary), nil)
		fails(t, err, secret.Invalid, "kv_version = "+is)
		names := 0
		for _, err := range wrong().List(t.Context(), nil) {
			fails(t, err, secret.Invalid, "kv_version = "+is)
			names++
		}
		if names != 1 {
			t.Errorf("%d names, and no error", names)
		}
	}

	p := fault.New(t, s.tls, s.ca)
	asks := onPath("GET", "/sys/internal/ui/mounts/")
	b := s.with(t, s.mount(t, "2"), func(c *Settings) { c.Version, c.Address, c.TLS.CACert = 2, p.Address, p.CACert })
	for status, message := range map[int]string{403: "preflight capability check returned 403", 404: "", 500: "an error"} {
		b.mount.agrees.Store(false)
		p.Set(fault.Rule{On: asks, Do: fault.Give(says(status, message))})
		for range 2 {
			_, err := b.Get(t.Context(), "none", secret.At{})
			fails(t, err, secret.NotFound, "no such secret")
		}
		if n := len(p.Broken()); n != 1 && status != 500 {
			t.Errorf("%d: it is asked %d times", status, n)
		}
	}
	put(t, b, "a", "v")
	p.Set(fault.Rule{On: asks, Do: fault.Give(says(500, "an error"))})
	b.mount.agrees.Store(false)
	reads(t, b, "a", secret.At{}, "v")
	if n := len(p.Broken()); n != 0 {
		t.Errorf("what is there is doubted %d times", n)
	}
}

// The scheme is the first thing that goes wrong with an address.
func TestPlainHTTPWhereTLSIsSpoken(t *testing.T) {
	s := theServer(t)
	b := s.with(t, "secret", func(c *Settings) { c.Address = "http://" + strings.TrimPrefix(s.tls, "https://") })
	_, err := b.Get(t.Context(), "a", secret.At{})
	fails(t, err, secret.Invalid, "speaks TLS", `address = "`+s.tls+`"`)
}

func TestEngineThatIsUpgraded(t *testing.T) {
	s := theServer(t)
	b := s.fresh(t, "1")
	b.retry.base = time.Millisecond
	put(t, b, "a", `{"k":"v"}`)
	s.must(t, http.MethodPost, "sys/mounts/"+b.settings.Mount+"/tune", map[string]any{"options": map[string]string{"version": "2"}})
	// The first call meets an engine of another version, and says so; the next
	// asks which.
	if _, err := b.Get(t.Context(), "a", secret.At{}); err != nil {
		fails(t, err, secret.Unavailable, "another version")
	}
	v := reads(t, b, "a", secret.At{}, `{"k":"v"}`)
	if v.Number != 1 {
		t.Errorf("%+v", v)
	}
}

func TestNamespaces(t *testing.T) {
	s := theServer(t)
	space := "team-" + strings.ToLower(rand.Text())
	s.must(t, http.MethodPost, "sys/namespaces/"+space, nil)
	t.Cleanup(func() { s.call(cleaning{t}, http.MethodDelete, "sys/namespaces/"+space, nil) })
	in := s.with(t, "kv", func(c *Settings) { c.Namespace = space + "/" })
	_, err := in.send(t.Context(), request{method: http.MethodPost, path: "sys/mounts/kv", body: jsonBody(map[string]string{"type": "kv-v2"})})
	ok(t, err)
	put(t, in, "a", "inside")
	reads(t, in, "a", secret.At{}, "inside")
	if got := listed(t, in, nil); !slices.Equal(got, []string{"a"}) {
		t.Errorf("listed %q", got)
	}
	_, err = s.with(t, "kv", func(*Settings) {}).Get(t.Context(), "a", secret.At{})
	fails(t, err, secret.Denied)
	_, err = s.with(t, "kv", func(c *Settings) { c.Namespace = "none" }).Get(t.Context(), "a", secret.At{})
	fails(t, err, secret.Invalid, "no namespace none")
}

// What tacit writes, other clients see as fields; what they write, tacit reads.
func TestValuesOfOtherClients(t *testing.T) {
	s := theServer(t)
	b := s.fresh(t, "2")
	for _, text := range samples() {
		if text == "" {
			continue
		}
		put(t, b, "a", text)
		reads(t, b, "a", secret.At{}, text)
	}
	put(t, b, "claude/api", `{"user":"u","claude_api_key":"k","n":12345678901234567890}`)
	var told struct {
		Data map[string]any `json:"data"`
	}
	unmarshal(t, s.must(t, http.MethodGet, b.dataPath("claude/api"), nil).Data, &told)
	if told.Data["claude_api_key"] != "k" || told.Data["user"] != "u" || len(told.Data) != 4 {
		t.Errorf("other clients see %v", told.Data)
	}
	s.must(t, http.MethodPut, b.dataPath("theirs"), map[string]any{"data": map[string]any{"value": "x"}})
	reads(t, b, "theirs", secret.At{}, `{"value":"x"}`)
}

// Eight writers at once: each makes a version of its own, and none is lost.
func TestPutsAtOnceAreAllMade(t *testing.T) {
	s := theServer(t)
	b := s.fresh(t, "2")
	ok(t, b.Limit(t.Context(), "", secret.Limits{MaxVersions: 100}))
	var wg sync.WaitGroup
	made := make(chan uint64, 40)
	for range 8 {
		wg.Go(func() {
			for range 5 {
				v, err := b.Put(t.Context(), "a", secret.Text("same"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				made <- v.Number
			}
		})
	}
	wg.Wait()
	close(made)
	seen := map[uint64]bool{}
	for n := range made {
		seen[n] = true
	}
	if len(seen) != 40 || !seen[40] {
		t.Errorf("%d versions are made of 40", len(seen))
	}
}

// A secret is deleted as a whole by tacit alone: what the store's own clients
// do to single versions is told as such, and what they write brings it back.
func TestDeletionBesideOtherClients(t *testing.T) {
	s := theServer(t)
	b := s.fresh(t, "2")
	const n = "app/db"
	for _, v := range []string{"one", "two", "three"} {
		put(t, b, n, v)
	}
	ok(t, b.DeleteVersions(t.Context(), n, secret.At{Number: 2}))
	m, err := b.Delete(t.Context(), n, nil)
	ok(t, err)
	if m.Deleted.IsZero() || !m.Purge.IsZero() || len(m.Tags) != 0 {
		t.Errorf("%+v", m)
	}
	got := s.call(t, http.MethodGet, b.dataPath(n), nil)
	if got.status != http.StatusNotFound {
		t.Errorf("another client reads a deleted secret: %d", got.status)
	}
	_, err = b.Undelete(t.Context(), n)
	ok(t, err)
	reads(t, b, n, secret.At{}, "three")
	reads(t, b, n, secret.At{Number: 1}, "one")
	_, err = b.Get(t.Context(), n, secret.At{Number: 2})
	fails(t, err, secret.NotFound) // it had been deleted before
	_, err = b.Delete(t.Context(), n, nil)
	ok(t, err)
	s.must(t, http.MethodPut, b.dataPath(n), map[string]any{"data": map[string]string{"k": "four"}})
	reads(t, b, n, secret.At{}, `{"k":"four"}`)
	s.must(t, http.MethodDelete, b.dataPath(n), nil)
	if m, err = b.Describe(t.Context(), n); err != nil || !m.Deleted.IsZero() {
		t.Errorf("a version that another client deleted makes a deleted secret: %+v, %v", m, err)
	}
	_, err = b.Undelete(t.Context(), n)
	fails(t, err, secret.Conflict, "vault kv undelete -versions=4 "+b.settings.Mount+"/")
	v := put(t, b, n, "five")
	if v.Number != 5 {
		t.Errorf("%+v", v)
	}
}

// A version that will be deleted is served until then, and said to end.
func TestFutureDeletionIsAnEnd(t *testing.T) {
	s := theServer(t)
	b := s.fresh(t, "2")
	ok(t, b.Limit(t.Context(), "", secret.Limits{DeleteAfter: time.Hour, MaxVersions: 3}))
	v := put(t, b, "a", "x")
	if d := v.Deleted.Sub(v.Created); d < 59*time.Minute || d > 61*time.Minute {
		t.Errorf("%+v", v)
	}
	reads(t, b, "a", secret.At{}, "x")
	m, err := b.Describe(t.Context(), "a")
	ok(t, err)
	if c, there := m.Current(); !there || c.State(time.Now()) != 0 || !m.Deleted.IsZero() {
		t.Errorf("%+v", m)
	}
	l, err := b.Limits(t.Context())
	ok(t, err)
	if l.MaxVersions != 3 || l.DeleteAfter != time.Hour {
		t.Errorf("%+v", l)
	}
}

// Identities that writers chose are kept beside the secret, and forgotten with
// their versions.
func TestChosenIdentities(t *testing.T) {
	s := theServer(t)
	b := s.fresh(t, "2")
	ok(t, b.Limit(t.Context(), "", secret.Limits{MaxVersions: 2}))
	id := func(c string) secret.VersionID { return secret.VersionID(strings.Repeat(c, 40)) }
	for _, c := range []string{"a", "b", "c", "d"} {
		v, err := b.Put(t.Context(), "x", secret.Text(c), &secret.PutOptions{ID: id(c)})
		ok(t, err)
		if v.ID != id(c) {
			t.Errorf("%+v", v)
		}
	}
	reads(t, b, "x", secret.At{ID: id("c")}, "c")
	if v := reads(t, b, "x", secret.At{}, "d"); v.ID != id("d") || len(v.Secret.Tags) != 0 {
		t.Errorf("%+v", v)
	}
	_, err := b.Get(t.Context(), "x", secret.At{ID: id("a")})
	fails(t, err, secret.NotFound)
	m, err := b.metadata(t.Context(), "x")
	ok(t, err)
	if got := ownKeys(m.Custom, keyID); !slices.Equal(got, []string{keyID + "2", keyID + "3", keyID + "4"}) {
		t.Errorf("%q are remembered", got) // the second until the next put
	}
	_, err = b.Put(t.Context(), "x", secret.Text("other"), &secret.PutOptions{ID: id("c")})
	fails(t, err, secret.Conflict)
}

// One name of many may be forbidden: the others are served, and the error names
// the line that the policy lacks.
func TestForbiddenNames(t *testing.T) {
	s := theServer(t)
	mount := s.mount(t, "2")
	root := s.with(t, mount, func(*Settings) {})
	for _, n := range []secret.Name{"a/one", "a/two", "b"} {
		put(t, root, n, "x")
	}
	token := s.allowed(t, `path "`+mount+`/data/a/*" { capabilities = ["read"] }
path "`+mount+`/metadata/*" { capabilities = ["list"] }
path "`+mount+`/metadata/a/*" { capabilities = ["read", "list"] }`)
	b := s.with(t, mount, func(c *Settings) { c.Auth.Token = secret.Text(token) })
	reads(t, b, "a/one", secret.At{}, "x")
	_, err := b.Get(t.Context(), "b", secret.At{})
	fails(t, err, secret.Denied, "b: ", `path "`+mount+`/data/b" { capabilities = ["read"] }`)
	_, err = b.Put(t.Context(), "a/one", secret.Text(canary), nil)
	fails(t, err, secret.Denied, `path "`+mount+`/data/a/one" { capabilities = ["update"] }`)
	_, err = b.Delete(t.Context(), "a/one", nil)
	fails(t, err, secret.Denied, `path "`+mount+`/metadata/a/one"`)
	var last error
	var names []string
	for m, err := range b.List(t.Context(), nil) {
		if last = err; err == nil {
			names = append(names, string(m.Name))
		}
	}
	fails(t, last, secret.Denied, `path "`+mount+`/metadata/b" { capabilities = ["read"] }`)
	if !slices.Equal(names, []string{"a/one", "a/two"}) {
		t.Errorf("before the forbidden one, %q are listed", names)
	}
	if got := listed(t, b, &secret.ListOptions{Names: true, Deleted: secret.AlsoDeleted}); len(got) != 3 {
		t.Errorf("names alone: %q", got)
	}
}

// To write, a token needs no right on metadata.
func TestLeastRightsOfAWriter(t *testing.T) {
	s := theServer(t)
	mount := s.mount(t, "2")
	token := s.allowed(t, `path "`+mount+`/data/*" { capabilities = ["create", "update", "read"] }`)
	b := s.with(t, mount, func(c *Settings) { c.Auth.Token = secret.Text(token) })
	put(t, b, "a", "one")
	v := put(t, b, "a", "two")
	if v.Number != 2 {
		t.Errorf("%+v", v)
	}
	v, err := b.Swap(t.Context(), "a", secret.At{ID: v.ID}, secret.Text("three"), nil)
	ok(t, err)
	_, err = b.Swap(t.Context(), "a", secret.At{Number: 1}, secret.Text("lost"), nil)
	fails(t, err, secret.Conflict)
	reads(t, b, "a", secret.At{Number: v.Number}, "three")
}

// Tags and descriptions of every form come back; what the store cannot hold is
// refused before anything is written.
func TestAnnotationsOfEveryForm(t *testing.T) {
	s := theServer(t)
	b := s.fresh(t, "2")
	want := secret.Annotations{Description: strings.Repeat("ü\n", 700), Tags: map[string]string{"empty": "", "lines": "a\nb", "quoted": `"x"`, "plain": "p", "ü": "日本"}}
	_, err := b.Put(t.Context(), "a", secret.Text("x"), &secret.PutOptions{Annotations: &want})
	ok(t, err)
	m, err := b.Describe(t.Context(), "a")
	ok(t, err)
	if m.Description != want.Description || len(m.Tags) != len(want.Tags) {
		t.Errorf("%d bytes, %q", len(m.Description), m.Tags)
	}
	for k, v := range want.Tags {
		if m.Tags[k] != v {
			t.Errorf("%s is %q, want %q", k, m.Tags[k], v)
		}
	}
	short := "short"
	m, err = b.Annotate(t.Context(), "a", secret.Change{Description: &short})
	ok(t, err)
	if m.Description != short || len(m.Tags) != len(want.Tags) {
		t.Errorf("%q, %q", m.Description, m.Tags)
	}
	for _, tags := range []map[string]string{{keyDeleted: "1"}, {"": "x"}, {"a\n": "x"}, {"long": strings.Repeat("x", 513)}} {
		_, err = b.Put(t.Context(), "new", secret.Text(canary), &secret.PutOptions{Annotations: &secret.Annotations{Tags: tags}})
		fails(t, err, secret.Invalid)
		_, err = b.Annotate(t.Context(), "a", secret.Change{Tags: secret.TagChange{Set: tags}})
		fails(t, err, secret.Invalid)
	}
	if got := listed(t, b, nil); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q", got)
	}
}

// A token file is read again when the store refuses what it held.
func TestTokenFileIsReadAgain(t *testing.T) {
	s := theServer(t)
	mount := s.mount(t, "2")
	put(t, s.with(t, mount, func(*Settings) {}), "a", "x")
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) { ok(t, os.WriteFile(file, []byte(text), 0o600)) }
	policy := `path "` + mount + `/*" { capabilities = ["read", "list"] }`
	first := s.allowed(t, policy)
	write(first + "\n")
	b := s.with(t, mount, func(c *Settings) { c.Auth = Auth{Method: "token", TokenFile: file} })
	reads(t, b, "a", secret.At{}, "x")
	s.must(t, http.MethodPost, "auth/token/revoke", map[string]string{"token": first})
	_, err := b.Get(t.Context(), "a", secret.At{})
	fails(t, err, secret.Unauthenticated, "a: ", "vault login")
	write(s.allowed(t, policy))
	reads(t, b, "a", secret.At{}, "x")
	for _, bad := range []string{"", "two words", "line\nbreak", strings.Repeat("x", maxTokenBytes+1)} {
		write(bad)
		_, err = s.with(t, mount, func(c *Settings) { c.Auth = Auth{TokenFile: file} }).Get(t.Context(), "a", secret.At{})
		fails(t, err, secret.Unauthenticated, "vault login")
	}
	ok(t, os.Remove(file))
	_, err = s.with(t, mount, func(c *Settings) { c.Auth = Auth{TokenFile: file} }).Get(t.Context(), "a", secret.At{})
	fails(t, err, secret.Unauthenticated, file)
}
