package vault

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/tacit-secrets/tacit/secret"
)

// hostile is a backend over a server that answers whatever a test says.
func hostile(t testing.TB, a Auth, answer http.HandlerFunc) *Backend {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	b, err := New(Settings{Address: srv.URL, Version: 2, Auth: a})
	if err != nil {
		t.Fatal(err)
	}
	b.retry = retry{tries: 1}
	return b
}

// TestAbuseServer: what a store says is not to be believed further than it can
// be meant, whoever speaks for it.
func TestAbuseServer(t *testing.T) {
	t.Run("ttl-overflow-stops-nothing", func(t *testing.T) {
		for _, seconds := range []int64{math.MinInt64, -1, 6e9, 9e9, 9223372036, 9223372037, 1e10, math.MaxInt64} {
			b := hostile(t, Auth{Method: methodUserpass, Username: "mia", Password: secret.Text("x")}, func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"auth":{"client_token":"t","lease_duration":%d,"renewable":true}}`, seconds)
			})
			if _, err := b.session.token(t.Context(), ""); err != nil {
				t.Error(err)
			}
			if s := b.session; seconds > 0 && (s.expires.Before(time.Now()) || s.due.Before(time.Now())) {
				t.Errorf("of %d seconds, the token ends at %s and is renewed at %s", seconds, s.expires, s.due)
			}
		}
	})
	t.Run("lookup-ttl-overflow-stops-nothing", func(t *testing.T) {
		b := hostile(t, Auth{Token: secret.Text("t")}, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"data":{"ttl":9000000000,"renewable":true,"type":"service"}}`)
		})
		b.session.signed = signed{token: "t"}
		if b.session.look(t.Context()); b.session.expires.Before(time.Now()) {
			t.Errorf("the token ends at %s", b.session.expires)
		}
	})
	t.Run("lease-of-huge-ttl-is-not-taken-for-ended", func(t *testing.T) {
		for _, said := range []string{
			`"lease_id":"database/creds/app/x","lease_duration":10000000000,"data":{}`,
			`"lease_id":"database/creds/app/x","lease_duration":9223372036854775807,"data":{}`,
			`"lease_id":"","lease_duration":0,"data":{"ttl":10000000000}`,
			`"lease_id":"","lease_duration":0,"data":{"expiration":9223372036854775807}`,
		} {
			now := time.Now()
			a, err := read(t.Context(), respond(t, "{"+said+"}"))
			if err != nil {
				t.Fatal(err)
			}
			ends := a.ends(now)
			if text, err := ends.MarshalJSON(); err != nil || !ends.After(now) {
				t.Errorf("%s ends at %s (%v)", said, text, err)
			}
		}
	})
	t.Run("layout-that-repeats-a-field-does-not-grow", func(t *testing.T) {
		const long, often = 1 << 17, 2_000
		for _, layout := range []string{
			"{" + strings.TrimSuffix(strings.Repeat(`"a":_,`, often), ",") + "}",
			`{"b":[` + strings.TrimSuffix(strings.Repeat(`{"a":_},`, often), ",") + `],"a":_}`,
		} {
			fields := map[string]any{"a": strings.Repeat("x", long), "b": []any{}, fieldLayout: layout}
			for i := range often {
				fields[fmt.Sprint("f", i)] = "" // as many fields as the layout has
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			v, err := decodeValue(canonical(fields))
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; err != nil || grown > 32<<20 {
				t.Errorf("%d MiB for a value of %d KiB, %v", grown>>20, v.Len()>>10, err)
			}
		}
	})
}

// TestAbuseCommandsToPaste: a person is told to paste no word that a store chose
// for them.
func TestAbuseCommandsToPaste(t *testing.T) {
	for _, device := range []string{"file/", "$(touch evil)", "x; id", "`id`", "-x y", "a\nb", "\x1b[2J"} {
		b := hostile(t, Auth{Token: secret.Text("t")}, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/sys/audit") {
				_, _ = w.Write(jsonBody(map[string]any{"data": map[string]any{device: map[string]any{"type": "file", "options": map[string]string{"log_raw": "true"}}}}))
				return
			}
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["1 error occurred: permission denied"]}`)
		})
		all, err := b.Posture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if device != "file/" && strings.Contains(f.Remedy, device) || f.Check == asksHashed && f.Status != secret.FindingBad {
				t.Errorf("%s: %s: %q", f.Check, f.Status, f.Remedy)
			}
		}
	}
}

// TestAbuseLeaseRules: a rule for one lease is about that one, whatever stands
// in its name.
func TestAbuseLeaseRules(t *testing.T) {
	b := hostile(t, Auth{Token: secret.Text("t")}, func(http.ResponseWriter, *http.Request) {})
	for _, name := range []secret.Name{"db/creds/*?x=1", "db/+/app?x=1", "db/creds/+?x=1", "db/creds/a*b", "db/creds/a*b?x=1", "db/creds/{{identity.entity.id}}?x=1", "*/creds/app"} {
		for _, v := range []secret.Verb{secret.Issue, secret.Renew, secret.Revoke} {
			rules, err := b.Rules([]secret.Name{name}, v)
			if secret.KindOf(err) != secret.Invalid || rules != nil {
				t.Errorf("%s %s: %v, %v", v, name, rules, err)
			}
		}
	}
	for _, name := range []secret.Name{"pki/issue/web?common_name=*.example.com", "db/creds/app"} {
		if rules, err := b.Rules([]secret.Name{name}, secret.Issue, secret.Revoke); err != nil || len(rules) != 1 || strings.Contains(rules[0].Text, "*.example") {
			t.Errorf("%s: %v, %v", name, rules, err)
		}
	}
}

// TestAbuseSlowSignIn: a lease is told of at once when its caller gives up,
// whoever signs in meanwhile.
func TestAbuseSlowSignIn(t *testing.T) {
	b := hostile(t, Auth{Token: secret.Text("t")}, func(http.ResponseWriter, *http.Request) {})
	if err := b.session.take(t.Context()); err != nil { // another caller's turn, which does not end
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	end := time.Now().Add(time.Hour)
	if got := b.session.atMost(ctx, end); !got.Equal(end) {
		t.Errorf("it ends at %s", got)
	}
}

func respond(t *testing.T, body string) *api.Response {
	t.Helper()
	w := httptest.NewRecorder()
	w.WriteString(body)
	return &api.Response{Response: w.Result()}
}

// TestAbuseLeasePaths: the right to have credentials made is no right to
// anything else that an engine does.
func TestAbuseLeasePaths(t *testing.T) {
	asked := ""
	engines := map[string]string{"database/": "database", "pki/": "pki", "aws/": "aws", "ssh/": "ssh", "gcp/": "gcp", "other/": "plugin", "auth/approle/": "approle"}
	b := hostile(t, Auth{Token: secret.Text("t")}, func(w http.ResponseWriter, r *http.Request) {
		if below, ok := strings.CutPrefix(r.URL.Path, "/v1/sys/internal/ui/mounts/"); ok {
			for path, kind := range engines {
				if strings.HasPrefix(below, path) {
					fmt.Fprintf(w, `{"data":{"path":%q,"type":%q}}`, path, kind)
					return
				}
			}
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["preflight capability check returned 403"]}`)
			return
		}
		asked = r.Method + " " + r.URL.Path
		fmt.Fprint(w, `{"lease_id":"l","lease_duration":60,"data":{}}`)
	})
	try := func(name string) error { asked = ""; _, err := b.Issue(t.Context(), secret.Name(name), 0); return err }
	t.Run("lease-parameters-write-no-configuration", func(t *testing.T) {
		for _, name := range []string{
			"database/config/main?connection_url=evil", "database/roles/app?creation_statements=x", "database/root?x=1", "database/rotate-root/main?x=1",
			"pki/roles/web?allow_any_name=true", "pki/root/generate/internal?common_name=x", "pki/config/urls", "pki/issue?x=1", "ssh/config/ca?generate_signing_key=true", "ssh/roles/creds?x=1",
			"aws/config/root?access_key=x", "gcp/roleset/x?project=y", "other/roles/x?a=b", "auth/approle/role/ci?token_policies=root",
		} {
			if err := try(name); secret.KindOf(err) != secret.Unsupported || asked != "" {
				t.Errorf("%s: %q is sent, %v", name, asked, err)
			}
		}
	})
	t.Run("lease-of-dot-segment-is-none", func(t *testing.T) {
		for _, name := range []string{"database/creds/app/.?x=1", "database/./creds?x", "database/creds/.?", "database/creds/?x=1"} {
			if err := try(name); secret.KindOf(err) != secret.Invalid || asked != "" {
				t.Errorf("%s: %q is sent, %v", name, asked, err)
			}
		}
	})
	t.Run("what-makes-credentials-is-asked", func(t *testing.T) {
		for name, want := range map[string]string{
			"database/creds/app": "GET /v1/database/creds/app", "database/creds/app?ttl=1m": "POST /v1/database/creds/app", "pki/issue/web?common_name=x": "POST /v1/pki/issue/web",
			"pki/issuer/default/issue/web?common_name=x": "POST /v1/pki/issuer/default/issue/web", "ssh/creds/otp?ip=1.2.3.4": "POST /v1/ssh/creds/otp", "ssh/sign/web?public_key=x": "POST /v1/ssh/sign/web",
			"aws/sts/deploy": "POST /v1/aws/sts/deploy", "aws/creds/deploy?role_arn=x": "POST /v1/aws/creds/deploy", "gcp/roleset/x/token?ttl=1h": "POST /v1/gcp/roleset/x/token", "other/creds/x?a=b": "POST /v1/other/creds/x",
		} {
			if err := try(name); err != nil || asked != want {
				t.Errorf("%s: %q is sent, %v", name, asked, err)
			}
		}
	})
}
