package azurekv

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"

	"github.com/tacit-secrets/tacit/secret"
)

// FuzzTags reads tags that anybody wrote, writes them, and reads them again.
func FuzzTags(f *testing.F) {
	f.Add(`{"tacit-n":"1767323045000","tacit-w":"W","tacit-parent":"p","tacit-s":"[\"owner\"]","owner":"payments","file-encoding":"utf-8"}`)
	f.Add(`{"tacit-s":"{","tacit-s-":"x","tacit-s-a":"1","a":"2","TACIT-N":"7","tacit-name":"x","":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		var tags map[string]string
		if json.Unmarshal([]byte(text), &tags) != nil {
			return
		}
		given := map[string]*string{}
		for k, v := range tags {
			given[k] = to.Ptr(v)
		}
		h := hold(nil, nil, nil, given)
		v := h.version()
		for k := range v.Tags {
			if reserved(k) {
				t.Fatalf("%q is told as a tag of the version", k)
			}
		}
		if n := nameOf("app--db", given); n != "app/db" {
			t.Fatalf("a tag makes it %q", n)
		}
		written, err := h.writeTags("app/db")
		if err != nil {
			return // beyond the limits
		}
		again := hold(nil, nil, nil, written)
		if len(again.about.Tags) != len(h.about.Tags) || len(again.attrs.Tags) != len(h.attrs.Tags) || again.about.Description != h.about.Description {
			t.Fatalf("%v became %v", tags, written)
		}
	})
}

// FuzzArchive opens what may be a backup.
func FuzzArchive(f *testing.F) {
	c := call{n: "app/db", az: "app--db"}
	f.Add([]byte(archiveMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, blob []byte) {
		if inner, err := c.open(blob); err == nil || secret.KindOf(err) != secret.Invalid || inner != nil {
			t.Fatalf("%d bytes are taken for a backup", len(blob))
		}
	})
}

// FuzzValue keeps values in every form.
func FuzzValue(f *testing.F) {
	f.Add([]byte("text"), false, "")
	f.Add([]byte{0, 255}, true, "image/png")
	f.Add([]byte("AP8="), false, "a;base64")
	f.Fuzz(func(t *testing.T, b []byte, binary bool, kind string) {
		v := secret.Text(b)
		if binary {
			v = secret.Binary(b)
		}
		wire, typed, err := pack("n", v, kind)
		if err != nil {
			return
		}
		text, jsonErr := json.Marshal(wire)
		var back string
		if jsonErr != nil || json.Unmarshal(text, &back) != nil {
			t.Fatalf("it is no text")
		}
		_, told := kept(typed)
		if got := unpack(back, typed); !got.Equal(v) || told != kind && kind != anyBytes && kind != anyText {
			t.Fatalf("%q of %q comes back as another value or of %q", b, kind, told)
		}
	})
}

// anyone answers in a vault's place.
type anyone struct {
	challenge, body string
	status          int
}

const fuzzToken = "the-token-of-the-test"

func (a anyone) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: fuzzToken, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (a anyone) RoundTrip(r *http.Request) (*http.Response, error) {
	status, header := a.status, http.Header{"Content-Type": {"application/json"}, "Www-Authenticate": {a.challenge}}
	if r.Header.Get("Authorization") == "" {
		status = http.StatusUnauthorized
	}
	return &http.Response{Status: http.StatusText(status), StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// FuzzAnswers: whatever answers in a vault's place stops nothing, is an error
// of a kind or a secret, and learns of a token only by a challenge of the
// vault's own.
func FuzzAnswers(f *testing.F) {
	const challenge = `Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"`
	for _, body := range []string{
		`{"id":"https://v.vault.azure.net/secrets/a/0123456789abcdef0123456789abcdef","value":"x","attributes":{"enabled":true,"created":1,"updated":1},"tags":{"tacit-n":"1","tacit-s":"[\"a\"]"}}`,
		`{"value":[{"id":"https://v.vault.azure.net/secrets/a","attributes":{"exp":1e30,"recoveryLevel":"x"}},null],"nextLink":"https://v.vault.azure.net/x"}`,
		`{"value":[],"nextLink":"https://evil.example/"}`, `{"error":{"code":"Forbidden","innererror":{"code":"AccessDenied","innererror":{"code":"SecretDisabled"}}}}`,
		`{"recoveryId":"x","deletedDate":9e9,"scheduledPurgeDate":-1,"id":""}`, `[]`, `null`, `""`, ``, `{`,
	} {
		f.Add(challenge, 200, body)
		f.Add(challenge, 403, body)
		f.Add(`Bearer authorization="x", resource="https://vault.azure.net"`, 401, body)
	}
	tune := quick()
	tune.retries, tune.settle = -1, time.Millisecond
	f.Fuzz(func(t *testing.T, challenge string, status int, body string) {
		b, err := open(Settings{Address: "https://v.vault.azure.net"}, tune)
		if err != nil {
			t.Fatal(err)
		}
		who := anyone{challenge, body, 200 + (status%400+400)%400}
		b.http = &http.Client{Transport: who, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		if b.client, err = b.connect(who); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := contextOf(t, 5*time.Second)
		defer cancel()
		fine := func(err error) {
			if err != nil && (secret.KindOf(err) == 0 || strings.Contains(err.Error(), fuzzToken) || strings.ContainsAny(err.Error(), "\x1b\x07")) {
				t.Errorf("%v", err)
			}
		}
		v, err := b.Get(ctx, "a", secret.At{})
		if fine(err); err == nil && v.Value.IsZero() {
			t.Error("an answer without a value")
		}
		_, err = b.Get(ctx, "a", secret.At{Stage: secret.Previous})
		fine(err)
		_, err = b.Describe(ctx, "a")
		fine(err)
		fine(drain(b, t, &secret.ListOptions{Names: true, Deleted: secret.AlsoDeleted}))
		_, err = b.Restore(ctx, "a", backupOf("a"))
		fine(err)
		_, err = b.Posture(ctx)
		fine(err)
		_, err = b.Put(ctx, "a", secret.Text("x"), nil)
		fine(err)
	})
}
