package vault

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/openbao/openbao/api/v2"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// maxStored is the size of the largest value as it is stored: in JSON, and with
// what this package adds. Integrated storage takes entries of 1 MiB, and seals
// and frames what it is given.
const maxStored = 1<<20 - 4<<10

// MaxValueBytes is the size of the largest value: of a text without characters
// that JSON escapes. Other values are larger when they are stored, so fewer of
// their bytes fit.
const MaxValueBytes = maxStored - len(`{"encoding":"utf-8","value":""}`)

// InFlight is how many requests a listing has under way at most.
const InFlight = 32

// Backend is a KV engine of Vault or OpenBao. The zero Backend is not usable:
// see [New].
type Backend struct {
	settings Settings
	where    string // host and port, for people
	client   *api.Client
	session  *session
	mount    mount
	listing  listing
	limiting limiting
	retry    retry
}

var (
	_ secret.Backend        = (*Backend)(nil)
	_ secret.Versioner      = (*Backend)(nil)
	_ secret.Swapper        = (*Backend)(nil)
	_ secret.Creator        = (*Backend)(nil)
	_ secret.Undeleter      = (*Backend)(nil)
	_ secret.VersionRemover = (*Backend)(nil)
	_ secret.Annotator      = (*Backend)(nil)
	_ secret.Limiter        = (*Backend)(nil)
	_ secret.Fitter         = (*Backend)(nil)
	_ secret.Narrower       = (*Backend)(nil)
)

// New returns the backend that the settings describe. It asks the network
// nothing: the first call signs in. The error is Invalid.
func New(s Settings) (*Backend, error) {
	s.Mount = strings.Trim(s.Mount, "/")
	if s.Mount == "" {
		s.Mount = "secret"
	}
	s.Namespace = strings.Trim(s.Namespace, "/")
	address, err := s.check()
	if err != nil {
		return nil, err
	}
	transport, err := wire.NewTransport(s.TLS)
	if err != nil {
		return nil, err
	}
	return open(s, address, transport)
}

// open is New over a transport.
func open(s Settings, address *url.URL, transport http.RoundTripper) (*Backend, error) {
	b := &Backend{settings: s, where: address.Host, retry: patient()}
	b.listing.names, b.listing.full = pageNames, pageFull
	conf := &api.Config{
		Address:            strings.TrimSuffix(address.String(), "/"),
		HttpClient:         wire.Client(transport),
		CheckRetry:         func(context.Context, *http.Response, error) (bool, error) { return false, nil }, // retries are ours
		DisableEnvironment: true,
		DisableRedirects:   true, // a token goes nowhere but to the address
		// A server that answers behind another says so by an index, which
		// the next request gives back.
		DefaultStrongConsistency: true,
	}
	client, err := api.NewClient(conf)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "the address of the store cannot be used")
	}
	client.SetInconsistent() // the server's own rule: 412 until it has caught up
	if s.Namespace != "" {
		client.SetNamespace(s.Namespace)
	}
	b.client = client
	how, err := b.newSigner(s.Auth)
	if err != nil {
		return nil, err
	}
	b.session = newSession(how, b)
	return b, nil
}

// check refuses settings that no store can be reached by.
func (s *Settings) check() (*url.URL, error) {
	address, err := s.checkAddress()
	if err != nil {
		return nil, err
	}
	for what, path := range map[string]string{"mount": s.Mount, "namespace": s.Namespace} {
		if path != "" && secret.Name(path).Check() != nil {
			return nil, secret.Errorf(secret.Invalid, "", "the %s of the store is no path: segments between \"/\", without control characters", what)
		}
	}
	if s.Version < 0 || s.Version > 2 {
		return nil, secret.Errorf(secret.Invalid, "", "the KV engine has version 1 or 2, not %d", s.Version)
	}
	return address, nil
}

func (s *Settings) checkAddress() (*url.URL, error) {
	const remedy = "\n  address = \"https://vault.example.com:8200\""
	if s.Address == "" {
		return nil, secret.Errorf(secret.Invalid, "", "the store has no address"+remedy)
	}
	u, err := url.Parse(s.Address)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, secret.Errorf(secret.Invalid, "", "the address of the store is no URL"+remedy)
	}
	switch {
	case u.User != nil: // its password would be shown by every error
		return nil, secret.Errorf(secret.Invalid, "", "the address of the store holds a user"+remedy)
	case u.Scheme == "https", u.Scheme == "http" && (s.PlainHTTP || wire.Loopback(u.Hostname())):
		return u, nil
	case u.Scheme == "http":
		return nil, secret.Errorf(secret.Invalid, "", "the address of the store is http, which shows values to the network"+remedy)
	default:
		return nil, secret.Errorf(secret.Invalid, "", "the address of the store begins with %q"+remedy, u.Scheme+":")
	}
}

// ready refuses a call whose context is done, or whose name is none or none
// that the store takes.
func ready(ctx context.Context, n secret.Name) error {
	if err := n.Check(); err != nil {
		return err
	}
	if !printable(string(n)) {
		return secret.Errorf(secret.Invalid, n, "Vault takes no name with characters that cannot be printed, or with spaces other than U+0020\n  choose a name without them")
	}
	return interrupted(ctx, n)
}

// printable tells what the store takes in paths and custom metadata.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// interrupted is the error of a context that is done; nil if it is not.
func interrupted(ctx context.Context, n secret.Name) error {
	if err := ctx.Err(); err != nil {
		return &secret.Error{Kind: secret.Unavailable, Name: n, Text: "interrupted", Err: err}
	}
	return nil
}

// engine makes a call ready: it returns the version of the KV engine.
func (b *Backend) engine(ctx context.Context, n secret.Name) (int, error) {
	if err := ready(ctx, n); err != nil {
		return 0, err
	}
	v, err := b.version(ctx, n)
	if err == nil {
		err = plainName(v, n)
	}
	return v, err
}

// versioned makes a call ready that needs version 2 of the engine.
func (b *Backend) versioned(ctx context.Context, n secret.Name) error {
	v, err := b.engine(ctx, n)
	if err == nil && v == 1 {
		return b.unsupported(n)
	}
	return err
}

// unsupported is the answer of version 1 of the engine to what it cannot do.
func (b *Backend) unsupported(n secret.Name) error {
	return secret.Errorf(secret.Unsupported, n, "%s/ is version 1 of the KV engine, which keeps one value and nothing else\n  vault kv enable-versioning %[1]s", b.settings.Mount)
}

// missing is the error for a secret that is not there.
func missing(n secret.Name) *secret.Error {
	return secret.Errorf(secret.NotFound, n, "there is no such secret")
}

// noVersion is the error for a version that is not there, of a secret that is.
func noVersion(n secret.Name, at secret.At) *secret.Error {
	what := "it has no version yet"
	switch {
	case at.Number != 0:
		what = fmt.Sprintf("it has no version %d", at.Number)
	case at.ID != "":
		what = "it has no version of this id"
	case at.Stage != "":
		what = fmt.Sprintf("it has no version at the stage %q", string(at.Stage))
	}
	return &secret.Error{Kind: secret.NotFound, State: secret.NoVersion, Name: n, Text: what + "\n  tacit history " + string(n)}
}

// deleted is the error of a secret that has to be brought back first.
func deleted(k secret.Kind, n secret.Name) *secret.Error {
	return &secret.Error{Kind: k, State: secret.Deleted, Name: n, Text: "it is deleted\n  tacit undelete " + string(n)}
}

// patient is how long a busy store is waited for.
func patient() retry {
	return retry{tries: 6, dials: 4, total: 45 * time.Second, base: 250 * time.Millisecond, most: 8 * time.Second}
}
