package azurekv

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/secret"
)

// posturePages bounds what is looked at: a hundred secrets.
const posturePages = 4

// Posture looks at the properties of at most a hundred secrets, in at most four
// requests. The vault itself is not seen from there: what only its owner sees
// is unknown, with the command to look.
func (b *Backend) Posture(ctx context.Context) ([]secret.Finding, error) {
	c, err := b.start(ctx, "")
	if err != nil {
		return nil, err
	}
	all, whole, err := c.properties(ctx, posturePages)
	if err != nil && secret.KindOf(err) != secret.Denied {
		return nil, err
	}
	s := sample{vault: b.vaultName(), all: all, whole: whole, denied: err != nil, now: b.tune.now()}
	return []secret.Finding{s.softDelete(), s.purgeProtection(), s.expiry(), s.expired(), s.audit(), s.network(), s.roles()}, nil
}

// A sample is what was seen of a vault.
type sample struct {
	vault  string
	all    []*azsecrets.SecretProperties
	whole  bool
	denied bool
	now    time.Time
}

// level is how deleted secrets are kept, by the first secret that tells.
func (s sample) level() string {
	for _, p := range s.all {
		if p != nil && p.Attributes != nil && text(p.Attributes.RecoveryLevel) != "" {
			return text(p.Attributes.RecoveryLevel)
		}
	}
	return ""
}

// unseen is a finding about what could not be looked at; empty if it could.
func (s sample) unseen(check, remedy string) (secret.Finding, bool) {
	f := secret.Finding{Check: check, Status: secret.FindingUnknown, Remedy: remedy}
	switch {
	case s.denied:
		f.Evidence = "no role here allows " + dataAction(actMetadata) + " on the vault"
	case len(s.all) == 0:
		f.Evidence = "there is no secret whose properties would tell"
	default:
		return f, false
	}
	return f, true
}

func (s sample) show(property string) string {
	return "az keyvault show --name " + s.vault + " --query properties." + property
}

func (s sample) softDelete() secret.Finding {
	return s.recovery("soft delete", "enableSoftDelete", "az keyvault update --name "+s.vault+" --set properties.enableSoftDelete=true", func(level string) bool {
		return strings.Contains(level, "Recoverable")
	})
}

func (s sample) purgeProtection() secret.Finding {
	return s.recovery("purge protection", "enablePurgeProtection", "az keyvault update --name "+s.vault+" --enable-purge-protection true   (it cannot be taken back)", func(level string) bool {
		return !strings.Contains(level, "Purgeable")
	})
}

// recovery is what the recovery level says of a property of the vault.
func (s sample) recovery(check, property, remedy string, good func(level string) bool) secret.Finding {
	if f, unseen := s.unseen(check, s.show(property)); unseen {
		return f
	}
	level := s.level()
	f := secret.Finding{Check: check, Evidence: "recovery level " + level}
	switch {
	case level == "":
		f.Status, f.Evidence, f.Remedy = secret.FindingUnknown, "the vault tells no recovery level", s.show(property)
	case good(level):
		f.Status = secret.FindingOK
	default:
		f.Status, f.Remedy = secret.FindingBad, remedy
	}
	return f
}

// counted says of how many secrets something was seen.
func (s sample) counted(n int, what string) string {
	more := ""
	if !s.whole {
		more = " looked at; there are more"
	}
	return fmt.Sprintf("%d of %d secrets %s%s", n, len(s.all), what, more)
}

func (s sample) count(is func(a *azsecrets.SecretAttributes) bool) int {
	n := 0
	for _, p := range s.all {
		if p != nil && p.Attributes != nil && (p.Attributes.Enabled == nil || *p.Attributes.Enabled) && is(p.Attributes) {
			n++
		}
	}
	return n
}

func (s sample) expiry() secret.Finding {
	const check = "expiry of secrets"
	if f, unseen := s.unseen(check, "tacit list --long"); unseen {
		return f
	}
	n := s.count(func(a *azsecrets.SecretAttributes) bool { return a.Expires == nil })
	f := secret.Finding{Check: check, Status: secret.FindingBad, Evidence: s.counted(n, "have no end"), Remedy: "az keyvault secret set-attributes --vault-name " + s.vault + " --name NAME --expires DATE"}
	if n == 0 {
		f.Status, f.Remedy = secret.FindingOK, ""
	}
	return f
}

func (s sample) expired() secret.Finding {
	const check = "expired secrets"
	if f, unseen := s.unseen(check, "tacit list --long"); unseen {
		return f
	}
	n := s.count(func(a *azsecrets.SecretAttributes) bool { return a.Expires != nil && !a.Expires.After(s.now) })
	f := secret.Finding{Check: check, Status: secret.FindingBad, Evidence: s.counted(n, "are over and still served"), Remedy: "put a new version of each, or disable it:  az keyvault secret set-attributes --vault-name " + s.vault + " --name NAME --enabled false"}
	if n == 0 {
		f.Status, f.Remedy = secret.FindingOK, ""
	}
	return f
}

// What follows is not seen by who may only use secrets.

func (s sample) audit() secret.Finding {
	return secret.Finding{
		Check: "audit logging", Status: secret.FindingUnknown, Evidence: "diagnostic settings are not seen by who may only use secrets",
		Remedy: `az monitor diagnostic-settings list --resource "$(az keyvault show --name ` + s.vault + ` --query id --output tsv)"`,
	}
}

func (s sample) network() secret.Finding {
	return secret.Finding{
		Check: "network access", Status: secret.FindingUnknown, Evidence: "network rules are not seen by who may only use secrets",
		Remedy: "az keyvault show --name " + s.vault + " --query 'properties.{public:publicNetworkAccess, rules:networkAcls}'",
	}
}

func (s sample) roles() secret.Finding {
	return secret.Finding{
		Check: "rights wider than declared", Status: secret.FindingUnknown, Evidence: "role assignments are not seen by who may only use secrets",
		Remedy: `az role assignment list --scope "$(az keyvault show --name ` + s.vault + ` --query id --output tsv)" --include-inherited`,
	}
}
