package awssm

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

// A lab is a wire server whose answers a test can bend.
type lab struct {
	*Backend
	srv *awswire.Server

	mu    sync.Mutex
	allow func(c awswire.Call) bool
	bend  func(operation string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc)
}

func newLab(t testing.TB, s Settings) *lab {
	t.Helper()
	l := &lab{}
	l.srv = awswire.New(awswire.Options{
		Allow: func(c awswire.Call) bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.allow == nil || l.allow(c)
		},
		Around: func(operation string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			l.mu.Lock()
			bend := l.bend
			l.mu.Unlock()
			if bend == nil {
				next(w, r)
				return
			}
			bend(operation, w, r, next)
		},
	})
	server := httptest.NewServer(l.srv)
	t.Cleanup(server.Close)
	if s.Region == "" {
		s.Region = "eu-west-1"
	}
	s.Endpoint = server.URL
	l.Backend = open(t, s)
	return l
}

func (l *lab) allows(f func(c awswire.Call) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allow = f
}

func (l *lab) bends(f func(operation string, w http.ResponseWriter, r *http.Request, next http.HandlerFunc)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bend = f
}

// sent are the requests of a piece of work, by operation.
func (l *lab) sent(work func()) map[string]int {
	before := l.srv.Requests()
	work()
	out := l.srv.Requests()
	for op, n := range before {
		if out[op] -= n; out[op] == 0 {
			delete(out, op)
		}
	}
	return out
}

func (l *lab) must(t testing.TB, n secret.Name, s string) secret.Version {
	t.Helper()
	v, err := l.Put(t.Context(), n, secret.Text(s), nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// labels are those of all versions, tacit's own mark included.
func (l *lab) labels(t *testing.T, n secret.Name) []string {
	t.Helper()
	s, id, err := l.ready(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.read.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, labels := range out.VersionIdsToStages {
		all = append(all, labels...)
	}
	slices.Sort(all)
	return all
}

func fail(w http.ResponseWriter, code, message string) {
	awswire.WriteError(w, &awswire.Error{Code: code, Message: message})
}

func want(t *testing.T, got map[string]int, what string) {
	t.Helper()
	if fmt.Sprint(got) != what {
		t.Errorf("%v is sent, want %s", got, what)
	}
}
