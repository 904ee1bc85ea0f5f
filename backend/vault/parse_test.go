package vault

import (
	"encoding/json"
	"io"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// bare is a backend that no test lets ask anything.
func bare(t testing.TB, change func(*Settings)) (*Backend, error) {
	t.Helper()
	s := Settings{Address: "https://vault.example.com:8200", Auth: Auth{Method: "token", Token: secret.Text("hvs.x")}}
	change(&s)
	return New(s)
}

func TestSettingsThatNoStoreIsReachedBy(t *testing.T) {
	for why, change := range map[string]func(*Settings){
		"no address":           func(s *Settings) { s.Address = "" },
		"no scheme":            func(s *Settings) { s.Address = "vault.example.com:8200" },
		"http to the network":  func(s *Settings) { s.Address = "http://vault.example.com:8200" },
		"http that looks near": func(s *Settings) { s.Address = "http://127.0.0.1.example.com" },
		"another scheme":       func(s *Settings) { s.Address = "file:///etc/passwd" },
		"a user":               func(s *Settings) { s.Address = "https://u:" + canary + "@vault.example.com" },
		"a query":              func(s *Settings) { s.Address = "https://vault.example.com?token=" + canary },
		"a mount that climbs":  func(s *Settings) { s.Mount = "secret/../sys" },
		"a mount with a line":  func(s *Settings) { s.Mount = "secret\nx" },
		"a namespace":          func(s *Settings) { s.Namespace = "a//b" },
		"version 3":            func(s *Settings) { s.Version = 3 },
		"no authority":         func(s *Settings) { s.TLS = wire.TLS{CACert: "/none"} },
		"no token":             func(s *Settings) { s.Auth = Auth{Method: "token"} },
		"two tokens":           func(s *Settings) { s.Auth.TokenFile = "x" },
		"an unknown method":    func(s *Settings) { s.Auth.Method = "telepathy" },
	} {
		_, err := bare(t, change)
		if err == nil {
			t.Errorf("%s is taken", why)
		}
		fails(t, err, secret.Invalid)
	}
	for why, change := range map[string]func(*Settings){
		"https": func(*Settings) {}, "loopback": func(s *Settings) { s.Address = "http://127.0.0.1:8200" },
		"by name": func(s *Settings) { s.Address = "http://localhost:8200" }, "IPv6": func(s *Settings) { s.Address = "http://[::1]:8200" },
		"allowed": func(s *Settings) { s.Address, s.PlainHTTP = "http://vault.example.com", true },
		"a path":  func(s *Settings) { s.Address = "https://proxy.example.com/vault/" }, "nested": func(s *Settings) { s.Mount = "/team/kv/" },
	} {
		if _, err := bare(t, change); err != nil {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// A name that the store cannot hold is refused before anything is asked.
func TestNamesThatCannotBePrinted(t *testing.T) {
	b, err := bare(t, func(s *Settings) { s.Version = 2 })
	ok(t, err)
	for _, n := range []secret.Name{"a\ue000", "a\u00a0b", "\u3000"} {
		_, err := b.Get(t.Context(), n, secret.At{})
		fails(t, err, secret.Invalid)
		fails(t, b.Fits(n, secret.Value{}, nil), secret.Invalid)
	}
}

func FuzzVersionID(f *testing.F) {
	f.Add("secret", "a/b", int64(1), uint64(1))
	f.Add("", "", int64(math.MaxInt64), uint64(maxNumber))
	f.Fuzz(func(t *testing.T, mount, name string, nanos int64, number uint64) {
		id := versionID(mount, secret.Name(name), time.Unix(0, nanos), number)
		if id.Check() != nil {
			t.Fatalf("%q is no identity", id)
		}
		got, made := numberOf(id)
		if want := number > 0 && number <= maxNumber; made != want || made && got != number {
			t.Errorf("%q is of %d, %v; want %d", id, got, made, number)
		}
		for _, other := range []secret.VersionID{
			versionID(mount+"/", secret.Name(name), time.Unix(0, nanos), number), versionID(mount, secret.Name(name+"/"), time.Unix(0, nanos), number),
			versionID(mount, secret.Name(name), time.Unix(0, nanos+1), number), versionID(mount, secret.Name(name), time.Unix(0, nanos), number+1),
		} {
			if other == id {
				t.Errorf("two versions are %q", id)
			}
		}
	})
}

// Nothing lies between mount and name that could be moved.
func TestIdentitiesAreFramed(t *testing.T) {
	at := time.Unix(1, 0)
	if versionID("a/b", "c", at, 1) == versionID("a", "b/c", at, 1) || versionID("ab", "c", at, 1) == versionID("a", "bc", at, 1) {
		t.Error("versions of two mounts have one identity")
	}
}

func FuzzNumberOf(f *testing.F) {
	for _, s := range []string{"", strings.Repeat("0", 32), strings.Repeat("f", 32), "33219e8f052b59070000000000000001", "33219E8F052B59070000000000000001", "33219e8f052b5907000000000000000g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, made := numberOf(secret.VersionID(s))
		if made && (n == 0 || n > maxNumber || len(s) != 32 || strings.ToLower(s) != s) {
			t.Errorf("%q is of version %d", s, n)
		}
	})
}

func FuzzMark(f *testing.F) {
	for _, s := range []string{"", "5", "5 1", "5 1-3,5", "5 1-3,2", "5 3-1", "0", "05", "5 ", "5 1-", "1 0", "2147483647 1-2147483647"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, made := parseMark(s)
		if !made {
			return
		}
		again, made := parseMark(m.String())
		if !made || !reflect.DeepEqual(again, m) {
			t.Errorf("%q is %+v, and %q is %+v", s, m, m.String(), again)
		}
		for i, n := range m.before {
			if n == 0 || n > m.current || i > 0 && n <= m.before[i-1] {
				t.Errorf("%q is %+v", s, m)
			}
		}
	})
}

func FuzzCustomText(f *testing.F) {
	for _, s := range []string{"", "plain", `"`, `"quoted"`, "a\nb", "ü", "\xff", strings.Repeat("x", 2000), strings.Repeat("ü\n", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := readable(storable(s)); got != s {
			t.Errorf("%q is stored as %q and read as %q", s, storable(s), got)
		}
		if stored := storable(s); stored == "" || !printable(stored) {
			t.Errorf("%q is stored as %q", s, stored)
		}
		pieces := split(s)
		if got := joined(pieces); len(pieces) <= maxKeys && got != s {
			t.Errorf("%q is split into %q and joined to %q", s, pieces, got)
		}
		for k, p := range pieces {
			if p == "" || len(p) > maxValueBytes || !printable(p) {
				t.Errorf("%s is %q", k, p)
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	b, err := bare(f, func(*Settings) {})
	ok(f, err)
	f.Add([]byte(`{"created_time":"2026-01-02T03:04:05Z","current_version":2,"custom_metadata":{"a":"b","tacit-deleted":"2"},"delete_version_after":"1h0m0s","versions":{"1":{"created_time":"2026-01-02T03:04:05Z","deletion_time":"2026-01-02T03:04:06Z","destroyed":false},"2":{"created_time":"2026-01-02T03:04:05Z","deletion_time":"","destroyed":true}}}`))
	f.Add([]byte(`{"versions":{"0":{}}}`))
	f.Add([]byte(`{"created_time":"2026-01-02T03:04:05Z","versions":{"01":{}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseMetadata(text, time.Unix(1<<31, 0))
		if err != nil {
			return
		}
		told := b.meta("a", m)
		for i, v := range told.Versions {
			if v.Number == 0 || i > 0 && v.Number >= told.Versions[i-1].Number || v.ID.Check() != nil {
				t.Errorf("%s tells %+v", text, told)
			}
		}
		if _, there := told.Current(); !told.Deleted.IsZero() && !there && len(told.Versions) > 0 && m.Current == 0 {
			t.Errorf("%s tells %+v", text, told)
		}
		for k := range told.Tags {
			if strings.HasPrefix(k, keyOwn) {
				t.Errorf("%s is a tag", k)
			}
		}
	})
}

// Whatever a server says, an error repeats none of it: it may be what it was
// sent.
func FuzzErrorsRepeatNothing(f *testing.F) {
	b, err := bare(f, func(*Settings) {})
	ok(f, err)
	for _, s := range []string{"permission denied", "Vault is sealed", saysSwap, saysNoRoute, saysLarge, saysNoSpace, saysOther, "x"} {
		f.Add(400, s, "7")
		f.Add(503, s, "x"+canary)
	}
	f.Fuzz(func(t *testing.T, status int, text, later string) {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			got := &answer{status: status, Errors: []string{text + canary}, Warnings: []string{canary + text}, Data: json.RawMessage(`"` + canary + `"`), tell: later}
			e := b.classify(request{method: method, path: "secret/data/a", name: "a", capability: "read"}, got)
			if e.Kind == 0 || e.Name != "a" || strings.Contains(e.Error(), canary) {
				t.Errorf("%d %q: %v", status, text, e)
			}
		}
	})
}

func FuzzDecodeValue(f *testing.F) {
	for _, s := range samples() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stored []byte) {
		v, err := decodeValue(stored)
		if err != nil {
			return
		}
		again, err := decodeValue(encodeValue(v))
		if err != nil || !again.Equal(v) {
			t.Errorf("%q is read as %q, and that as %q", stored, v.Reveal(), again.Reveal())
		}
	})
}

// replay answers every request alike.
type replay struct {
	status int
	body   string
}

func (r replay) RoundTrip(q *http.Request) (*http.Response, error) {
	h := http.Header{"Content-Type": {"application/json"}, "Date": {"Fri, 02 Jan 2026 03:04:05 GMT"}}
	return &http.Response{StatusCode: r.status, Status: "answer", Header: h, Body: io.NopCloser(strings.NewReader(r.body)), Request: q}, nil
}

// Whatever a server answers, each call ends, with a value only where there is
// no error, and with an error of one kind that repeats nothing of it.
func FuzzAnswers(f *testing.F) {
	settings := Settings{Address: "https://vault.example.com", Mount: "secret", Auth: Auth{Token: secret.Text("hvs.x")}}
	address, err := settings.checkAddress()
	ok(f, err)
	const version = `{"created_time":"2026-01-02T03:04:05Z","deletion_time":"","destroyed":false`
	for _, body := range []string{
		"", "null", "[]", `{"errors":["` + canary + `"]}`, `{"data":{"keys":["a","b/","b/","/","","a/b"],"key_info":{"a":` + version + `,"current_version":1}}}}`,
		`{"data":{"data":{"a":"b"},"metadata":` + version + `,"version":1}}}`, `{"data":{"data":null,"metadata":` + version + `,"version":1}}}`,
		`{"data":` + version + `,"current_version":1,"max_versions":3,"versions":{"1":` + version + `}}}}`,
		`{"data":{"path":"secret/","type":"kv","options":{"version":"1"}}}`, `{"data":{"version":1,"created_time":"2026-01-02T03:04:05Z"}}`,
	} {
		for _, status := range []int{200, 204, 400, 403, 404, 503} {
			f.Add(status, body, uint8(status))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body string, engine uint8) {
		s := settings
		s.Version = int(engine % 3)
		b, err := open(s, address, replay{status, body})
		ok(t, err)
		b.retry = retry{tries: 2, total: time.Second, base: 1, most: 1}
		check := func(what string, err error, v secret.Value) {
			if err == nil {
				return
			}
			if secret.KindOf(err) == 0 || !v.IsZero() || strings.Contains(body, canary) && strings.Contains(err.Error(), canary) {
				t.Errorf("%s after %d %q: %v", what, status, body, err)
			}
		}
		v, err := b.Get(t.Context(), "a", secret.At{})
		check("get", err, v.Value)
		if err == nil && v.Value.IsZero() {
			t.Errorf("get after %d %q tells no value", status, body)
		}
		_, err = b.Describe(t.Context(), "a")
		check("describe", err, secret.Value{})
		_, err = b.Limits(t.Context())
		check("limits", err, secret.Value{})
		_, err = b.Put(t.Context(), "a", secret.Text("x"), nil)
		check("put", err, secret.Value{})
		items := 0
		for m, err := range b.List(t.Context(), nil) {
			check("list", err, secret.Value{})
			if err == nil && m.Name.Check() != nil {
				t.Errorf("list after %d %q yields %q", status, body, m.Name)
			}
			if items++; items > 100 {
				break
			}
		}
	})
}

// A server cannot make anybody wait for ever, or not at all.
func TestWaitsAreBounded(t *testing.T) {
	r := patient()
	for try := range r.tries {
		if d := r.wait(try, ""); d <= 0 || d > r.most {
			t.Errorf("try %d waits %s", try, d)
		}
	}
	for told, least := range map[string]time.Duration{"0": 1, "3": 3 * time.Second, "2147483647": 2147483647 * time.Second} {
		if d := r.wait(0, told); d < least || d > least+r.most {
			t.Errorf("%s: %s", told, d)
		}
	}
	for _, told := range []string{"-1", "99999999999999999", "18446744073709551615", "Fri, 02 Jan 2026 03:04:05 GMT", "1e3", "x"} {
		if d := r.wait(0, told); d <= 0 || d > r.most {
			t.Errorf("%s: %s", told, d)
		}
	}
}
