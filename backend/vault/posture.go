package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

var _ secret.Prober = (*Backend)(nil)

// Posture implements [secret.Prober]. It needs no right but to ask about the
// token itself; what that is not told is unknown. An error says that the store
// could not be asked at all.
func (b *Backend) Posture(ctx context.Context) ([]secret.Finding, error) {
	if err := interrupted(ctx, ""); err != nil {
		return nil, err
	}
	if _, err := b.session.token(ctx, ""); err != nil {
		return nil, err
	}
	var out []secret.Finding
	for _, look := range []func(context.Context) ([]secret.Finding, error){b.audits, b.ownToken, b.rights, b.seal, b.transport} {
		found, err := look(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func good(check, format string, args ...any) secret.Finding {
	return secret.Finding{Check: check, Status: secret.FindingOK, Evidence: fmt.Sprintf(format, args...)}
}

func bad(check, remedy, format string, args ...any) secret.Finding {
	return secret.Finding{Check: check, Status: secret.FindingBad, Evidence: fmt.Sprintf(format, args...), Remedy: remedy}
}

func unknown(check, remedy, evidence string) secret.Finding {
	return secret.Finding{Check: check, Status: secret.FindingUnknown, Evidence: evidence, Remedy: remedy}
}

// ask reads a path into data; told is false where the token may not.
func (b *Backend) ask(ctx context.Context, path string, data any) (told bool, err error) {
	r := request{method: http.MethodGet, path: path, capability: "read"}
	got, err := b.do(ctx, r)
	switch {
	case err != nil:
		return false, err
	case got.status == http.StatusForbidden && !unauthenticated(got):
		return false, nil
	case !got.ok():
		return false, b.classify(r, got)
	case json.Unmarshal(got.Data, data) != nil:
		return false, b.strange("")
	}
	return true, nil
}

// The questions.
const (
	asksAudit  = "audit devices"
	asksHashed = "audit log is hashed"
	asksRoot   = "no root token"
	asksTTL    = "token ends"
	asksRights = "rights are narrow"
	asksSeal   = "seal"
	asksTLS    = "TLS"
)

// audits asks who records what is asked of the store. Only an administrator is
// told: a refusal says nothing about whether there is one.
func (b *Backend) audits(ctx context.Context) ([]secret.Finding, error) {
	var devices map[string]struct {
		Type    string            `json:"type"`
		Options map[string]string `json:"options"`
	}
	told, err := b.ask(ctx, "sys/audit", &devices)
	if !told {
		const remedy = "vault audit list, as an administrator"
		const evidence = "the token may not see sys/audit"
		return []secret.Finding{unknown(asksAudit, remedy, evidence), unknown(asksHashed, remedy, evidence)}, err
	}
	names := slices.Sorted(maps.Keys(devices))
	if len(names) == 0 {
		return []secret.Finding{
			bad(asksAudit, "vault audit enable file file_path=/var/log/vault.log", "none is enabled: nothing records who read what"),
			unknown(asksHashed, "vault audit enable file file_path=/var/log/vault.log", "there is no audit device"),
		}, nil
	}
	var raw []string
	for _, n := range names {
		if devices[n].Options["log_raw"] == "true" {
			raw = append(raw, n)
		}
	}
	out := []secret.Finding{good(asksAudit, "%d: %s", len(names), strings.Join(names, " "))}
	if len(raw) > 0 {
		return append(out, bad(asksHashed, "vault audit disable "+pasted(raw[0])+", and enable it without log_raw", "log_raw writes values as they are: %s", strings.Join(raw, " "))), nil
	}
	return append(out, good(asksHashed, "no device has log_raw")), nil
}

// pasted is a name of the store, in a command to paste: one that a shell would
// read as more than a word is left for a person to fill in.
func pasted(name string) string {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.-") != "" {
		return "NAME"
	}
	return name
}

// ownToken asks what token tacit uses.
func (b *Backend) ownToken(ctx context.Context) ([]secret.Finding, error) {
	var token struct {
		Policies []string `json:"policies"`
		Identity []string `json:"identity_policies"`
		TTL      int64    `json:"ttl"`
		Type     string   `json:"type"`
		Renew    bool     `json:"renewable"`
	}
	told, err := b.ask(ctx, "auth/token/lookup-self", &token)
	if !told {
		const remedy = `path "auth/token/lookup-self" { capabilities = ["read"] }`
		return []secret.Finding{unknown(asksRoot, remedy, "the token may not look at itself"), unknown(asksTTL, remedy, "the token may not look at itself")}, err
	}
	policies := slices.Concat(token.Policies, token.Identity)
	slices.Sort(policies)
	policies = slices.Compact(policies)
	out := []secret.Finding{good(asksRoot, "policies: %s", strings.Join(policies, " "))}
	if slices.Contains(policies, "root") {
		out[0] = bad(asksRoot, "tacit policy export, then sign in with what it allows", "the token that tacit uses may do everything")
	}
	if token.TTL == 0 {
		return append(out, bad(asksTTL, "vault token create -ttl=8h, or another method of signing in", "the token never ends")), nil
	}
	how := "cannot be renewed"
	if token.Renew {
		how = "can be renewed"
	}
	return append(out, good(asksTTL, "in %s, %s", lasting(token.TTL), how)), nil
}

// rights asks what the token may do beside what it is for: at names that nobody
// declared, and where the store itself is governed; and at what is declared,
// more than it takes to use a secret.
func (b *Backend) rights(ctx context.Context) ([]secret.Finding, error) {
	const remedy = "tacit policy export writes a policy for what is declared"
	outside, own := b.beside(), b.declaredPaths()
	may, told, err := b.mayAt(ctx, slices.Concat(outside, own))
	if err != nil {
		return nil, err
	}
	if !told {
		return []secret.Finding{unknown(asksRights, `path "sys/capabilities-self" { capabilities = ["update"] }`, "the token may not ask what it may do")}, nil
	}
	var wide []string
	for _, p := range outside {
		if c := may[p]; len(c) > 0 && !slices.Contains(c, "deny") {
			wide = append(wide, strings.ReplaceAll(p, nobodys, "…")+" ("+strings.Join(c, " ")+")")
		}
	}
	readable := 0
	for _, p := range own {
		switch c := may[p]; {
		case slices.Contains(c, "sudo"), slices.Contains(c, "root"):
			wide = append(wide, p+" ("+strings.Join(c, " ")+")")
		case slices.Contains(c, "read"):
			readable++
		}
	}
	if !slices.ContainsFunc(outside, func(p string) bool { return !slices.Contains(may[p], "root") }) {
		return []secret.Finding{bad(asksRights, remedy, "the token may do everything, at %d paths too that nobody declared", len(outside))}, nil
	}
	if len(wide) > 0 {
		more := ""
		if n := len(wide) - widestTold; n > 0 {
			wide, more = wide[:widestTold], fmt.Sprintf(", and at %d more", n)
		}
		return []secret.Finding{bad(asksRights, remedy, "the token may do more than what is declared: %s%s", strings.Join(wide, ", "), more)}, nil
	}
	return []secret.Finding{good(asksRights, "nothing at %d paths that nobody declared; %d of %d declared secrets can be read", len(outside), readable, len(own))}, nil
}

// widestTold is how many paths are told where more than what is declared is
// allowed.
const widestTold = 6

// nobodys is a name that nobody declares.
const nobodys = "tacit-canary-that-nobody-declared"

// beside are paths that nobody declared: in the folders of what is declared too,
// since rules are most often too wide by a * at their end.
func (b *Backend) beside() []string {
	mount := b.settings.Mount
	out := []string{
		mount + "/" + nobodys, mount + "/config",
		"sys/auth", "sys/mounts/" + nobodys, "sys/policies/acl/" + nobodys, "sys/audit/" + nobodys, "auth/token/create", "sys/leases/revoke-prefix/" + nobodys,
	}
	folders := []string{"", b.settings.Prefix}
	for _, n := range b.settings.Declared {
		folders = append(folders, string(n[:strings.LastIndexByte(string(n), '/')+1]))
	}
	slices.Sort(folders)
	folders = slices.Compact(folders)
	for _, f := range folders[:min(len(folders), foldersAsked)] {
		if b.known() == 1 {
			out = append(out, mount+"/"+f+nobodys)
		} else {
			out = append(out, mount+"/data/"+f+nobodys, mount+"/metadata/"+f+nobodys)
		}
	}
	return out
}

// askedAtOnce bounds the declared secrets of one question, foldersAsked the
// folders that are looked into beside them.
const (
	askedAtOnce  = 256
	foldersAsked = 64
)

// declaredPaths are those of the values that are declared.
func (b *Backend) declaredPaths() []string {
	var out []string
	for _, n := range b.settings.Declared[:min(len(b.settings.Declared), askedAtOnce)] {
		if b.known() == 1 {
			out = append(out, b.plainPath(n))
		} else {
			out = append(out, b.dataPath(n))
		}
	}
	return out
}

// mayAt asks what the token may do at paths; told is false if it may not ask.
func (b *Backend) mayAt(ctx context.Context, paths []string) (may map[string][]string, told bool, err error) {
	r := request{method: http.MethodPost, path: "sys/capabilities-self", capability: "update", body: jsonBody(map[string]any{"paths": paths})}
	got, err := b.do(ctx, r)
	if err != nil || !got.ok() {
		return nil, false, err
	}
	var all map[string]json.RawMessage // some of it is said twice, in other forms
	if json.Unmarshal(got.Data, &all) != nil {
		return nil, false, b.strange("")
	}
	may = map[string][]string{}
	for _, p := range paths {
		var c []string
		if json.Unmarshal(all[p], &c) == nil {
			slices.Sort(c)
			may[p] = c
		}
	}
	return may, true, nil
}

// seal asks how the store is opened. Everybody is told.
func (b *Backend) seal(ctx context.Context) ([]secret.Finding, error) {
	got, err := b.do(ctx, request{method: http.MethodGet, path: "sys/seal-status", open: true})
	const remedy = "vault status"
	if err != nil {
		return nil, err
	}
	var s struct { // it has no envelope
		Type    string `json:"type"`
		T, N    int
		Version string `json:"version"`
	}
	switch {
	case !got.ok() || !parsed(got.whole, &s) || s.Type == "":
		return []secret.Finding{unknown(asksSeal, remedy, "the store did not tell")}, nil
	case s.Type == "shamir" && s.T < 2:
		return []secret.Finding{bad(asksSeal, "vault operator rekey -init -key-shares=5 -key-threshold=3", "one person's share of the key opens the store")}, nil
	case s.Type == "shamir":
		return []secret.Finding{good(asksSeal, "%d of %d shares of the key open the store, version %s", s.T, s.N, s.Version)}, nil
	default:
		return []secret.Finding{good(asksSeal, "the store is opened by %s, version %s", s.Type, s.Version)}, nil
	}
}

func parsed(text []byte, data any) bool { return json.Unmarshal(text, data) == nil }

// transport tells how the store is reached.
func (b *Backend) transport(context.Context) ([]secret.Finding, error) {
	at, _ := url.Parse(b.settings.Address) // New took it
	switch {
	case at == nil, at.Scheme == "http" && wire.Loopback(at.Hostname()):
		return []secret.Finding{good(asksTLS, "not needed: the address is this machine's own")}, nil
	case at.Scheme != "https":
		return []secret.Finding{bad(asksTLS, "address = \"https://…\"", "the address is http: values cross the network as they are")}, nil
	case b.settings.TLS.CACert != "":
		return []secret.Finding{good(asksTLS, "only the authority of ca_cert is believed")}, nil
	default:
		return []secret.Finding{good(asksTLS, "the authorities of this machine are believed")}, nil
	}
}
