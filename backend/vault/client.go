package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// rootSpace is what the outermost namespace is called, which is named by naming
// none.
const rootSpace = "root"

// methodList is what the store calls listing; on the wire it is a GET.
const methodList = "LIST"

// tryTimeout bounds one try of a request.
const tryTimeout = 60 * time.Second

// A request is one call of the store's API.
type request struct {
	method     string
	path       string // below /v1/, not encoded
	query      url.Values
	body       []byte // JSON; nil: none
	name       secret.Name
	capability string // what the policy must allow at the path
	// once says that a second try may do harm: where the first one may have
	// been carried out, the error is unclear.
	once bool
	// open: sent without the session's token, as a sign-in is.
	open bool
	// token is sent instead of it, where the request is open.
	token string
	// space is the namespace that is meant, if it is another one.
	space string
}

// An answer is what the store said. Status 2xx is success; 404 with Data is
// what the store tells of a version that is not served.
type answer struct {
	status int
	at     time.Time // the store's clock, a second late at most
	tell   string    // Retry-After

	Data          json.RawMessage `json:"data"`
	Auth          json.RawMessage `json:"auth"`
	WrapInfo      json.RawMessage `json:"wrap_info"`
	LeaseID       string          `json:"lease_id"`
	LeaseDuration int64           `json:"lease_duration"`
	Renewable     bool            `json:"renewable"`
	Warnings      []string        `json:"warnings"`
	Errors        []string        `json:"errors"`

	whole []byte // the text
}

// ok tells success.
func (a *answer) ok() bool { return a.status/100 == 2 }

// said tells whether one of the answer's errors or warnings contains a text.
func (a *answer) said(text string) bool {
	for _, all := range [][]string{a.Errors, a.Warnings} {
		for _, s := range all {
			if strings.Contains(s, text) {
				return true
			}
		}
	}
	return false
}

// unclear says that a request may or may not have been carried out, and why.
// It never leaves the package.
type unclear struct {
	error
	tell string // Retry-After
}

// Unwrap returns why.
func (u unclear) Unwrap() error { return u.error }

// A flaw is an error that is a constant.
type flaw string

// Error returns the text.
func (f flaw) Error() string { return string(f) }

// errStrange says that what answers is no Vault.
const errStrange flaw = "the answer is not one of Vault"

// retry says how long a busy store is waited for.
type retry struct {
	tries      int
	dials      int           // tries where there is not even a connection: most often it is the address, or the network
	total      time.Duration // of all waits
	base, most time.Duration // of the first wait, and of the longest
}

// pause waits, or returns why it did not.
func (r *retry) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// after is how many tries there are at most, where the last one ended so. Where
// no connection came about in time, the system has tried for seconds already.
func (r *retry) after(err error) int {
	if err == nil || !wire.Unsent(err) {
		return r.tries
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return 1
	}
	return min(r.tries, r.dials)
}

// wait is the time before another try: twice as long each time, with jitter, so
// that many callers do not come back at once, and so much more than the store
// asks for. It asks for whole seconds and cuts off the rest: less than one is 0.
func (r *retry) wait(try int, told string) time.Duration {
	d := min(r.base<<try, r.most)
	d = d/2 + rand.N(d/2+1)                                          //nolint:gosec // jitter, no secret
	if seconds, err := strconv.ParseUint(told, 10, 31); err == nil { // more than that is no time to wait
		d += time.Duration(seconds) * time.Second
	}
	return d
}

// do sends a request until it is answered for good. What it returns without an
// error is an answer below 500 that no further try would better.
func (b *Backend) do(ctx context.Context, r request) (*answer, error) {
	refused, left := "", b.retry.total
	for try := 0; ; try++ {
		token, err := b.tokenFor(ctx, r, refused)
		if err != nil {
			return nil, named(err, r.name)
		}
		got, err := b.try(ctx, r, token)
		if err == nil && !r.open && refused == "" && unauthenticated(got) {
			if _, err := b.session.token(ctx, token); err != nil {
				return nil, named(err, r.name)
			}
			refused = token
			continue
		}
		again, told := worthwhile(ctx, r, got, err)
		if again {
			wait := b.retry.wait(try, told)
			left -= wait
			again = try+1 < b.retry.after(err) && left >= 0 && b.retry.pause(ctx, wait) == nil
		}
		if !again {
			return b.done(ctx, r, got, err)
		}
	}
}

// done is the last word about a request.
func (b *Backend) done(ctx context.Context, r request, got *answer, err error) (*answer, error) {
	switch {
	case err != nil && r.once && !wire.Unsent(err):
		return nil, unclear{error: b.failed(ctx, r, err)}
	case err != nil:
		return nil, b.failed(ctx, r, err)
	case got.status >= 500 && r.once && !sealed(got) && !tooLarge(got):
		return nil, unclear{b.classify(r, got), got.tell}
	case got.status >= 500, got.status == http.StatusTooManyRequests, got.status == http.StatusPreconditionFailed:
		return nil, b.classify(r, got)
	default:
		return got, nil
	}
}

func (b *Backend) tokenFor(ctx context.Context, r request, refused string) (string, error) {
	if r.open {
		return r.token, nil
	}
	return b.session.token(ctx, refused)
}

// worthwhile tells whether another try may do better, and what the store says
// about when.
func worthwhile(ctx context.Context, r request, got *answer, err error) (again bool, told string) {
	if ctx.Err() != nil {
		return false, ""
	}
	if err != nil {
		return !hopeless(err) && (!r.once || wire.Unsent(err)), ""
	}
	switch got.status {
	case http.StatusPreconditionFailed, http.StatusTooManyRequests:
		return true, got.tell // refused before anything was done
	case http.StatusBadRequest:
		return got.said("Upgrading from non-versioned"), got.tell
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return !r.once && !sealed(got) && !tooLarge(got), got.tell
	default:
		return false, ""
	}
}

// in is the client for a namespace; the empty one is the settings' own.
func (b *Backend) in(space string) *api.Client {
	switch space {
	case "":
		return b.client
	case rootSpace:
		return b.client.WithNamespace("")
	default:
		return b.client.WithNamespace(space)
	}
}

// try sends a request once.
func (b *Backend) try(ctx context.Context, r request, token string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	method := r.method
	if method == methodList {
		method = http.MethodGet
	}
	client := b.in(r.space)
	out := client.NewRequest(method, "/v1/"+r.path)
	for k, v := range r.query {
		out.Params[k] = v
	}
	if r.method == methodList {
		out.Params.Set("list", "true")
	}
	out.ClientToken = token
	if r.body != nil {
		out.BodyBytes = r.body
		out.Headers.Set("Content-Type", "application/json")
	}
	if r.method == http.MethodPatch {
		out.Headers.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := client.RawRequestWithContext(ctx, out)
	if resp != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	if err != nil && (resp == nil || !answered(err)) {
		return nil, err
	}
	return read(ctx, resp)
}

// answered tells whether an error of the client is an answer of the store.
func answered(err error) bool { _, ok := errors.AsType[*api.ResponseError](err); return ok }

// read takes an answer apart. What a server says that saw us go is none.
func read(ctx context.Context, resp *api.Response) (*answer, error) {
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK && len(text) == 0 {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	got := answer{}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &got); err != nil {
			got = answer{}
			if resp.StatusCode/100 == 2 {
				return nil, unreadable(err, len(text))
			}
		}
	}
	got.whole = text
	got.status, got.tell = resp.StatusCode, resp.Header.Get("Retry-After")
	if got.at, err = http.ParseTime(resp.Header.Get("Date")); err == nil {
		got.at = got.at.Add(time.Second) // it has no fractions
	} else {
		got.at = time.Now()
	}
	return &got, nil
}

// unreadable tells half an answer from one that is not Vault's.
func unreadable(err error, size int) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok && size > 0 && e.Offset >= int64(size) {
		return io.ErrUnexpectedEOF
	}
	return errStrange
}

// get reads a path. Absent tells a 404; every other answer but success is an
// error.
func (b *Backend) get(ctx context.Context, r request) (got *answer, absent bool, err error) {
	got, err = b.do(ctx, r)
	switch {
	case err != nil:
		return nil, false, err
	case got.ok():
		return got, false, nil
	case got.status == http.StatusNotFound && !b.elsewhere(got):
		return got, true, b.contradicted(ctx, r.name)
	default:
		return nil, false, b.classify(r, got)
	}
}

// send changes something. A 404 is an error as well.
func (b *Backend) send(ctx context.Context, r request) (*answer, error) {
	got, err := b.do(ctx, r)
	if err == nil && !got.ok() {
		err = b.classify(r, got)
	}
	return got, err
}

// jsonBody is what a request says. What is encoded are this package's own
// types, which always can be.
func jsonBody(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil
	}
	return b.Bytes()
}
