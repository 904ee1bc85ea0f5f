package mem_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/backendtest"
	"github.com/tacit-secrets/tacit/backend/mem"
	"github.com/tacit-secrets/tacit/secret"
)

// ofVault is Vault's second key-value engine: numbers that count, versions
// that are removed one by one, leases.
type ofVault struct {
	shape
	keepsVersions
	swaps
	creates
	undeletes
	annotates
	secret.VersionRemover
	secret.Limiter
	secret.Lessor
	keeper
}

// flat is Vault's first engine, in a backend that knows both.
type flat struct {
	shape
	away
	keeper
}

// ofAWS has numbers that are times, and stages that move.
type ofAWS struct {
	shape
	keepsVersions
	swaps
	readsBatches
	creates
	undeletes
	annotates
	moves
	keeper
}

// ofAzure has numbers that are times, attributes of versions, and no
// compare-and-swap.
type ofAzure struct {
	shape
	keepsVersions
	keepsAttributes
	undeletes
	annotates
	packs
	keeper
}

func newVault(now func() time.Time) secret.Backend {
	s := mem.New(now)
	p := shape{s: s, versions: true, annotations: true, undelete: true, nameless: true, endless: true}
	return ofVault{p, keepsVersions{p}, swaps{p}, creates{p}, undeletes{p}, annotates{p}, s, s, newIssuer(), keeper{}}
}

func newFlat(now func() time.Time) secret.Backend {
	return flat{shape{s: mem.New(now), nameless: true}, away{}, keeper{}}
}

func newAWS(now func() time.Time) secret.Backend {
	keeps := regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]+$`)
	p := shape{
		s: mem.New(now), versions: true, stages: true, annotations: true, undelete: true, byTime: true, noEmpty: true, most: 65_536,
		refuses: func(n secret.Name) bool { return !keeps.MatchString(string(n)) },
	}
	return ofAWS{p, keepsVersions{p}, swaps{p}, readsBatches{p}, creates{p}, undeletes{p}, annotates{p}, moves{p}, keeper{}}
}

func newAzure(now func() time.Time) secret.Backend {
	p := shape{s: mem.New(now), versions: true, annotations: true, attributes: true, undelete: true, byTime: true, nameless: true, most: 25_600}
	return ofAzure{p, keepsVersions{p}, keepsAttributes{p}, undeletes{p}, annotates{p}, packs{p}, keeper{}}
}

// shapes are the stores that others have; what they do not say is as of mem.
func shapes() map[string]backendtest.Config {
	ofKind := []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits", "leases", "posture", "rules"}
	aws, _ := newAWS(nil).(ofAWS)
	return map[string]backendtest.Config{
		"plain": {
			New: func(_ backendtest.TB, now func() time.Time) secret.Backend { return shape{s: mem.New(now)} },
		},
		"flat": {
			New:          func(_ backendtest.TB, now func() time.Time) secret.Backend { return newFlat(now) },
			Capabilities: ofKind, Unsupported: ofKind[:8],
		},
		"vault": {
			New:          func(_ backendtest.TB, now func() time.Time) secret.Backend { return newVault(now) },
			Capabilities: ofKind, NoPurge: true, Lease: issued,
		},
		"aws": {
			New:           func(_ backendtest.TB, now func() time.Time) secret.Backend { return newAWS(now) },
			Capabilities:  []string{"versions", "swap", "create", "undelete", "stages", "annotations", "batch", "posture", "rules"},
			MaxValueBytes: 65_536, NoEmpty: true, Refuses: aws.refuses,
		},
		"azure": {
			New:           func(_ backendtest.TB, now func() time.Time) secret.Backend { return newAzure(now) },
			Capabilities:  []string{"versions", "undelete", "annotations", "attributes", "backup", "posture", "rules"},
			MaxValueBytes: 25_600,
		},
	}
}

func TestSuiteIsFairToOtherShapes(t *testing.T) {
	for name, cfg := range shapes() {
		t.Run(name, func(t *testing.T) {
			if cfg.MaxValueBytes == 0 {
				cfg.MaxValueBytes = mem.MaxValueBytes
			}
			asked := strings.Join(backendtest.Run(t, cfg), "\n") + "\n"
			golden := "testdata/shape-" + name + ".golden"
			if os.Getenv("TACIT_TEST_UPDATE") != "" {
				if err := os.WriteFile(golden, []byte(asked), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(golden); err != nil || string(want) != asked {
				t.Errorf("the cases asked are not those of %s (%v): look, then TACIT_TEST_UPDATE=1", golden, err)
			}
		})
	}
}
