package azurekv

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// MaxValueBytes is the size of the largest value, as the vault keeps it: bytes
// that are no text take four thirds of their number.
const MaxValueBytes = 25600

// A Backend is one vault. Make one with [New].
//
// A Put that replaces the same version as another writer's is noticed, by one
// of the two at least: Conflict, and both values are kept as versions. There is
// no compare-and-swap in Key Vault, and so no [secret.Swapper] here.
type Backend struct {
	settings Settings
	tune     tuning
	vault    string // the first label of the host
	host     string // with its port, if that is not 443
	http     *http.Client
	cert     *certificate // of an application that signs in by one
	gate     gate
	limits   *limits
	busy     locks                        // one writer for each name
	job      atomic.Pointer[secret.Error] // why GitHub gave no token

	mu     sync.Mutex
	client *azsecrets.Client // made at the first use, kept for ever
}

var (
	_ secret.Backend          = (*Backend)(nil)
	_ secret.Versioner        = (*Backend)(nil)
	_ secret.Undeleter        = (*Backend)(nil)
	_ secret.Annotator        = (*Backend)(nil)
	_ secret.VersionAnnotator = (*Backend)(nil)
	_ secret.Archiver         = (*Backend)(nil)
	_ secret.Prober           = (*Backend)(nil)
	_ secret.Grantor          = (*Backend)(nil)
)

// tuning is what only tests change.
type tuning struct {
	now        func() time.Time
	retryDelay time.Duration // the first one
	retries    int32
	poll       time.Duration // the first pause between looks at a transition
	settle     time.Duration // how long a transition is waited for
	pages      int           // of one list
	perSecond  float64       // requests; zero: no limit
	writes     float64
}

// maxRetryDelay is the longest pause between tries. A store that asks for a
// longer one is not waited for.
const maxRetryDelay = 16 * time.Second

// defaults are Microsoft's: one, two, four, eight, sixteen seconds; four
// thousand requests and three hundred new versions in ten seconds.
func defaults() tuning {
	return tuning{now: time.Now, retryDelay: time.Second, retries: 5, poll: 200 * time.Millisecond, settle: time.Minute, pages: 20_000, perSecond: 350, writes: 25}
}

// New returns a backend for a vault. It asks no network: the first use signs
// in. The error is Invalid.
func New(s Settings) (*Backend, error) { return open(s, defaults()) }

func open(s Settings, t tuning) (*Backend, error) {
	b := &Backend{settings: s, tune: t}
	if err := b.checkAddress(); err != nil {
		return nil, err
	}
	if err := b.checkCredential(); err != nil {
		return nil, err
	}
	rt, err := wire.NewTransport(s.TLS)
	if err != nil {
		return nil, err
	}
	b.http = wire.Client(rt)
	b.limits = &limits{limiters: s.Rates.of(b.host, t)}
	return b, nil
}

// checkAddress takes the vault's address apart.
func (b *Backend) checkAddress() error {
	u, err := url.Parse(b.settings.Address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return secret.Errorf(secret.Invalid, "", "the address is not that of a vault\n  it is like https://my-vault.vault.azure.net") // and may hold a password
	}
	b.host = strings.TrimSuffix(strings.ToLower(u.Host), ":443")
	b.vault, _, _ = strings.Cut(strings.ToLower(u.Hostname()), ".")
	if strings.HasPrefix(u.Hostname(), "127.") {
		b.vault = b.host
	}
	if a := b.settings.Authority; a != "" {
		if u, err := url.Parse(a); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
			return secret.Errorf(secret.Invalid, "", "the authority is no address of one\n  it is like https://login.microsoftonline.us/")
		}
	}
	return nil
}

// open returns the client of the vault. There is one for the life of the
// backend: it keeps the token and what the challenge said.
func (b *Backend) secrets() (*azsecrets.Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client != nil {
		return b.client, nil
	}
	cred, err := b.credential()
	if err != nil {
		return nil, err
	}
	client, err := b.connect(&signIn{b: b, cred: cred})
	if err != nil {
		return nil, &secret.Error{Kind: secret.Invalid, Text: "the client of Key Vault " + b.vault + ": " + err.Error()}
	}
	b.client = client
	return client, nil
}

// connect makes the client, which asks nothing yet.
func (b *Backend) connect(cred azcore.TokenCredential) (*azsecrets.Client, error) {
	return azsecrets.NewClient("https://"+b.host, cred, &azsecrets.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport:        b.http,
		Retry:            policy.RetryOptions{MaxRetries: b.tune.retries, RetryDelay: b.tune.retryDelay, MaxRetryDelay: maxRetryDelay, ShouldRetry: worthRetry},
		Telemetry:        policy.TelemetryOptions{ApplicationID: "tacit"},
		PerCallPolicies:  []policy.Policy{sameHost(b.host), &b.gate},
		PerRetryPolicies: []policy.Policy{b.limits, sound(b.host)},
	}})
}

// begin is what each call does first: it checks the name, the context, and
// finds the client and the name in the vault.
func (b *Backend) begin(ctx context.Context, n secret.Name) (call, error) {
	if err := n.Check(); err != nil {
		return call{}, err
	}
	c, err := b.start(ctx, n)
	if err != nil {
		return call{}, err
	}
	c.az, c.whole = wire.AzureName(string(n))
	return c, nil
}

// start is begin for what is not about one secret.
func (b *Backend) start(ctx context.Context, n secret.Name) (call, error) {
	if ctx.Err() != nil {
		return call{}, interrupted(ctx, n)
	}
	client, err := b.secrets()
	if err != nil {
		return call{}, err
	}
	return call{b: b, c: client, n: n}, nil
}

// A call is one method under way.
type call struct {
	b     *Backend
	c     *azsecrets.Client
	n     secret.Name
	az    string // its name in the vault
	whole bool   // which tells all of it
}

func interrupted(ctx context.Context, n secret.Name) error {
	text := "interrupted"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		text = "Key Vault gave no answer in time\n  try again in a minute"
	}
	return &secret.Error{Kind: secret.Unavailable, Name: n, Text: text, Err: ctx.Err()}
}

// worthRetry tells what may be otherwise in a while.
func worthRetry(resp *http.Response, err error) bool {
	if err != nil {
		return !final(err)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// final tells errors below HTTP that stay: a name that there is not, a
// certificate that is not believed, an address that is tacit's own, or where
// nothing listens.
func final(err error) bool {
	kind, _ := wire.Failure(err)
	return kind != secret.Unavailable || unknownHost(err) || errors.Is(err, syscall.ECONNREFUSED)
}

// shortened tells what the vault's name of a secret looks like that was too
// long.
func shortened(az string) bool {
	i := len(az) - 29
	return i > 0 && az[i:i+3] == "--x" && strings.Trim(az[i+3:], "abcdefghijklmnopqrstuvwxyz234567") == ""
}
