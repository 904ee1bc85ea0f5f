package lease

import (
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func FuzzNote(f *testing.F) {
	whole, err := Note{
		ID: newID(), Env: "prod", Name: "database/creds/app", Lease: "database/creds/app/x", Issued: time.Unix(1, 0).UTC(), Expires: time.Unix(9, 0).UTC(),
		Renewable: true, For: "user:mia", Owner: "x", Due: true, Tries: 3, Tried: time.Unix(2, 0).UTC(),
	}.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"id":"a","env":"prod","name":"x","more":1}`))
	f.Add([]byte(`{"id":"a","env":"prod","name":"../x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseNote(b)
		if err != nil {
			if secret.KindOf(err) != secret.Corrupt {
				t.Fatalf("the kind of %v is %v", err, secret.KindOf(err))
			}
			return
		}
		again, err := n.marshal()
		if err != nil {
			return // a time beyond what JSON writes
		}
		if m, err := parseNote(again); err != nil || m != n && !n.Issued.IsZero() && n.Issued.Location() == time.UTC {
			t.Fatalf("%+v became %+v, %v", n, m, err)
		}
	})
}
