package vault

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// in is call for a namespace.
func (s server) in(t testing.TB, space, method, path string, body any) {
	t.Helper()
	r := request{method: method, path: path, space: space}
	if body != nil {
		r.body = jsonBody(body)
	}
	if got, err := s.admin(t).do(context.Background(), r); err != nil || !got.ok() {
		t.Fatalf("%s %s in %s: %v, %+v", method, path, space, err, got)
	}
}

// TestAuthInAnotherNamespace signs in where the method is, and uses secrets
// where they are: below it.
func TestAuthInAnotherNamespace(t *testing.T) {
	s := theServer(t)
	parent := unique()
	child := parent + "/team"
	s.in(t, "", http.MethodPost, "sys/namespaces/"+parent, nil)
	s.in(t, parent, http.MethodPost, "sys/namespaces/team", nil)
	t.Cleanup(func() {
		for space, path := range map[string]string{parent: "team", rootSpace: parent} { // what is not gone yet goes with the server
			_, _ = s.admin(t).do(context.Background(), request{method: http.MethodDelete, path: "sys/namespaces/" + path, space: space})
		}
	})
	s.in(t, child, http.MethodPost, "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	rule := func(below string) map[string]any {
		return map[string]any{"policy": `path "` + below + `secret/*" { capabilities = ["create", "read", "update", "delete", "list"] }`}
	}
	for _, c := range []struct{ what, space, said, below string }{
		{"parent", parent, parent, "team/"},
		{"root", "", "root", child + "/"},
		{"own", child, "", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			mount, policy := unique(), unique()
			s.in(t, c.space, http.MethodPost, "sys/auth/"+mount, map[string]any{"type": "userpass"})
			s.in(t, c.space, http.MethodPut, "sys/policies/acl/"+policy, rule(c.below))
			s.in(t, c.space, http.MethodPost, "auth/"+mount+"/users/mia", map[string]any{"password": hidden, "token_policies": policy, "token_ttl": "1h"})
			if c.space == "" {
				t.Cleanup(func() { s.in(t, "", http.MethodDelete, "sys/auth/"+mount, nil) })
			}
			b, err := New(Settings{
				Address: s.address, Namespace: child, Auth: Auth{Method: "userpass", Mount: mount, Namespace: c.said, Username: "mia", Password: secret.Text(hidden)},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Put(t.Context(), "app/db", secret.Text(`{"password":"x"}`), nil); err != nil {
				t.Fatal(err)
			}
			mustRead(t, b, "app/db")
			// What is about the token itself is asked where it is known.
			if err := b.session.take(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.session.known, b.session.due = false, time.Now()
			b.session.look(t.Context())
			if !b.session.known || b.session.ttl == 0 {
				t.Errorf("the token was not found: %+v", b.session.signed)
			}
			b.session.expires = time.Now() // so that it grows
			b.session.renew(t.Context())
			if b.session.due.IsZero() {
				t.Error("the token was not renewed")
			}
			token := b.session.signed.token
			b.session.give()
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			got, err := s.admin(t).do(t.Context(), request{method: http.MethodGet, path: "auth/token/lookup-self", open: true, token: token, space: c.space})
			if err != nil || got.ok() {
				t.Errorf("the token was not given back: %v", err)
			}
		})
	}
}
