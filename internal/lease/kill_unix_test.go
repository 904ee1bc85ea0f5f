//go:build unix

package lease_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// TestMain runs the test binary as the process that is killed, where a test
// asks for one.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LEASE_TEST_DIR"); dir != "" {
		at, _ := strconv.Atoi(os.Getenv("LEASE_TEST_KILL"))
		if err := live(dir, at); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// steps counts what a process does to the world, and kills it at one of them.
type steps struct{ n, at int }

func (s *steps) step() {
	if s.n++; s.n == s.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// around does something with a chance to be killed before and after it.
func (s *steps) around(f func() error) error {
	s.step()
	err := f()
	s.step()
	return err
}

// files keeps notes as files.
type files struct {
	*steps
	dir string
}

func (r files) Put(_ context.Context, name string, b []byte) error {
	return r.around(func() error { // in one step, as the embedded store does
		part := filepath.Join(r.dir, ".part")
		return errors.Join(os.WriteFile(part, b, 0o600), os.Rename(part, filepath.Join(r.dir, name)))
	})
}

func (r files) Delete(_ context.Context, name string) error {
	return r.around(func() error {
		if err := os.Remove(filepath.Join(r.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func (r files) All(context.Context) (map[string][]byte, error) {
	out := map[string][]byte{}
	entries, err := os.ReadDir(r.dir)
	for _, e := range entries {
		if b, err := os.ReadFile(filepath.Join(r.dir, e.Name())); err == nil && !strings.HasPrefix(e.Name(), ".") {
			out[e.Name()] = b
		}
	}
	return out, err
}

// credentials is a store whose leases are files.
type credentials struct {
	*mem.Store
	*steps
	dir string
}

func (s credentials) Issue(context.Context, secret.Name, time.Duration) (secret.Lease, error) {
	id := strconv.FormatInt(time.Now().UnixNano(), 36)
	err := s.around(func() error { return os.WriteFile(filepath.Join(s.dir, id), nil, 0o600) })
	return secret.Lease{ID: id, Value: secret.Text(canary), Expires: time.Now().Add(time.Hour), Renewable: true}, err
}

func (s credentials) Renew(_ context.Context, id string, ttl time.Duration) (secret.Lease, error) {
	return secret.Lease{ID: id, Expires: time.Now().Add(ttl), Renewable: true}, nil
}

func (s credentials) Revoke(_ context.Context, id string) error {
	return s.around(func() error {
		if err := os.Remove(filepath.Join(s.dir, id)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// openKilled opens a book over folders; at says which step is the last.
func openKilled(dir string, at int) (*lease.Book, error) {
	s := &steps{at: at}
	for _, d := range []string{"notes", "leases", "owners"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	set, err := policy.New(policy.Config{Owner: "user:mia"})
	if err != nil {
		return nil, err
	}
	store := credentials{mem.New(nil), s, filepath.Join(dir, "leases")}
	door, err := broker.New(broker.Config{Envs: map[string]broker.Env{"prod": broker.Opened(store)}, Policy: set, Log: &records{}})
	if err != nil {
		return nil, err
	}
	return lease.New(door, files{s, filepath.Join(dir, "notes")}, filepath.Join(dir, "owners"), nil), nil
}

// live is the life of a lease: issued, handed out, renewed, revoked.
func live(dir string, at int) error {
	ctx := context.Background()
	b, err := openKilled(dir, at)
	if err != nil {
		return err
	}
	l, err := b.Issue(ctx, mia(), app(), time.Hour, true)
	if err != nil {
		return err
	}
	fmt.Println("handed out")
	n, err := b.Renew(ctx, mia(), l.Note, time.Hour)
	if err != nil {
		return err
	}
	return b.GiveBack(ctx, n, "its command ended")
}

// Killed at each step, a process leaves no lease behind: the next one revokes
// it, or tells that one may be there whose id nobody knows. That one was never
// handed out.
func TestKilledAtEachStep(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for at := 1; ; at++ {
		dir := t.TempDir()
		cmd := exec.Command(self, "-test.run=^$")
		cmd.Env = append(os.Environ(), "LEASE_TEST_DIR="+dir, "LEASE_TEST_KILL="+strconv.Itoa(at))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		handed := strings.Contains(string(out), "handed out")
		b, failed := openKilled(dir, 0)
		if failed != nil {
			t.Fatal(failed)
		}
		got, failed := b.Sweep(t.Context(), nil)
		if failed != nil {
			t.Fatal(failed)
		}
		left, _ := os.ReadDir(filepath.Join(dir, "leases"))
		owners, _ := os.ReadDir(filepath.Join(dir, "owners"))
		noted := notes(t, b)
		b.Close()
		switch {
		case err == nil: // it lived on to the end
			if at < 12 || lost != 2 || len(got)+len(left)+len(noted) > 0 {
				t.Errorf("%d steps, %d times lost, swept %v, left %v", at, lost, got, left)
			}
			return
		case len(got) == 1 && got[0].Lost && !handed && len(left) <= 1:
			lost++ // between the store's answer and the note, or before the store was asked
			if len(left) == 0 {
				lost--
			}
		case len(left) > 0:
			t.Errorf("killed at step %d: left %v, swept %+v", at, left, got)
		}
		if len(noted) > 0 || len(owners) > 0 && len(got) > 0 {
			t.Errorf("killed at step %d: noted %+v, owners %v", at, noted, owners)
		}
	}
}
