package vault

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// What the store says in its errors. Its own texts are looked at, never passed
// on: a store has been known to repeat what it was sent.
const (
	saysSwap     = "check-and-set parameter did not match"
	saysMetaSwap = "metadata check-and-set parameter" // required, or of another time
	saysOther    = "Invalid path for a versioned K/V secrets engine"
	saysNoRoute  = "no handler for route"
	saysLarge    = "value being too large"
	saysNoSpace  = "namespace not found"
	saysTLS      = "HTTP request to an HTTPS server"
)

// classify makes an error of an answer that is none of success: of one kind,
// about one secret, with the way out.
func (b *Backend) classify(r request, got *answer) *secret.Error {
	if err := b.fromText(r, got); err != nil {
		return err
	}
	if got.status/100 == 3 {
		return secret.Errorf(secret.Invalid, r.name, "%s sends to another address, where the token does not go\n  address = that of the active server, or of a load balancer", b.where)
	}
	switch got.status {
	case http.StatusForbidden, http.StatusUnauthorized:
		return b.refused(r, got)
	case http.StatusTooManyRequests:
		return secret.Errorf(secret.Unavailable, r.name, "%s takes no more requests now%s\n  try again later, or ask for a higher quota: sys/quotas/rate-limit", b.where, later(got.tell))
	case http.StatusPreconditionFailed:
		return secret.Errorf(secret.Unavailable, r.name, "this server of %s is behind the others", b.where)
	case http.StatusNotFound:
		return secret.Errorf(secret.NotFound, r.name, "%s has nothing at %s", b.where, r.path)
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return secret.Errorf(secret.Unsupported, r.name, "%s cannot %s %s", b.where, strings.ToLower(r.method), r.path)
	default:
		if got.status >= 500 {
			return secret.Errorf(secret.Unavailable, r.name, "%s answers %d %s", b.where, got.status, http.StatusText(got.status))
		}
		return secret.Errorf(secret.Invalid, r.name, "%s refuses to %s %s: %d %s\n  its audit log says why", b.where, strings.ToLower(r.method), r.path, got.status, http.StatusText(got.status))
	}
}

// fromText makes an error of what the store says; nil where that is left to the
// status.
func (b *Backend) fromText(r request, got *answer) *secret.Error {
	switch {
	case sealed(got):
		return secret.Errorf(secret.Unavailable, r.name, "%s is sealed\n  vault operator unseal", b.where)
	case tooLarge(got):
		return secret.Errorf(secret.Invalid, r.name, "the value is larger than %s takes", b.where)
	case got.said(saysNoRoute):
		return secret.Errorf(secret.Invalid, r.name, "nothing is mounted at %s/ of %s\n  vault secrets enable -path=%[1]s kv-v2", b.settings.Mount, b.where)
	case got.said(saysNoSpace):
		return secret.Errorf(secret.Invalid, r.name, "%s has no namespace %s\n  vault namespace list", b.where, cmp.Or(r.space, b.settings.Namespace))
	case got.said(saysOther):
		if b.settings.Version != 0 {
			return b.otherVersion(r.name, 2)
		}
		b.mount.forget()
		return secret.Errorf(secret.Unavailable, r.name, "%s/ of %s is of another version of the KV engine than it was\n  try again", b.settings.Mount, b.where)
	case got.status == http.StatusBadRequest && bytes.Contains(got.whole, []byte(saysTLS)):
		return secret.Errorf(secret.Invalid, r.name, "%s speaks TLS, and the address begins with http://\n  address = \"https://%[1]s\"", b.where)
	case got.said(saysSwap), got.said(saysMetaSwap):
		return secret.Errorf(secret.Conflict, r.name, "it was changed meanwhile")
	}
	return nil
}

func later(told string) string {
	if strings.Trim(told, "0") == "" || strings.Trim(told, "0123456789") != "" || len(told) > 9 {
		return ""
	}
	return ", and asks to wait " + told + " s"
}

// refused tells who was not let in from what was not allowed. It names the line
// that a policy lacks.
func (b *Backend) refused(r request, got *answer) *secret.Error {
	if unauthenticated(got) {
		return secret.Errorf(secret.Unauthenticated, r.name, "%s does not take the token: it is expired, revoked or of another store\n  vault login -address=%s", b.where, b.settings.Address)
	}
	return secret.Errorf(secret.Denied, r.name, "%s does not allow %s at %s\n  path %[3]q { capabilities = [%[2]q] }", b.where, r.capability, r.path)
}

// unauthenticated tells a token that the store does not know from one that is
// not allowed something, which the store says with more words.
func unauthenticated(got *answer) bool {
	if got.status == http.StatusUnauthorized || got.said("invalid token") || got.said("bad token") {
		return true
	}
	return got.status == http.StatusForbidden && len(got.Errors) == 1 && got.Errors[0] == "permission denied"
}

// sealed tells a store that cannot be used until somebody opens it. A mount may
// be called so too.
func sealed(got *answer) bool {
	return got.status == http.StatusServiceUnavailable && got.said("sealed")
}

func tooLarge(got *answer) bool {
	return got.status == http.StatusRequestEntityTooLarge || got.said(saysLarge)
}

// elsewhere tells a 404 that says nothing about the secret.
func (b *Backend) elsewhere(got *answer) bool {
	return got.said(saysNoRoute) || got.said(saysOther) || got.said(saysNoSpace)
}

// failed makes an error of a request that was not answered.
func (b *Backend) failed(ctx context.Context, r request, err error) error {
	if e, ok := errors.AsType[*secret.Error](err); ok {
		return named(e, r.name)
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded): // nobody interrupted anything
		return &secret.Error{Kind: secret.Unavailable, Name: r.name, Text: b.where + " did not answer in time", Err: ctx.Err()}
	case ctx.Err() != nil:
		return &secret.Error{Kind: secret.Unavailable, Name: r.name, Text: "interrupted, while " + b.where + " was asked", Err: ctx.Err()}
	}
	if errors.Is(err, errStrange) {
		return b.strange(r.name)
	}
	kind, text := wire.Failure(err)
	remedy := "check the address, and that the store runs: vault status"
	if _, foreign := errors.AsType[x509.HostnameError](err); foreign {
		remedy = "check the address, or say whom the certificate is for: server_name = \"HOST\""
	} else if kind == secret.Invalid {
		remedy = "check the address, and which authority is believed: ca_cert = \"FILE\""
	}
	return &secret.Error{Kind: kind, Name: r.name, Text: b.where + ": " + text + "\n  " + remedy, Err: err}
}

// strange is the error of an answer in another form than Vault's.
func (b *Backend) strange(n secret.Name) *secret.Error {
	return secret.Errorf(secret.Invalid, n, "what answers at %s is not Vault\n  check the address: vault status", b.where)
}

// hopeless tells errors that another try does not better.
func hopeless(err error) bool {
	kind, _ := wire.Failure(err)
	return kind != secret.Unavailable || errors.Is(err, errStrange)
}

// named says which secret an error is about, if it says none.
func named(err error, n secret.Name) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || e.Name != "" || n == "" {
		return err
	}
	about := *e
	about.Name = n
	return &about
}

// uncertain is the error of a write that may have been made.
func (b *Backend) uncertain(n secret.Name, why error, number uint64) error {
	return &secret.Error{
		Kind: secret.Unavailable, Name: n, Err: why,
		Text: fmt.Sprintf("%s did not answer, and may have kept version %d or not\n  tacit history %s", b.where, number, n),
	}
}

// unwrapped is an error without what says that its outcome is unknown.
func unwrapped(err error) error {
	if u, ok := errors.AsType[unclear](err); ok {
		return u.error
	}
	return err
}
