package head

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// samples are heads in which each field is set somewhere.
func samples(t testing.TB) []*Head {
	t.Helper()
	now := time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.UTC)
	bare := empty(now)
	full, err := Create(now, "n", secret.Annotations{Description: "what for\n", Tags: map[string]string{"b": "", "": "x", "a": "é"}})
	if err != nil {
		t.Fatal(err)
	}
	full.Limits = secret.Limits{MaxVersions: 3, DeleteAfter: math.MaxInt64, SwapOnly: true}
	for range 4 {
		r, err := Put(full, now, "n", Putting{Old: current(full), Opts: &secret.PutOptions{
			Stages:     []secret.Stage{secret.Current, "mine"},
			Attributes: &secret.Attributes{Disabled: true, NotBefore: now, Expires: time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC), ContentType: "text/plain", Tags: map[string]string{"k": "v"}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		full = r.Head
	}
	full.Versions[0].Destroyed = true
	deleted, err := bare.Delete(now, "n", 0)
	if err != nil {
		t.Fatal(err)
	}
	return []*Head{bare, full, deleted}
}

// current is what a swap of h must name.
func current(h *Head) *secret.At {
	if i := h.Index(secret.At{}); i >= 0 {
		return &secret.At{ID: h.Versions[i].ID}
	}
	return &secret.At{}
}

func TestEncoding(t *testing.T) {
	for _, h := range samples(t) {
		b, err := h.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Unmarshal(b)
		if err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("%+v became %+v, %v", h, got, err)
		}
		for n := range b {
			if _, err := Unmarshal(b[:n]); !errors.Is(err, secret.Corrupt) {
				t.Fatalf("the first %d bytes of %d: %v", n, len(b), err)
			}
		}
		if _, err := Unmarshal(append(b, 0)); !errors.Is(err, secret.Corrupt) {
			t.Fatalf("a byte more: %v", err)
		}
	}
}

// FuzzEncoding: whatever can be read is the one encoding of what it says.
func FuzzEncoding(f *testing.F) {
	for _, h := range samples(f) {
		b, err := h.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Unmarshal(b)
		if err != nil {
			if !errors.Is(err, secret.Corrupt) {
				t.Fatalf("the error is %v", err)
			}
			return
		}
		again, err := h.Marshal()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
	})
}
