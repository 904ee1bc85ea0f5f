package backendtest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/secret"
)

// EndpointConfig says what is tested of a backend with an endpoint. The cases
// break what goes over the wire to and from a real server, or one that follows
// its recorded behaviour.
type EndpointConfig struct {
	// Target is where the server is. TargetCACert is the PEM file of the
	// authority that its certificate is of; empty: it has none, or a system's.
	Target, TargetCACert string
	// Open returns a backend over an empty store that sends all its requests to
	// address, and believes the authorities in the PEM file caCert; empty: the
	// system's. It may wait less between tries than in earnest, but tries as
	// often. What it needs to have an empty store it asks of Target.
	Open func(t TB, address, caCert string) secret.Backend

	// Data tells the requests about secrets from those that sign in or look
	// around; nil: all are. Write tells those of Data that change something;
	// nil: by the method. Batch tells those that read many secrets.
	Data, Write, Batch func(r *http.Request) bool

	// Error is an error in the store's own form. Nil: no more than the status.
	Error func(status int, message string) fault.Answer
	// Throttled is how the store says that there are too many requests; the
	// zero Answer: by 429.
	Throttled fault.Answer
	// Denied is how it says that a right is missing, Expired that the
	// credential is over. The zero Answers: by 403 and 401.
	Denied, Expired fault.Answer
	// SignsIn: the backend gets itself a new credential when one is over.
	SignsIn bool
	// NoRetryAfter: the store's own client heeds no Retry-After.
	NoRetryAfter bool

	// MaxTries is how often a request is sent at most. Zero means 12.
	MaxTries int
	// Budget bounds a case. Zero means a minute.
	Budget time.Duration
	// Skips are as those of Config.
	Skips map[string]string
}

// An endpoint is a case under way: a backend, a proxy between it and its
// store, and what is known of both.
type endpoint struct {
	*T
	ec EndpointConfig
	p  *fault.Proxy
}

type endpointCase struct {
	name  string
	needs func(e *endpoint) bool
	ask   func(e *endpoint)
}

// RunEndpoint asks all cases about the wire that apply, each as a subtest, and
// returns their names.
func RunEndpoint(t *testing.T, cfg EndpointConfig) []string {
	t.Helper()
	return runAll(t, cfg.cases(t), Config{Skips: cfg.Skips})
}

// EndpointFailures asks the cases of these names, or all, and returns the names
// of those that fail.
func EndpointFailures(t *testing.T, cfg EndpointConfig, only ...string) []string {
	t.Helper()
	var failed []string
	for _, c := range cfg.cases(t) {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		if c.fails(t, Config{}) {
			failed = append(failed, c.name)
		}
	}
	return failed
}

// cases are those that apply, as cases of Run: each opens what it needs.
func (cfg EndpointConfig) cases(t *testing.T) []testCase {
	t.Helper()
	cfg.fill()
	one := cfg.open(newT(t, Config{New: func(TB, func() time.Time) secret.Backend { return nil }}))
	var out []testCase
	for _, c := range slices.Concat(trustCases(), statusCases(), tryCases(), answerCases()) {
		if c.needs == nil || c.needs(one) {
			out = append(out, testCase{name: c.name, ask: func(t *T) { c.ask(cfg.open(t)) }, raw: true})
		}
	}
	return out
}

func (cfg *EndpointConfig) fill() {
	all := func(*http.Request) bool { return true }
	if cfg.Data == nil {
		cfg.Data = all
	}
	if cfg.Write == nil {
		cfg.Write = func(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }
	}
	if cfg.Error == nil {
		cfg.Error = func(status int, message string) fault.Answer { return fault.Answer{Status: status, Body: message} }
	}
	for a, status := range map[*fault.Answer]int{&cfg.Throttled: 429, &cfg.Denied: 403, &cfg.Expired: 401} {
		if a.Status == 0 {
			*a = cfg.Error(status, "")
		}
	}
	if cfg.MaxTries == 0 {
		cfg.MaxTries = 12
	}
	if cfg.Budget == 0 {
		cfg.Budget = time.Minute
	}
}

func (cfg EndpointConfig) open(t *T) *endpoint {
	t.cfg.Budget = cfg.Budget
	t.limit()
	e := &endpoint{T: t, ec: cfg, p: fault.New(t, cfg.Target, cfg.TargetCACert)}
	t.b = cfg.Open(t, e.p.Address, e.p.CACert)
	return e
}

// breaks sets one rule: so many requests about secrets are answered by f. Zero
// times is all.
func (e *endpoint) breaks(times int, f fault.Fault) {
	e.p.Set(fault.Rule{On: e.ec.Data, Times: times, Do: f})
}

// loses sets one rule for requests that change something.
func (e *endpoint) loses(times int, f fault.Fault) {
	e.p.Set(fault.Rule{On: func(r *http.Request) bool { return e.ec.Data(r) && e.ec.Write(r) }, Times: times, Do: f})
}

// mends lets all pass again.
func (e *endpoint) mends() { e.p.Set() }

// says expects an error of a kind that tells what to do, in a line of its own.
func (e *endpoint) says(err error, k secret.Kind, what ...string) {
	e.Helper()
	e.fails(err, k, 0)
	if err == nil {
		return
	}
	text := err.Error()
	if !strings.Contains(text, "\n  ") {
		e.Errorf("nothing is said about the way out: %q", text)
	}
	if len(what) > 0 && !slices.ContainsFunc(what, func(w string) bool { return strings.Contains(strings.ToLower(text), w) }) {
		e.Errorf("%q says none of %q", text, what)
	}
}

// isAnError expects an error of exactly one kind, without a value.
func (e *endpoint) isAnError(what string, err error) {
	e.Helper()
	if k := secret.KindOf(err); err == nil || k == 0 {
		e.Errorf("%s: %v is of no kind", what, err)
		return
	}
	e.fails(err, secret.KindOf(err), secret.StateOf(err))
}

func (e *endpoint) get(n secret.Name) error {
	_, err := e.b.Get(e.Context(), n, secret.At{})
	return err
}

func (e *endpoint) write(n secret.Name, s string) error {
	_, err := e.b.Put(e.Context(), n, text(s), nil)
	return err
}

// count is how many versions there are, as far as the store keeps them.
func (e *endpoint) count(n secret.Name) int {
	e.Helper()
	out := 0
	if !is[secret.Versioner](e.T) {
		if e.get(n) == nil {
			out = 1
		}
		return out
	}
	for _, err := range use[secret.Versioner](e.T).Versions(e.Context(), n) {
		if secret.KindOf(err) == secret.NotFound {
			return 0
		}
		e.ok(err)
		out++
	}
	return out
}
