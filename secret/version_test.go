package secret_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func TestVersionState(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	past, future := now.Add(-time.Nanosecond), now.Add(time.Nanosecond)
	whole := &secret.Meta{Deleted: past}
	for _, tt := range []struct {
		why  string
		v    secret.Version
		want secret.State
	}{
		{"served", secret.Version{}, 0},
		{"of a live secret", secret.Version{Secret: &secret.Meta{}}, 0},
		{"deleted", secret.Version{Deleted: past}, secret.Deleted},
		{"deleted at this moment", secret.Version{Deleted: now}, secret.Deleted},
		{"deleted later", secret.Version{Deleted: future}, 0},
		{"of a deleted secret", secret.Version{Secret: whole}, secret.Deleted},
		{"destroyed", secret.Version{Destroyed: true}, secret.Destroyed},
		{"destroyed tells more than deleted", secret.Version{Destroyed: true, Deleted: past, Secret: whole}, secret.Destroyed},
		{"disabled", secret.Version{Attributes: secret.Attributes{Disabled: true}}, secret.Disabled},
		{"deleted tells more than disabled", secret.Version{Deleted: past, Attributes: secret.Attributes{Disabled: true}}, secret.Deleted},
		{"not yet valid informs", secret.Version{Attributes: secret.Attributes{NotBefore: future}}, 0},
		{"expired informs", secret.Version{Attributes: secret.Attributes{Expires: past}}, 0},
		{"without a stage", secret.Version{Stages: nil}, 0},
	} {
		if got := tt.v.State(now); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got.Error(), tt.want.Error())
		}
	}
}

func TestMetaCurrent(t *testing.T) {
	m := secret.Meta{Versions: []secret.Version{
		{ID: "3", Stages: []secret.Stage{secret.Pending}},
		{ID: "2", Stages: []secret.Stage{secret.Current, "green"}},
		{ID: "1", Stages: []secret.Stage{secret.Previous}},
	}}
	if v, ok := m.Current(); !ok || v.ID != "2" {
		t.Errorf("%+v, %v: current is not the newest", v, ok)
	}
	m.Versions = m.Versions[:1]
	if v, ok := m.Current(); ok {
		t.Errorf("%+v is not current", v)
	}
	if _, ok := new(secret.Meta).Current(); ok {
		t.Error("a secret without a version has a current one")
	}
}

func TestVersionIDCheck(t *testing.T) {
	for _, id := range []secret.VersionID{hexID, uuidID, secret.VersionID(strings.Repeat("~", 64)), secret.VersionID(strings.Repeat("!", 32))} {
		if err := id.Check(); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []secret.VersionID{
		"", "1", secret.VersionID(hexID[:31]), secret.VersionID(strings.Repeat("x", 65)), hexID + " ", hexID + "\n", hexID + "\x00", hexID + "ü", hexID + "\xff", hexID + "\x7f",
	} {
		invalid(t, id.Check())
	}
}

func TestZeroDeletionIsNotDeleted(t *testing.T) {
	if (secret.ListOptions{}).Deleted != secret.NotDeleted {
		t.Error("a list without options shows something deleted")
	}
}
