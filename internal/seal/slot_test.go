package seal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

func TestSlotsParse(t *testing.T) {
	good, err := MarshalSlots(Slots{weakSlot(t, newTestKey(t), "p")})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseSlots(good); err != nil || len(s) != 1 {
		t.Fatal(err)
	}
	edit := func(old, text string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("%q is not there", old)
		}
		return strings.Replace(string(good), old, text, 1)
	}
	for name, text := range map[string]string{
		"empty":               "",
		"cut":                 string(good[:len(good)/2]),
		"trailing":            string(good) + "{}",
		"unknown-field":       edit(`"kind"`, `"kinds":1,"kind"`),
		"unknown-kind":        edit(`passphrase`, `telepathy`),
		"newer-format":        edit(`"format":1`, `"format":2`),
		"100-gib-argon":       edit(`"memory_kib":64`, `"memory_kib":104857600`),
		"argon-wraps-around":  edit(`"memory_kib":64`, `"memory_kib":4294967360`),
		"million-rounds":      edit(`"time":1`, `"time":1000000`),
		"no-rounds":           edit(`"time":1`, `"time":0`),
		"no-threads":          edit(`"threads":1`, `"threads":0`),
		"slow-together":       edit(`"memory_kib":64,"time":1`, `"memory_kib":1048576,"time":16`),
		"no-stretch":          edit(`"stretch":`, `"stretch":null,"stretch":null,"Label":`),
		"name-leaves-folder":  edit(`"kind":"passphrase"`, `"kind":"keyfile","name":"../../x"`),
		"name-absolute":       edit(`"kind":"passphrase"`, `"kind":"keyfile","name":"/etc/x"`),
		"label-with-controls": edit(`"kind"`, `"label":"\u001b[2J","kind"`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseSlots([]byte(text))
			wantKind(t, err, secret.Corrupt)
		})
	}
	t.Run("too-many", func(t *testing.T) {
		k := newTestKey(t)
		var s Slots
		for range MaxSlots {
			if s, err = s.Add(weakSlot(t, k, "p")); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.Add(weakSlot(t, k, "p"))
		wantKind(t, err, secret.Invalid)
		b, err := json.Marshal(document{format, append(s, weakSlot(t, k, "p"))})
		if err != nil {
			t.Fatal(err)
		}
		_, err = ParseSlots(b)
		wantKind(t, err, secret.Corrupt)
	})
	t.Run("too-large", func(t *testing.T) {
		_, err := ParseSlots(bytes.Repeat([]byte(" "), MaxSlots*MaxSlotBytes+1))
		wantKind(t, err, secret.Corrupt)
	})
}

func TestSlotsRemove(t *testing.T) {
	k := newTestKey(t)
	s := Slots{weakSlot(t, k, "a"), weakSlot(t, k, "b")}
	_, err := s.Add(s[0])
	wantKind(t, err, secret.Conflict)
	_, _, err = s.Remove("nobody")
	wantKind(t, err, secret.NotFound)
	one, gone, err := s.Remove(s[0].ID)
	if err != nil || len(one) != 1 || gone.ID != s[0].ID || len(s) != 2 || s[1].ID != one[0].ID {
		t.Errorf("removed wrongly: %v", err)
	}
	_, _, err = one.Remove(one[0].ID)
	wantKind(t, err, secret.Invalid)
}

func FuzzParseSlots(f *testing.F) {
	b, err := MarshalSlots(Slots{weakSlot(f, newTestKey(f), "p")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1,"slots":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSlots(b)
		if err != nil {
			wantKind(t, err, secret.Corrupt)
			return
		}
		again, err := MarshalSlots(s)
		if err != nil {
			t.Fatal(err)
		}
		if u, err := ParseSlots(again); err != nil || len(u) != len(s) {
			t.Errorf("not read again: %v", err)
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "f.key")
	f.Add([]byte(keyFilePrefix + encode(make([]byte, 32)) + "\n"))
	f.Add([]byte(keyFilePrefix))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := readKeyFile(path)
		if err == nil && keyFilePrefix+encode(k)+"\n" != string(b) {
			t.Error("two texts for one key")
		}
	})
}

// TestRekey looks at the store as it is after each step at which it can be
// killed: with the slots that it then has, it opens.
func TestRekey(t *testing.T) {
	id, recipient := newAge(t)
	_, foreign := newPQ(t)
	oldKey, newKey := newTestKey(t), newTestKey(t)
	u := testUnlocker(t)
	s := Slots{
		mustSlot(t, u, oldKey, Method{Kind: KeyFile, Label: "file"}),
		mustSlot(t, u, oldKey, Method{Kind: Age, Recipient: recipient}),
		mustSlot(t, u, oldKey, Method{Kind: Age, Label: "recovery", Recipient: foreign}),
		weakSlot(t, oldKey, "p"),
	}
	onlyAge := &Unlocker{Identities: []string{id}}
	r, err := u.Rekey(t.Context(), testStore, s, oldKey, newKey)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Slots) != 3 || len(r.Dropped) != 1 || r.Dropped[0].Kind != Passphrase || len(r.Retired) != 4 {
		t.Fatalf("%d slots, %d dropped, %d retired", len(r.Slots), len(r.Dropped), len(r.Retired))
	}
	opens(t, u, s, oldKey)       // killed before the transaction
	opens(t, onlyAge, s, oldKey) //
	opens(t, u, r.Slots, newKey) // killed after it
	opens(t, onlyAge, r.Slots, newKey)
	if err := u.Discard(t.Context(), r.Retired...); err != nil {
		t.Error(err)
	}
	opens(t, u, r.Slots, newKey)
	_, err = u.Unlock(t.Context(), testStore, s)
	wantKind(t, err, secret.Unauthenticated)
	if err := u.Discard(t.Context(), r.Retired...); err != nil { // killed in between, done again
		t.Error(err)
	}
}

func TestRekeyAsksForThePassphrase(t *testing.T) {
	oldKey, newKey := newTestKey(t), newTestKey(t)
	u := testUnlocker(t)
	s := Slots{mustSlot(t, u, oldKey, Method{Kind: KeyFile}), weakSlot(t, oldKey, "right")}
	u.Passphrase = secret.Text("wrong")
	_, err := u.Rekey(t.Context(), testStore, s, oldKey, newKey)
	wantKind(t, err, secret.Unauthenticated)
	if names, _ := keyFilesOf(u.KeyDir, testStore); len(names) != 1 {
		t.Errorf("%d key files are left", len(names))
	}
	u.Passphrase = secret.Text("right")
	r, err := u.Rekey(t.Context(), testStore, s, oldKey, newKey)
	if err != nil || len(r.Dropped) != 0 {
		t.Fatalf("%d dropped: %v", len(r.Dropped), err)
	}
	opens(t, &Unlocker{Passphrase: secret.Text("right")}, r.Slots, newKey)

	_, err = (&Unlocker{}).Rekey(t.Context(), testStore, s[1:], oldKey, newKey)
	wantKind(t, err, secret.Unauthenticated) // nothing would be left
}

// TestRekeyAsksForEachPassphrase: two people's slots are both made anew, and one
// who mistypes twice changes nothing.
func TestRekeyAsksForEachPassphrase(t *testing.T) {
	oldKey, newKey := newTestKey(t), newTestKey(t)
	mia, noor := weakSlot(t, oldKey, "mia's"), newSlot(Passphrase, "noor", time.Unix(0, 0))
	noor.Stretch = mia.Stretch
	if err := noor.lock(testStore, oldKey, noor.Stretch.key([]byte("noor's"))); err != nil {
		t.Fatal(err)
	}
	for second, ok := range map[string]bool{"noor's": true, "wrong": false} {
		var asked []string
		u := &Unlocker{Prompt: func(_ context.Context, text string) ([]byte, error) {
			asked = append(asked, text)
			return []byte([]string{"mia's", second}[min(len(asked), 2)-1]), nil
		}}
		r, err := u.Rekey(t.Context(), testStore, Slots{mia, noor}, oldKey, newKey)
		if len(asked) != 2 || asked[1] != "passphrase of key slot noor" {
			t.Errorf("asked: %q", asked)
		}
		if !ok {
			wantKind(t, err, secret.Unauthenticated)
			continue
		}
		if err != nil || len(r.Slots) != 2 {
			t.Fatalf("%d slots, %v", len(r.Slots), err)
		}
		for _, pass := range []string{"mia's", "noor's"} {
			opens(t, &Unlocker{Passphrase: secret.Text(pass)}, r.Slots, newKey)
		}
	}
}

func TestRekeyOnAFailingDiskDropsNothing(t *testing.T) {
	oldKey, newKey := newTestKey(t), newTestKey(t)
	u := testUnlocker(t)
	_, recipient := newAge(t)
	s := Slots{mustSlot(t, u, oldKey, Method{Kind: Age, Recipient: recipient}), mustSlot(t, u, oldKey, Method{Kind: KeyFile})}
	u.KeyDir = filepath.Join(writeFile(t, "file", "", 0o600), "no-folder")
	_, err := u.Rekey(t.Context(), testStore, s, oldKey, newKey)
	wantKind(t, err, secret.Unavailable)
}

func TestSweep(t *testing.T) {
	u, k := testUnlocker(t), newTestKey(t)
	keep, lost := mustSlot(t, u, k, Method{Kind: KeyFile}), mustSlot(t, u, k, Method{Kind: KeyFile})
	other := filepath.Join(u.KeyDir, "another."+lost.ID+".key")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := u.Sweep(testStore, Slots{keep}); err != nil {
		t.Fatal(err)
	}
	opens(t, u, Slots{keep}, k)
	_, err := u.Unlock(t.Context(), testStore, Slots{lost})
	wantKind(t, err, secret.Unauthenticated)
	if _, err := os.Stat(other); err != nil {
		t.Error("another store's file is gone")
	}
}

func backup(t *testing.T, text string, recipients ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := EncryptTo(recipients, &b)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBackup(t *testing.T) {
	text := strings.Repeat("backup", 50_000)
	v, pq, err := NewRecovery()
	if err != nil {
		t.Fatal(err)
	}
	path, classic := newAge(t)
	_, pq2, _ := NewRecovery()
	b := backup(t, text, pq, pq2)
	r, err := DecryptWith([]secret.Value{v}, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != text {
		t.Errorf("another text: %v", err)
	}
	u := &Unlocker{Identities: []string{path}}
	if r, err = u.DecryptWith(t.Context(), bytes.NewReader(backup(t, "x", classic))); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "x" {
		t.Errorf("another text: %v", err)
	}
	_, err = u.DecryptWith(t.Context(), bytes.NewReader(b))
	wantKind(t, err, secret.Unauthenticated)
	_, err = (&Unlocker{}).DecryptWith(t.Context(), bytes.NewReader(b))
	wantKind(t, err, secret.NotFound)
	_, err = DecryptWith([]secret.Value{v}, strings.NewReader("junk"))
	wantKind(t, err, secret.Corrupt)

	flipped := slices.Clone(b)
	flipped[len(b)-1] ^= 1
	for _, bad := range [][]byte{flipped, b[:len(b)-20]} {
		if r, err = DecryptWith([]secret.Value{v}, bytes.NewReader(bad)); err == nil {
			_, err = io.ReadAll(r)
		}
		wantKind(t, err, secret.Corrupt)
	}
	for _, bad := range [][]string{nil, {"age1x"}, {pq, classic}, {string(v.Reveal())}} {
		_, err = EncryptTo(bad, io.Discard)
		wantKind(t, err, secret.Invalid)
		if strings.Contains(err.Error(), "AGE-SECRET") {
			t.Error("an identity is in the error")
		}
	}
}

func TestNewSlotRefuses(t *testing.T) {
	dir, k := t.TempDir(), newTestKey(t)
	for name, c := range map[string]struct {
		m    Method
		k    *Key
		want secret.Kind
	}{
		"empty-passphrase": {Method{Kind: Passphrase}, k, secret.Invalid},
		"no-key-folder":    {Method{Kind: KeyFile}, k, secret.Unsupported},
		"no-keyring":       {Method{Kind: InKeyring}, k, secret.Unsupported},
		"no-command":       {Method{Kind: Command}, k, secret.NotFound},
		"bad-recipient":    {Method{Kind: Age, Recipient: "age1"}, k, secret.Invalid},
		"unknown-kind":     {Method{Kind: "telepathy"}, k, secret.Invalid},
		"long-label":       {Method{Kind: Passphrase, Passphrase: secret.Text("p"), Label: strings.Repeat("x", 257)}, k, secret.Invalid},
		"locked":           {Method{Kind: Passphrase, Passphrase: secret.Text("p")}, nil, secret.Unauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&Unlocker{}).NewSlot(context.Background(), testStore, c.k, c.m)
			wantKind(t, err, c.want)
		})
	}
	for name, c := range map[string]struct {
		u    Unlocker
		want secret.Kind
	}{
		"credential-leaves":    {Unlocker{CredentialDir: dir, Credential: "../x"}, secret.Invalid},
		"credential-gone":      {Unlocker{CredentialDir: dir, Credential: "x"}, secret.NotFound},
		"credential-not-named": {Unlocker{CredentialDir: dir}, secret.NotFound},
		"no-credentials":       {Unlocker{Credential: "x"}, secret.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.u.NewSlot(context.Background(), testStore, k, Method{Kind: Credential})
			wantKind(t, err, c.want)
		})
	}
}
