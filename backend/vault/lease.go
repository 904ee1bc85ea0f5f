package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

var _ secret.Lessor = (*Backend)(nil)

// What the store says of leases and of the rules that they are made by.
const (
	saysNoLease     = "lease not found"
	saysNotRenewed  = "lease is not renewable"
	saysNotRevoked  = "failed to revoke"
	saysNoRole      = "unknown role"
	saysRoleMissing = "role not found"
)

// Issue implements [secret.Lessor]. A name is the path of an engine's mount and
// what lies below it, database/creds/app; parameters may follow it, as in
// pki/issue/web?common_name=web.example.com. The value is a JSON object, as the
// engine answers.
//
// Only engines that make credentials are asked: a KV engine's values are not
// had under another name.
func (b *Backend) Issue(ctx context.Context, name secret.Name, ttl time.Duration) (secret.Lease, error) {
	if err := ready(ctx, name); err != nil {
		return secret.Lease{}, err
	}
	r, err := b.issuing(ctx, name, ttl)
	if err != nil {
		return secret.Lease{}, err
	}
	if err := b.session.lend(ctx); err != nil { // a lease lasts no longer than its token
		return secret.Lease{}, named(err, name)
	}
	asked := time.Now() // the lease began later than this
	got, err := b.send(ctx, r.request)
	if err != nil {
		return secret.Lease{}, b.notIssued(r, got, err)
	}
	l := secret.Lease{ID: got.LeaseID, Name: name, Value: secret.Text(string(got.Data)), Renewable: got.Renewable, Expires: got.ends(asked)}
	if !r.leaseless && l.ID == "" {
		return secret.Lease{}, secret.Errorf(secret.Unsupported, name, "%s answers with no lease at %s\n  tacit get reads what a KV engine keeps", b.where, r.path)
	}
	if l.ID == "" {
		l.Renewable = false
		return l, nil
	}
	b.session.lent(l.ID)
	l.Expires = b.session.atMost(ctx, l.Expires)
	return l, nil
}

// ends tells when what an answer holds ends; zero if the answer does not tell.
func (a *answer) ends(asked time.Time) time.Time {
	var told struct {
		Expiration json.Number `json:"expiration"` // of a certificate
		TTL        json.Number `json:"ttl"`        // until a static credential is changed
	}
	if a.LeaseID == "" && json.Unmarshal(a.Data, &told) == nil {
		if at, err := told.Expiration.Int64(); err == nil && at > 0 {
			return time.Unix(min(at, asked.Add(longest).Unix()), 0)
		}
		if left, err := told.TTL.Int64(); err == nil && left > 0 {
			return asked.Add(lasting(left))
		}
	}
	if a.LeaseDuration <= 0 {
		return time.Time{}
	}
	return asked.Add(lasting(a.LeaseDuration))
}

// issued is a request that makes a credential.
type issued struct {
	request
	leaseless bool   // the engine gives no lease, and the credential is one all the same
	roles     string // where most engines list the rules that they issue by
}

// issuing makes the request for a name: it asks what is mounted there.
func (b *Backend) issuing(ctx context.Context, name secret.Name, ttl time.Duration) (issued, error) {
	path, query, _ := strings.Cut(string(name), "?")
	if secret.Name(path).Check() != nil || strings.Contains(path, "..") { // the store takes ".." anywhere for a way out
		return issued{}, secret.Errorf(secret.Invalid, name, "what stands before ? is no path of a lease: segments between \"/\", without \"..\"")
	}
	params, err := parameters(query)
	if err != nil {
		return issued{}, secret.Errorf(secret.Invalid, name, "what follows ? is no list of parameters: write common_name=web.example.com&ip_sans=…")
	}
	engine, err := b.engineAt(ctx, name, path)
	if err != nil {
		return issued{}, err
	}
	below := strings.TrimPrefix(path, engine.path)
	r := issued{
		request:   request{method: http.MethodGet, path: path, name: name, capability: "read", once: true},
		leaseless: engine.kind == "pki" && strings.HasPrefix(below, "issue/") || strings.HasPrefix(below, "static-cred"),
		roles:     engine.path + "roles",
	}
	if strings.HasPrefix(below, "static-cred") {
		r.roles = engine.path + "static-roles"
	}
	if len(params) == 0 && !engine.posts(below) {
		return r, nil
	}
	if !makes(below) {
		return issued{}, secret.Errorf(secret.Unsupported, name, "%s makes no credentials at %s: it may be told things there, which is no lease's business\n  vault path-help %[2]s", b.where, path)
	}
	if _, said := params["ttl"]; ttl > 0 && !said {
		params["ttl"] = strconv.FormatInt(seconds(ttl), 10) + "s"
	}
	r.method, r.capability, r.body = http.MethodPost, "update", jsonBody(params)
	return r, nil
}

// makes tells the paths below an engine's mount at which a write makes
// credentials. At others it changes the engine.
func makes(below string) bool {
	segments := strings.Split(below, "/")
	last := segments[len(segments)-1]
	switch segments[0] {
	case "creds", "static-creds", "static-cred", "sts", "issue", "sign", "key", "token":
		return len(segments) > 1
	case "issuer": // of pki: issuer/REF/issue/ROLE
		return len(segments) == 4 && (segments[2] == "issue" || segments[2] == "sign")
	case "roleset", "static-account", "impersonated-account": // of gcp
		return len(segments) == 3 && (last == "token" || last == "key")
	case "library": // of ldap and ad
		return len(segments) > 2 && last == "check-out"
	default:
		return false
	}
}

// seconds are those that a time takes: what is asked for is not less than that.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// parameters reads what follows the path in a name.
func parameters(query string) (map[string]string, error) {
	out := map[string]string{}
	all, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	for k, v := range all {
		if k == "" || len(v) != 1 {
			return nil, errors.New("a parameter is given once")
		}
		out[k] = v[0]
	}
	return out, nil
}

// An engine is what is mounted somewhere.
type engine struct {
	path string // with "/" at its end
	kind string
}

// posts tells engines that make credentials by a write.
func (e engine) posts(below string) bool {
	switch e.kind {
	case "pki", "kubernetes", "ssh":
		return true
	case "aws":
		return strings.HasPrefix(below, "sts/")
	default:
		return false
	}
}

// engineAt tells which engine issues a name. Where that is not told, nothing is
// asked of it: it may keep secrets.
func (b *Backend) engineAt(ctx context.Context, name secret.Name, path string) (engine, error) {
	r := request{method: http.MethodGet, path: "sys/internal/ui/mounts/" + path, name: name, capability: "read"}
	got, err := b.do(ctx, r)
	switch {
	case err != nil:
		return engine{}, err
	case got.status == http.StatusForbidden && !unauthenticated(got):
		return engine{}, secret.Errorf(secret.NotFound, name, "%s has nothing mounted at %s, or nothing that the token may use\n  vault secrets list; path %[2]q { capabilities = [\"read\"] }", b.where, path)
	case !got.ok():
		return engine{}, b.classify(r, got)
	}
	var told struct {
		Path string `json:"path"`
		Type string `json:"type"`
	}
	if json.Unmarshal(got.Data, &told) != nil || !strings.HasPrefix(path, told.Path) {
		return engine{}, b.strange(name)
	}
	e := engine{told.Path, told.Type}
	if e.keeps() {
		return engine{}, secret.Errorf(secret.Unsupported, name, "%s of %s is an engine of type %q, which makes no credentials\n  tacit get reads what a KV engine keeps", e.path, b.where, e.kind)
	}
	return e, nil
}

// keeps tells engines that keep what they were given, or what nobody is to
// have, from those that make credentials.
func (e engine) keeps() bool {
	switch e.kind {
	case "", "kv", "generic", "cubbyhole", "system", "identity", "token", "transit", "totp", "transform", "kmip", "keymgmt":
		return true
	}
	return strings.HasPrefix(e.kind, "ns_")
}

// notIssued tells what came of a request that made no credential, or may have.
func (b *Backend) notIssued(r issued, got *answer, err error) error {
	if u, ok := errors.AsType[unclear](err); ok {
		return &secret.Error{Kind: secret.Unavailable, Name: r.name, Err: u.error, Text: b.where + " did not answer, and may have issued a lease or not: one that it did ends by itself"}
	}
	if got == nil {
		return err
	}
	if got.status < 500 && (got.said(saysNoRole) || got.said(saysRoleMissing) || got.said("does not exist") || got.status == http.StatusNotFound && !b.elsewhere(got)) {
		return secret.Errorf(secret.NotFound, r.name, "%s has no rules by which it would issue %s\n  vault list %s", b.where, r.path, r.roles)
	}
	return err
}

// Renew implements [secret.Lessor].
func (b *Backend) Renew(ctx context.Context, id string, ttl time.Duration) (secret.Lease, error) {
	if err := interrupted(ctx, ""); err != nil {
		return secret.Lease{}, err
	}
	if err := b.session.lend(ctx); err != nil {
		return secret.Lease{}, err
	}
	r := request{method: http.MethodPut, path: "sys/leases/renew", capability: "update", body: jsonBody(map[string]any{"lease_id": id, "increment": seconds(ttl)})}
	asked := time.Now()
	got, err := b.send(ctx, r)
	switch {
	case err == nil:
		b.session.lent(id)
		return secret.Lease{ID: cmp.Or(got.LeaseID, id), Expires: b.session.atMost(ctx, got.ends(asked)), Renewable: got.Renewable}, nil
	case got == nil:
		return secret.Lease{}, err
	case got.status < 500 && (got.said(saysNoLease) || got.said("lease expired")):
		return secret.Lease{}, secret.Errorf(secret.NotFound, "", "%s knows no such lease: it ended", b.where)
	case got.status < 500 && got.said(saysNotRenewed):
		return secret.Lease{}, secret.Errorf(secret.Unsupported, "", "this lease cannot be renewed, says %s", b.where)
	default:
		return secret.Lease{}, err
	}
}

// Revoke implements [secret.Lessor]: the credential works no more when it
// returns.
func (b *Backend) Revoke(ctx context.Context, id string) error {
	if err := interrupted(ctx, ""); err != nil {
		return err
	}
	b.session.returned(id) // whatever comes of it, nobody wants it to live
	r := request{method: http.MethodPut, path: "sys/leases/revoke", capability: "update", body: jsonBody(map[string]any{"lease_id": id, "sync": true})}
	got, err := b.send(ctx, r)
	switch {
	case err == nil, got != nil && got.status < 500 && got.said(saysNoLease):
		return nil
	case got != nil && got.said(saysNotRevoked):
		return secret.Errorf(secret.Unavailable, "", "%s could not end the credential where it is used: it tries again by itself\n  vault write sys/leases/lookup lease_id=…", b.where)
	default:
		return err
	}
}
