package backendtest_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

func endpoint(t *testing.T, f flaws) backendtest.EndpointConfig {
	t.Helper()
	var n atomic.Int64
	return backendtest.EndpointConfig{
		Target: newTinyServer(t),
		Open: func(t backendtest.TB, address, caCert string) secret.Backend {
			rt, err := wire.NewTransport(wire.TLS{CACert: caCert})
			if err != nil {
				t.Fatalf("%v", err)
			}
			return newTiny(fmt.Sprintf("%s/%d", address, n.Add(1)), address, rt, f)
		},
		Data:    func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, "/login") },
		Batch:   func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/batch") },
		SignsIn: true,
		Budget:  20 * time.Second,
	}
}

func TestSoundClientFailsNoEndpointCase(t *testing.T) {
	t.Parallel()
	asked := strings.Join(backendtest.RunEndpoint(t, endpoint(t, flaws{})), "\n") + "\n"
	if os.Getenv("TACIT_TEST_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(asked), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if readGolden(t) != asked {
		t.Errorf("the cases asked are not those of %s: look, then TACIT_TEST_UPDATE=1", golden)
	}
}

// TestEndpointCasesFindFlaws: each case fails with a client that is wrong in
// what it asks.
func TestEndpointCasesFindFlaws(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for c, f := range map[string]flaws{
		"wire: untrusted certificate is refused":                       {trustsAll: true},
		"wire: unreachable address is unavailable":                     {noKind: true},
		"wire: redirect to another host is never followed":             {follows: true},
		"wire: answer with tacit's own mark is refused":                {triesAll: true},
		"wire: requests are marked and tell values in bodies only":     {valueInURL: true},
		"wire: errors that quote the request tell no value":            {quotes: true},
		"wire: each status that is no success is an error":             {endlessTries: true},
		"wire: refused write writes nothing":                           {noKind: true},
		"wire: missing right is denied":                                {noKind: true},
		"wire: credential that is over is unauthenticated":             {noKind: true},
		"wire: credential that is over is replaced":                    {noSignIn: true},
		"wire: batch that is denied is read one by one":                {noFallback: true},
		"wire: throttled for a moment is served":                       {noTries: true},
		"wire: throttled for long is unavailable":                      {endlessTries: true},
		"wire: retry-after is heeded":                                  {impatient: true},
		"wire: server error for a moment is served":                    {noTries: true},
		"wire: reset read is tried again":                              {noTries: true},
		"wire: write without an answer makes one version, or an error": {newIDs: true},
		"wire: slow answer is unavailable when the context is done":    {quiet: true},
		"wire: done context ends the tries":                            {deaf: true},
		"wire: faults now and then lose nothing":                       {newIDs: true},
		"wire: answer that is too long is an error":                    {noKind: true},
		"wire: garbage is an error":                                    {takesAll: true},
		"wire: list that breaks off is an error":                       {losesLists: true},
	} {
		if seen[c] = true; len(backendtest.EndpointFailures(t, endpoint(t, f), c)) == 0 {
			t.Errorf("%q does not fail with %+v", c, f)
		}
	}
	for _, c := range strings.Split(strings.TrimSpace(readGolden(t)), "\n") {
		if !seen[c] {
			t.Errorf("no flaw makes %q fail", c)
		}
	}
}

const golden = "testdata/endpoint.golden"

func readGolden(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
