package audit

import (
	"bufio"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

func TestSinkWritesLines(t *testing.T) {
	var b strings.Builder
	s := NewSink(&b, time.Now)
	for i := range uint64(2) {
		n, err := s.Append(t.Context(), record("a"), record("b"))
		if err != nil || n != 2*i {
			t.Fatalf("%d, %v", n, err)
		}
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for i, text := range lines {
		var r Record
		if !segment.Decode([]byte(text), &r) || r.N != uint64(i) {
			t.Errorf("line %d is %s", i, text)
		}
	}
	if len(lines) != 4 {
		t.Errorf("%d lines", len(lines))
	}
}

// brokenWriter takes half of what it gets.
type brokenWriter struct{ err error }

func (w brokenWriter) Write(b []byte) (int, error) { return len(b) / 2, w.err }

func TestSinkThatFails(t *testing.T) {
	for _, cause := range []error{nil, errors.New("gone")} {
		if _, err := NewSink(brokenWriter{cause}, time.Now).Append(t.Context(), record("a")); secret.KindOf(err) != secret.Unavailable {
			t.Errorf("%v", err)
		}
	}
}

func TestDialSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := DialSink(path, time.Now)
	if _, err := s.Append(t.Context(), record("nobody listens")); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"a", "b"} { // the other side begins anew
		in, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Append(t.Context(), record(name)); err != nil {
			t.Fatal(err)
		}
		conn, err := in.Accept()
		if err != nil {
			t.Fatal(err)
		}
		text, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(text, `"name":"`+name+`"`) {
			t.Errorf("%q, %v", text, err)
		}
		if err := errors.Join(conn.Close(), in.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
