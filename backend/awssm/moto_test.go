package awssm

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/secret"
)

// moto returns the address of moto's server.
func moto(t *testing.T) string {
	t.Helper()
	address := os.Getenv("TACIT_TEST_AWS_ENDPOINT")
	switch {
	case address != "":
		return address
	case os.Getenv("TACIT_TEST_STORES") == "required":
		t.Fatal("TACIT_TEST_AWS_ENDPOINT is not set")
	default:
		t.Skip("no server of moto: make test-stores starts one")
	}
	return ""
}

// deviations are the cases that moto 5.2.1 answers otherwise than AWS, and
// what it does. Each is asked of awswire too, which follows what was recorded
// of AWS.
func deviations() map[string]string {
	const (
		source  = " (https://github.com/getmoto/moto/blob/5.2.1/moto/secretsmanager/models.py)"
		seconds = "it keeps whole seconds, so that versions have equal numbers" + source
		stale   = "it serves the old value after AWSCURRENT was moved: update_secret_version_stage leaves default_version_id as it is" + source
		reused  = "it writes and creates over a secret that is scheduled for deletion, or says that it exists" + source
		crashes = "it answers ListSecretVersionIds of a missing secret by status 500" + source
	)
	return map[string]string{
		"get, describe and list tell the same":                  seconds,
		"old versions are read by id, number and stage":         seconds,
		"versions come newest first, without values":            seconds,
		"numbers grow and ids differ":                           seconds,
		"describe tells versions newest first, all if complete": seconds,
		"conflict names the version in the way":                 seconds,
		"move stage keeps other stages":                         seconds,
		"swap wants the current version":                        stale,
		"moving current leaves previous behind":                 stale,
		"writers at once lose nothing":                          stale,
		"two instances at once lose nothing":                    stale,
		"each promise: deleted secret is told":                  reused,
		"put over a deleted secret is a conflict":               reused,
		"create keeps a secret without a version":               reused,
		"each promise: missing secret is not found, and named":  crashes,
		"versions of a missing secret are not found":            crashes,
		"move stage compares and swaps":                         "it takes the label away before it finds that there is no version to give it to" + source,
		"annotations outlive versions":                          "it does not clear a description" + source,
	}
}

// TestConformanceMoto asks every promise over moto's server.
func TestConformanceMoto(t *testing.T) {
	address := moto(t)
	isolate(t)
	cfg := promises()
	cfg.OwnClock, cfg.Skips = true, deviations()
	cfg.Budget = 20 * time.Second // writers that never see each other's versions would go on
	cfg.New = func(tb backendtest.TB, _ func() time.Time) secret.Backend {
		emptied(tb, address)
		// Cases that fail by equal seconds must not pass by luck.
		if begun := time.Duration(time.Now().Nanosecond()); begun > 600*time.Millisecond {
			time.Sleep(time.Second - begun)
		}
		return open(tb, Settings{Region: "eu-west-1", Endpoint: address})
	}
	golden(t, "testdata/moto.golden", backendtest.Run(t, cfg))
}

// emptied lets moto forget everything.
func emptied(tb backendtest.TB, address string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, address+"/moto-api/reset", nil)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	_ = answer.Body.Close()
}
