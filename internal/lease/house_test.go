package lease_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

const canary = "canary-77b2"

func mia() secret.Caller { return secret.Caller{Principal: "user:mia", How: secret.ByUID} }

func eve() secret.Caller { return secret.Caller{Principal: "agent:eve", How: secret.ByMark} }

func app() secret.Ref { return secret.Ref{Env: "prod", Name: "database/creds/app"} }

// issuer is a store that makes leases by the rules of Vault: none lives longer
// than most after it was issued.
type issuer struct {
	*mem.Store
	mu         sync.Mutex
	now        func() time.Time
	most       time.Duration
	live       map[string]time.Time // id → when it was issued
	renewals   int
	n          int
	fixed      bool  // what it issues cannot be renewed
	fail       error // of Issue, after the lease was made
	failRevoke error
	failRenew  func(n int) error
}

func (s *issuer) Issue(_ context.Context, n secret.Name, ttl time.Duration) (secret.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	id := string(n) + "/" + string(rune('a'+s.n))
	s.live[id] = s.now()
	return secret.Lease{ID: id, Name: n, Value: secret.Text(canary), Expires: s.now().Add(ttl), Renewable: !s.fixed}, s.fail
}

func (s *issuer) Renew(_ context.Context, id string, ttl time.Duration) (secret.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewals++
	if s.failRenew != nil {
		if err := s.failRenew(s.renewals); err != nil {
			return secret.Lease{}, err
		}
	}
	issued, ok := s.live[id]
	if !ok {
		return secret.Lease{}, secret.Errorf(secret.NotFound, "", "the lease ended")
	}
	end := s.now().Add(ttl)
	if limit := issued.Add(s.most); end.After(limit) {
		end = limit
	}
	return secret.Lease{ID: id, Expires: end, Renewable: true}, nil
}

func (s *issuer) Revoke(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failRevoke != nil {
		return s.failRevoke
	}
	delete(s.live, id)
	return nil
}

func (s *issuer) left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.live))
}

// rows keeps notes in memory; fail, if set, refuses to keep one.
type rows struct {
	mu   sync.Mutex
	all  map[string][]byte
	fail func(b []byte) error
}

func (r *rows) Put(_ context.Context, name string, b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(b); err != nil {
			return err
		}
	}
	r.all[name] = slices.Clone(b)
	return nil
}

func (r *rows) Delete(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, name)
	return nil
}

func (r *rows) All(context.Context) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.all), nil
}

// records keeps the audit log in memory.
type records struct {
	mu  sync.Mutex
	all []audit.Record
}

func (l *records) Append(_ context.Context, rs ...audit.Record) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := uint64(len(l.all))
	l.all = append(l.all, rs...)
	return first, nil
}

type house struct {
	*lease.Book
	store *issuer
	rows  *rows
	log   *records
	door  *broker.Broker
	dir   string
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{rows: &rows{all: map[string][]byte{}}, log: &records{}, dir: t.TempDir()}
	h.store = &issuer{Store: mem.New(nil), now: time.Now, most: 24 * time.Hour, live: map[string]time.Time{}}
	set, err := policy.New(policy.Config{Owner: "user:mia"})
	if err != nil {
		t.Fatal(err)
	}
	h.door, err = broker.New(broker.Config{Envs: map[string]broker.Env{"prod": broker.Opened(h.store)}, Policy: set, Log: h.log})
	if err != nil {
		t.Fatal(err)
	}
	h.Book = h.another()
	t.Cleanup(h.Close)
	return h
}

// another is the same book as another process sees it.
func (h *house) another() *lease.Book { return lease.New(h.door, h.rows, h.dir, nil) }

func (h *house) issue(t testing.TB, ttl time.Duration, tied bool) lease.Issued {
	t.Helper()
	l, err := h.Issue(t.Context(), mia(), app(), ttl, tied)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func notes(t testing.TB, b *lease.Book) []lease.Note {
	t.Helper()
	all, err := b.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantKind(t *testing.T, err error, k secret.Kind) {
	t.Helper()
	if got := secret.KindOf(err); got != k {
		t.Fatalf("err = %v (%v), want kind %v", err, got, k)
	}
}

var errDown = errors.New("down")

func unavailable() error {
	return &secret.Error{Kind: secret.Unavailable, Text: "the store is sealed", Err: errDown}
}
