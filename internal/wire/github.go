package wire

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// GitHub is where a job of GitHub Actions gets its identity token. The zero
// GitHub is none.
type GitHub struct {
	URL      string // ACTIONS_ID_TOKEN_REQUEST_URL
	Token    secret.Value
	Audience string // empty: the runner's own
}

const (
	jobTimeout    = 15 * time.Second
	maxTokenBytes = 64 << 10
)

// errGitHub is about a variable that the runner sets.
var errGitHub error = secret.Errorf(secret.Invalid, "", "ACTIONS_ID_TOKEN_REQUEST_URL is no https address")

// Check refuses an address that would show the job's token to the network; the
// error is Invalid.
func (g GitHub) Check() error {
	if g.URL == "" {
		return nil
	}
	u, err := url.Parse(g.URL)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u.Hostname())) {
		return errGitHub
	}
	return nil
}

// Identity asks for a token that tells who the job is, good for the audience
// alone. Unauthenticated: the job may not have one. Otherwise the kind is that
// of [Failure].
func (g GitHub) Identity(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	status, text, err := g.ask(ctx)
	if err != nil {
		kind, why := Failure(err)
		return "", secret.Errorf(kind, "", "GitHub Actions gives no identity token: %s", why)
	}
	var told struct {
		Value string `json:"value"`
	}
	switch {
	case status >= 500 || status == http.StatusTooManyRequests:
		return "", secret.Errorf(secret.Unavailable, "", "GitHub Actions answers %d where a job gets its identity token", status)
	case status != http.StatusOK || json.Unmarshal(text, &told) != nil || told.Value == "":
		return "", secret.Errorf(secret.Unauthenticated, "", "GitHub Actions gives this job no identity token: it answers %d\n  permissions: {id-token: write}", status)
	}
	return told.Value, nil
}

func (g GitHub) ask(ctx context.Context) (status int, text []byte, err error) {
	u, err := url.Parse(g.URL)
	if err != nil {
		return 0, nil, errGitHub
	}
	if g.Audience != "" {
		q := u.Query()
		q.Set("audience", g.Audience)
		u.RawQuery = q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, nil, errGitHub
	}
	r.Header.Set("Authorization", "Bearer "+string(g.Token.Reveal()))
	r.Header.Set("Accept", "application/json")
	rt, err := NewTransport(TLS{}) // GitHub's certificate, not the store's
	if err != nil {
		return 0, nil, err
	}
	client := Client(rt)
	defer client.CloseIdleConnections() // a job asks once
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxTokenBytes))
	return resp.StatusCode, text, err
}
