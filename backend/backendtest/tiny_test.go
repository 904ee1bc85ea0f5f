package backendtest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// tinyServer is a store over HTTP, as small as can be: secrets in memory,
// tokens that end.
type tinyServer struct {
	mu     sync.Mutex
	stores map[string]*mem.Store // by the first segment of the path
}

// An item is what it says about one version.
type item struct {
	Name   secret.Name      `json:"name,omitempty"`
	ID     secret.VersionID `json:"id"`
	Number uint64           `json:"number"`
	Value  *string          `json:"value,omitempty"`
	Error  string           `json:"error,omitempty"`
}

func newTinyServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(&tinyServer{stores: map[string]*mem.Store{}})
	t.Cleanup(s.Close)
	return s.URL
}

func (s *tinyServer) store(name string) *mem.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stores[name] == nil {
		s.stores[name] = mem.New(nil)
	}
	return s.stores[name]
}

// ServeHTTP knows GET, PUT, DELETE /STORE/s/NAME, GET /STORE/v/NAME, /STORE/l,
// and POST /STORE/batch.
func (s *tinyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	if len(parts) < 2 {
		_, _ = io.WriteString(w, `{"token":"t"}`) // the sign-in
		return
	}
	if r.Header.Get("Authorization") != "t" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	st := s.store(parts[0])
	var n secret.Name
	if len(parts) == 3 {
		n = secret.Name(parts[2])
	}
	out, err := answer(r, st, parts[1], n)
	if err != nil {
		w.WriteHeader(map[secret.Kind]int{secret.NotFound: 404, secret.Conflict: 409}[secret.KindOf(err)])
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"items": out})
}

func answer(r *http.Request, st *mem.Store, what string, n secret.Name) ([]item, error) {
	ctx, out := r.Context(), []item{}
	switch {
	case what == "s" && r.Method == http.MethodGet:
		return one(st.Get(ctx, n, secret.At{}))
	case what == "s" && r.Method == http.MethodPut:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		return one(st.Put(ctx, n, secret.Text(b), &secret.PutOptions{ID: secret.VersionID(r.URL.Query().Get("id"))}))
	case what == "s" && r.Method == http.MethodDelete:
		return out, st.Destroy(ctx, n)
	case what == "v":
		for v, err := range st.Versions(ctx, n) {
			if err != nil {
				return nil, err
			}
			out = append(out, itemOf(v))
		}
	case what == "l":
		for m, err := range st.List(ctx, &secret.ListOptions{After: r.URL.Query().Get("after")}) {
			if err != nil {
				return nil, err
			}
			out = append(out, item{Name: m.Name})
		}
	default:
		var names []secret.Name
		if err := json.NewDecoder(r.Body).Decode(&names); err != nil {
			return nil, err
		}
		for i, got := range st.GetBatch(ctx, names) {
			it := itemOf(got.Version)
			if it.Name = names[i]; got.Err != nil {
				it.Error = "none"
			}
			out = append(out, it)
		}
	}
	return out, nil
}

func one(v secret.Version, err error) ([]item, error) { return []item{itemOf(v)}, err }

func itemOf(v secret.Version) item {
	it := item{ID: v.ID, Number: v.Number}
	if !v.Value.IsZero() {
		s := string(v.Value.Reveal())
		it.Value = &s
	}
	return it
}

// flaws are what a client may have wrong.
type flaws struct {
	trustsAll, unmarked, follows, valueInURL, quotes   bool
	noTries, endlessTries, triesAll, newIDs, impatient bool
	takesAll, losesLists, noFallback, noSignIn, noKind bool
	quiet, deaf                                        bool
}

// query is what a client adds to a put's address.
func query(id secret.VersionID, f flaws, v secret.Value) string {
	q := "?id=" + string(id)
	if f.valueInURL {
		q += "&v=" + string(v.Reveal())
	}
	return q
}

func seconds(h http.Header) int {
	n, _ := strconv.Atoi(h.Get("Retry-After"))
	return n
}

// interrupted tells whether the caller went.
func interrupted(ctx context.Context) bool { return ctx.Err() != nil }
