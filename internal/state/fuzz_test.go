package state

import (
	"bytes"
	"testing"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/secret"
)

// FuzzRecord: what is read is written the same again, and what is not read is
// corrupt.
func FuzzRecord(f *testing.F) {
	key, err := seal.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	_, body, err := newKeys(NewStoreID(), key, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	state := stateRow{Epoch: 1, Generation: 2, Rows: 3, Set: sum{1, 2, 3, 4}, Log: LogHead{Size: 9, Edge: [][32]byte{{1}, {2}}}}
	f.Add(byte(0), body)
	f.Add(byte(1), state.marshal())
	f.Add(byte(2), marshalRow(Key{KindSecret, "parent", "name"}, []byte("payload")))
	f.Add(byte(3), seal.Pad(state.marshal()))
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		var again []byte
		var err error
		switch which % 4 {
		case 0:
			again, err = reheader(t, b, key)
		case 1:
			var s *stateRow
			if s, err = parseState(b); err == nil {
				again = s.marshal()
			}
		case 2:
			var r Row
			if r, err = parseRow(KindSecret, b); err == nil {
				again = marshalRow(r.Key, r.Payload)
			}
		case 3:
			k, kerr := parseHeader(body)
			noError(t, kerr)
			opened, kerr := k.open(key)
			noError(t, kerr)
			if _, err := opened.openRow(nil, b); err == nil {
				t.Fatal("bytes that nobody sealed were opened")
			}
			return
		}
		if err != nil {
			wantKind(t, err, secret.Corrupt)
		} else if !bytes.Equal(again, b) {
			t.Fatalf("read %x, wrote %x", b, again)
		}
	})
}

func reheader(t *testing.T, b []byte, key *seal.Key) ([]byte, error) {
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	if _, err := h.open(key); err != nil {
		wantKind(t, err, secret.Corrupt, secret.Unauthenticated)
	}
	out := append([]byte{format}, h.id[:]...)
	out = appendBytes(appendBytes(appendBytes(out, h.kek), h.slots), h.sealed)
	return append(out, h.mac...), nil
}

// TestSum: the set-MAC forgets order and undoes what is taken away.
func TestSum(t *testing.T) {
	top := sum{1<<64 - 1, 1<<64 - 1, 1<<64 - 1, 1<<64 - 1}
	var s sum
	s.add(top)
	s.add(sum{0, 0, 0, 1})
	if s != (sum{}) {
		t.Fatalf("the largest number and one is %v", s)
	}
	s.sub(sum{0, 0, 0, 1})
	if s != top {
		t.Fatalf("zero less one is %v", s)
	}
}
