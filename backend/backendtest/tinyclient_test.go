package backendtest_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// tiny is a backend over a tinyServer, with flaws or without.
type tiny struct {
	flaws
	base, root string
	client     *http.Client
	signed     *atomic.Bool
}

func newTiny(base, root string, rt http.RoundTripper, f flaws) tiny {
	if f.trustsAll || f.unmarked {
		rt = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}
	}
	c := wire.Client(rt)
	if f.follows {
		c = &http.Client{Transport: rt}
	}
	return tiny{flaws: f, base: base, root: root, client: c, signed: new(atomic.Bool)}
}

func (c tiny) fail(k secret.Kind, n secret.Name, text string, err error) error {
	if c.noKind {
		return errors.New(text)
	}
	return &secret.Error{Kind: k, Name: n, Text: fmt.Sprintf("%s of the tiny store: %s\n  tacit env check", n, text), Err: err}
}

// do sends a request as often as it is worth it, and returns the items of its
// answer.
func (c tiny) do(ctx context.Context, method, path string, n secret.Name, body string) ([]item, error) {
	var last error
	signed := 0
	for try := range 40 {
		if try > 0 && c.noTries || try > 4 && !c.endlessTries {
			break
		}
		got, err := c.send(ctx, method, path, body)
		switch {
		case err != nil:
			kind, text := wire.Failure(err)
			if last = c.fail(kind, n, text, err); c.quiet {
				last = c.fail(kind, n, text, nil)
			}
			if kind != secret.Unavailable && !c.triesAll || interrupted(ctx) && !c.deaf {
				return nil, last
			}
		case got.status == http.StatusOK:
			return c.items(n, got.body)
		case got.status == http.StatusUnauthorized && signed == 0 && !c.noSignIn:
			signed = 1
			c.signed.Store(false)
			continue
		default:
			if last = c.refused(n, got.status, got.body); secret.KindOf(last) != secret.Unavailable && !c.triesAll {
				return nil, last
			}
		}
		if !c.wait(ctx, seconds(got.header)) {
			return nil, c.fail(secret.Unavailable, n, "interrupted", ctx.Err())
		}
	}
	return nil, last
}

func (c tiny) wait(ctx context.Context, seconds int) bool {
	d := time.Duration(seconds) * time.Second
	if c.impatient {
		d = 0
	}
	if c.deaf { // it looks at the context after its last try
		ctx = context.WithoutCancel(ctx)
		d = min(d, 50*time.Millisecond)
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (c tiny) refused(n secret.Name, status int, body []byte) error {
	text := fmt.Sprintf("it answers %d", status)
	if c.quotes {
		text += ": " + string(body)
	}
	switch {
	case status == 401:
		return c.fail(secret.Unauthenticated, n, text, nil)
	case status == 403:
		return c.fail(secret.Denied, n, text, nil)
	case status == 404:
		return &secret.Error{Kind: secret.NotFound, Name: n, Text: "not there"}
	case status == 429:
		return c.fail(secret.Unavailable, n, "too many requests", nil)
	case status >= 500 && (status != 501 || c.triesAll):
		return c.fail(secret.Unavailable, n, text, nil)
	case status == 501:
		return c.fail(secret.Unsupported, n, text, nil)
	default:
		return c.fail(secret.Invalid, n, text, nil)
	}
}

func (c tiny) items(n secret.Name, b []byte) ([]item, error) {
	var got struct {
		Items *[]item `json:"items"`
	}
	if err := json.Unmarshal(b, &got); (err != nil || got.Items == nil) && !c.takesAll {
		return nil, c.fail(secret.Corrupt, n, "the answer is none", nil)
	}
	if got.Items == nil {
		s := ""
		return []item{{ID: "x", Value: &s}}, nil
	}
	return *got.Items, nil
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

// send sends one request, after signing in if need be.
func (c tiny) send(ctx context.Context, method, path, body string) (reply, error) {
	if c.signed.CompareAndSwap(false, true) {
		if got, err := c.send(ctx, http.MethodGet, "", ""); err != nil || got.status != http.StatusOK {
			c.signed.Store(false)
			return got, err
		}
	}
	url := c.root + "/login"
	if path != "" {
		url = c.base + path
	}
	if c.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Authorization", "t")
	answer, err := c.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, b}, err
}

func (c tiny) Get(ctx context.Context, n secret.Name, _ secret.At) (secret.Version, error) {
	if err := n.Check(); err != nil {
		return secret.Version{}, err
	}
	got, err := c.do(ctx, http.MethodGet, "/s/"+string(n), n, "")
	if err != nil || len(got) == 0 {
		return secret.Version{}, err
	}
	v := secret.Version{ID: got[0].ID, Number: got[0].Number, Stages: []secret.Stage{secret.Current}}
	if got[0].Value != nil {
		v.Value = secret.Text(*got[0].Value)
	}
	return v, nil
}

func (c tiny) Put(ctx context.Context, n secret.Name, v secret.Value, _ *secret.PutOptions) (secret.Version, error) {
	id := func() secret.VersionID {
		b := make([]byte, 16)
		_, _ = rand.Read(b)
		return secret.VersionID(hex.EncodeToString(b))
	}
	own := id()
	var got []item
	var err error
	for range 5 {
		once := c
		if once.noTries = c.noTries || c.newIDs; c.newIDs {
			own = id() // each try is a write of its own
		}
		got, err = once.do(ctx, http.MethodPut, "/s/"+string(n)+query(own, c.flaws, v), n, string(v.Reveal()))
		if !c.newIDs || secret.KindOf(err) != secret.Unavailable {
			break
		}
	}
	if err != nil || len(got) == 0 {
		return secret.Version{}, err
	}
	return secret.Version{ID: got[0].ID, Number: got[0].Number}, nil
}

func (c tiny) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		got, err := c.do(ctx, http.MethodGet, "/v/"+string(n), n, "")
		if err != nil {
			yield(secret.Version{}, err)
			return
		}
		for _, i := range got {
			if !yield(secret.Version{ID: i.ID, Number: i.Number}, nil) {
				return
			}
		}
	}
}

func (c tiny) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	m := secret.Meta{Name: n}
	for v, err := range c.Versions(ctx, n) {
		if err != nil {
			return secret.Meta{}, err
		}
		m.Versions = append(m.Versions, v)
	}
	return m, nil
}

func (c tiny) Delete(ctx context.Context, n secret.Name, _ *secret.DeleteOptions) (secret.Meta, error) {
	_, err := c.do(ctx, http.MethodDelete, "/s/"+string(n), n, "")
	return secret.Meta{}, err
}

func (c tiny) List(ctx context.Context, _ *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	return func(yield func(secret.Meta, error) bool) {
		got, err := c.do(ctx, http.MethodGet, "/l", "", "")
		if err != nil && !c.losesLists {
			yield(secret.Meta{}, err)
			return
		}
		for _, i := range got {
			if !yield(secret.Meta{Name: i.Name}, nil) {
				return
			}
		}
	}
}

func (c tiny) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	out := make([]secret.Result, len(names))
	b, err := json.Marshal(names)
	var got []item
	if err == nil {
		got, err = c.do(ctx, http.MethodPost, "/batch", "", string(b))
	}
	for i, n := range names {
		switch {
		case err != nil && c.noFallback:
			out[i].Err = err
		case err != nil || len(got) != len(names) || got[i].Error != "" || got[i].Value == nil:
			out[i].Version, out[i].Err = c.Get(ctx, n, secret.At{})
		default:
			out[i].Version.Value = secret.Text(*got[i].Value)
		}
	}
	return out
}
