package seal

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

func newTestKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantKind(t *testing.T, err error, k secret.Kind) {
	t.Helper()
	if _, ok := errors.AsType[*secret.Error](err); !ok || !errors.Is(err, k) {
		t.Errorf("error is %v (%v), want %v", err, secret.KindOf(err), k)
	}
}

func TestKeyIsNeverShown(t *testing.T) {
	canary := []byte("canary-canary-canary-canary-1234")
	k, err := keyOf(canary)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		K *Key
		k *Key
		v Key
	}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		fmt.Fprintf(&b, verb+verb+verb, k, *k, holder{k, k, *k})
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "k", k, "v", *k, "h", holder{k, k, *k})
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "k", k, "v", *k, "h", holder{k, k, *k})
	if _, err := json.Marshal(k); err == nil {
		t.Error("JSON encodes a key")
	}
	if err := gob.NewEncoder(io.Discard).Encode(k); err == nil {
		t.Error("gob encodes a key")
	}
	for _, s := range []string{string(canary), hex.EncodeToString(canary), fmt.Sprintf("%d", canary), "Y2FuYXJ5", strings.ToUpper(hex.EncodeToString(canary))} {
		if strings.Contains(b.String(), s) {
			t.Errorf("the key is shown as %.12s…", s)
		}
	}
}

func TestWrap(t *testing.T) {
	k, other := newTestKey(t), newTestKey(t)
	plain := []byte("thirty-two bytes of a data key..")
	w, err := k.Wrap([]byte("record a"), plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Unwrap([]byte("record a"), w); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("unwrap: %v", err)
	}
	_, err = k.Unwrap([]byte("record b"), w)
	wantKind(t, err, secret.Corrupt)
	_, err = other.Unwrap([]byte("record a"), w)
	wantKind(t, err, secret.Corrupt)
	if len(k.ID()) != 16 || k.ID() == other.ID() || k.Equal(other) || !k.Equal(k) {
		t.Error("ids or equality are wrong")
	}
	if bytes.Equal(k.MAC("a", nil), k.MAC("b", nil)) || bytes.Equal(k.MAC("a", nil), other.MAC("a", nil)) || !bytes.Equal(k.MAC("a", nil), k.MAC("a", nil)) {
		t.Error("MAC is not a function of key and label")
	}
}

func TestLockedKey(t *testing.T) {
	for _, k := range []*Key{nil, {}} {
		_, err := k.Wrap(nil, nil)
		wantKind(t, err, secret.Unauthenticated)
		_, err = k.Unwrap(nil, nil)
		wantKind(t, err, secret.Unauthenticated)
		_, err = k.Derive("x")
		wantKind(t, err, secret.Unauthenticated)
		if k.ID() != "" || k.Equal(k) || bytes.Equal(k.MAC("a", nil), k.MAC("a", nil)) {
			t.Error("a locked key answers")
		}
	}
}

func TestEachFlippedBitIsCorrupt(t *testing.T) {
	key, ad := randomKey(), []byte("ad")
	sealed, err := Seal(key, ad, Pad([]byte("value")))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(sealed) * 8 {
		b := bytes.Clone(sealed)
		b[i/8] ^= 1 << (i % 8)
		_, err := Open(key, ad, b)
		wantKind(t, err, secret.Corrupt)
	}
	for i := range sealed {
		_, err := Open(key, ad, sealed[:i])
		wantKind(t, err, secret.Corrupt)
	}
	_, err = Open(key, []byte("other"), sealed)
	wantKind(t, err, secret.Corrupt)
	_, err = Seal(key[1:], ad, nil)
	wantKind(t, err, secret.Invalid)
}

func TestPad(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "b")
		p := Pad(b)
		if len(p)%64 != 0 || len(p) <= len(b) || len(p) > len(b)+64 {
			t.Fatalf("%d bytes become %d", len(b), len(p))
		}
		if got, err := Unpad(p); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("not undone: %v", err)
		}
	})
}

func FuzzUnpad(f *testing.F) {
	f.Add(Pad(nil))
	f.Add(Pad(make([]byte, 64)))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Unpad(b)
		if err == nil && !bytes.Equal(Pad(got), b) {
			t.Error("two paddings of one text")
		}
	})
}

// vectors is testdata/vectors.json; all bytes are hexadecimal.
type vectors struct {
	Key  struct{ KEK, ID, MACLabel, MACData, MAC, DeriveLabel, Derived string }
	Seal []struct{ Key, Nonce, AD, Plain, Padded, Sealed string }
	Wrap []struct{ KEK, Record, Nonce, DataKey, Wrapped string }
	Slot []struct{ KEK, StoreID, SlotID, Kind, Secret, Nonce, Wrapped string }
	Pass []struct {
		Passphrase, Salt         string
		MemoryKiB, Time, Threads uint32
		Key                      string
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkHex(t *testing.T, what string, got []byte, want *string) {
	t.Helper()
	if os.Getenv("SEAL_VECTORS") != "" {
		*want = hex.EncodeToString(got)
	}
	if hex.EncodeToString(got) != *want {
		t.Errorf("%s differs from the published vector", what)
	}
}

// TestVectors checks the published vectors; with SEAL_VECTORS=1 it fills in
// their results, for a new format only.
func TestVectors(t *testing.T) {
	const path = "testdata/vectors.json"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	nonce := func(s string) (n [nonceSize]byte) { copy(n[:], unhex(t, s)); return n }
	k, err := keyOf(unhex(t, v.Key.KEK))
	if err != nil {
		t.Fatal(err)
	}
	checkHex(t, "id", unhex(t, k.ID()), &v.Key.ID)
	checkHex(t, "mac", k.MAC(v.Key.MACLabel, unhex(t, v.Key.MACData)), &v.Key.MAC)
	d, _ := k.Derive(v.Key.DeriveLabel)
	checkHex(t, "derived", d, &v.Key.Derived)
	for i := range v.Seal {
		s := &v.Seal[i]
		checkHex(t, "padded", Pad(unhex(t, s.Plain)), &s.Padded)
		sealed, _ := sealAt(nonce(s.Nonce), unhex(t, s.Key), unhex(t, s.AD), unhex(t, s.Padded))
		checkHex(t, "sealed", sealed, &s.Sealed)
		if got, err := Open(unhex(t, s.Key), unhex(t, s.AD), unhex(t, s.Sealed)); err != nil || !bytes.Equal(got, unhex(t, s.Padded)) {
			t.Errorf("seal vector %d does not open: %v", i, err)
		}
	}
	for i := range v.Wrap {
		w := &v.Wrap[i]
		sealed, _ := sealAt(nonce(w.Nonce), expand(unhex(t, w.KEK), labelWrap, string(unhex(t, w.Record))), unhex(t, w.Record), unhex(t, w.DataKey))
		checkHex(t, "wrapped", sealed, &w.Wrapped)
		k, _ := keyOf(unhex(t, w.KEK))
		if got, err := k.Unwrap(unhex(t, w.Record), unhex(t, w.Wrapped)); err != nil || !bytes.Equal(got, unhex(t, w.DataKey)) {
			t.Errorf("wrap vector %d does not open: %v", i, err)
		}
	}
	for i := range v.Slot {
		s := &v.Slot[i]
		k, _ := keyOf(unhex(t, s.KEK))
		slot := Slot{ID: s.SlotID, Kind: SlotKind(s.Kind), KEK: k.ID()}
		sealed, _ := sealAt(nonce(s.Nonce), expand(unhex(t, s.Secret), labelSlot, s.SlotID), slot.ad(s.StoreID), unhex(t, s.KEK))
		checkHex(t, "slot", sealed, &s.Wrapped)
	}
	for i := range v.Pass {
		p := &v.Pass[i]
		s := Stretch{p.MemoryKiB, p.Time, uint8(p.Threads), unhex(t, p.Salt)}
		checkHex(t, "stretched", s.key([]byte(p.Passphrase)), &p.Key)
	}
	if os.Getenv("SEAL_VECTORS") != "" {
		b, _ := json.MarshalIndent(v, "", "  ")
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
