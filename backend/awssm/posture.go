package awssm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/tacit-secrets/tacit/secret"
)

// How much is looked at: 5 requests for lists, 100 for policies.
const (
	posturePages    = 5
	posturePolicies = 100
	stale           = 90 * day // the checklist's time to rotate in
)

// Posture looks at the secrets of the account and region without reading a
// value: at most 105 requests. Beyond what it looked at nothing is ok.
func (b *Backend) Posture(ctx context.Context) ([]secret.Finding, error) {
	s, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	var all []types.SecretListEntry
	in := &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100)}
	more, err := b.pages(ctx, s, in, posturePages, func(e types.SecretListEntry) { all = append(all, e) })
	switch {
	case secret.KindOf(err) == secret.Denied:
		var out []secret.Finding
		for _, check := range []string{checkRotation, checkPolicies, checkUnused, checkKeys} {
			out = append(out, secret.Finding{Check: check, Status: secret.FindingUnknown, Evidence: "the secrets may not be listed", Remedy: "allow secretsmanager:ListSecrets"})
		}
		return out, nil
	case err != nil:
		return nil, err
	}
	slices.SortFunc(all, func(a, b types.SecretListEntry) int {
		return strings.Compare(aws.ToString(a.Name), aws.ToString(b.Name))
	})
	p := &posture{b: b, s: s, all: all, more: more, now: time.Now()}
	return []secret.Finding{p.rotation(), p.policies(ctx), p.unused(), p.keys()}, nil
}

const (
	checkRotation = "rotation within 90 days"
	checkPolicies = "public resource policies"
	checkUnused   = "unused secrets"
	checkKeys     = "KMS keys"
)

type posture struct {
	b    *Backend
	s    *session
	all  []types.SecretListEntry
	more bool // there are secrets that were not looked at
	now  time.Time
}

func (p *posture) old(t *time.Time) bool { return t == nil || p.now.Sub(*t) > stale }

// finding is ok where nothing bad was seen and all was looked at.
func (p *posture) finding(check, evidence, remedy string, bad bool) secret.Finding {
	f := secret.Finding{Check: check, Status: secret.FindingOK, Evidence: evidence}
	switch {
	case bad:
		f.Status, f.Remedy = secret.FindingBad, remedy
	case p.more:
		f.Status, f.Evidence, f.Remedy = secret.FindingUnknown, evidence+"; there are more secrets", "look at the others in the console of AWS"
	}
	return f
}

func (p *posture) rotation() secret.Finding {
	var enabled int
	var failing, aged []string
	for _, e := range p.all {
		name := aws.ToString(e.Name)
		if aws.ToBool(e.RotationEnabled) {
			if enabled++; e.NextRotationDate != nil && p.now.Sub(*e.NextRotationDate) > day {
				failing = append(failing, name)
			}
		}
		// A change of anything counts: what has none for so long has no new
		// value either.
		if p.old(e.LastChangedDate) && p.old(e.CreatedDate) && p.old(e.LastRotatedDate) {
			aged = append(aged, name)
		}
	}
	evidence := fmt.Sprintf("AWS rotates %d of %d secrets", enabled, len(p.all))
	if len(aged) == 0 {
		evidence += ", and each has changed within 90 days"
	} else {
		evidence += fmt.Sprintf("; %d have not changed for 90 days: %s", len(aged), some(aged))
	}
	if len(failing) > 0 {
		evidence += fmt.Sprintf("; the rotation of %d is overdue: %s", len(failing), some(failing))
	}
	return p.finding(checkRotation, evidence, "put a new value, or:  aws secretsmanager rotate-secret --secret-id NAME", len(aged)+len(failing) > 0)
}

// some names a few of many.
func some(names []string) string {
	const few = 5
	if len(names) > few {
		return strings.Join(names[:few], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

func (p *posture) unused() secret.Finding {
	var unused []string
	for _, e := range p.all {
		if p.old(e.CreatedDate) && p.old(e.LastAccessedDate) {
			unused = append(unused, aws.ToString(e.Name))
		}
	}
	evidence := fmt.Sprintf("%d secrets, each younger than 90 days or read since", len(p.all))
	if len(unused) > 0 {
		evidence = fmt.Sprintf("%d of %d secrets were never read, or not for 90 days: %s", len(unused), len(p.all), some(unused))
	}
	return p.finding(checkUnused, evidence, "if nothing needs it:  tacit delete NAME", len(unused) > 0)
}

func (p *posture) keys() secret.Finding {
	var own int
	var other []string
	for _, e := range p.all {
		key := aws.ToString(e.KmsKeyId)
		if key != "" {
			own++
		}
		if want := p.b.settings.KMSKey; want != "" && !sameKey(key, want) {
			other = append(other, aws.ToString(e.Name))
		}
	}
	evidence := fmt.Sprintf("%d of %d secrets have a key of their own, the others the account's default", own, len(p.all))
	if len(other) > 0 {
		evidence = fmt.Sprintf("%d of %d secrets have another key than that of the environment: %s", len(other), len(p.all), some(other))
	}
	return p.finding(checkKeys, evidence, "aws secretsmanager update-secret --secret-id NAME --kms-key-id KEY", len(other) > 0)
}

// sameKey compares what may be an id, an ARN or an alias.
func sameKey(a, b string) bool {
	return a[strings.LastIndexAny(a, ":/")+1:] == b[strings.LastIndexAny(b, ":/")+1:]
}

// policies asks for the resource policies of the secrets.
func (p *posture) policies(ctx context.Context) secret.Finding {
	looked := p.all[:min(len(p.all), posturePolicies)]
	var mu sync.Mutex
	found := map[opening][]string{}
	each(batches, looked, func(e types.SecretListEntry) {
		how := p.policy(ctx, e)
		mu.Lock()
		defer mu.Unlock()
		found[how] = append(found[how], aws.ToString(e.Name))
	})
	for _, names := range found {
		slices.Sort(names)
	}
	p = &posture{more: p.more || len(looked) < len(p.all)}
	if public := found[openToAll]; len(public) > 0 {
		return p.finding(checkPolicies, fmt.Sprintf("%d secrets are open to every AWS account: %s", len(public), some(public)), "aws secretsmanager delete-resource-policy --secret-id NAME", true)
	}
	if unsure := slices.Concat(found[unseen], found[conditional]); len(unsure) > 0 {
		return secret.Finding{
			Check: checkPolicies, Status: secret.FindingUnknown,
			Evidence: fmt.Sprintf("the policies of %d of %d secrets cannot be seen or judged: %s", len(unsure), len(looked), some(unsure)),
			Remedy:   "allow secretsmanager:GetResourcePolicy, and read policies for everyone under a condition",
		}
	}
	return p.finding(checkPolicies, fmt.Sprintf("none among %d secrets", len(looked)), "", false)
}

func (p *posture) policy(ctx context.Context, e types.SecretListEntry) opening {
	out, err := send(ctx, p.s, p.s.many.GetResourcePolicy, &secretsmanager.GetResourcePolicyInput{SecretId: e.ARN})
	if err != nil {
		return unseen
	}
	return openingOf(aws.ToString(out.ResourcePolicy))
}

// An opening says whom a resource policy lets in.
type opening int

const (
	closed      opening = iota // nobody, or named principals
	conditional                // everyone, under a condition
	openToAll                  // everyone
	unseen                     // nobody can tell
)

// openingOf judges a policy. What it does not understand is unseen, never
// closed.
func openingOf(text string) opening {
	if text == "" {
		return closed
	}
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(text), &doc) != nil {
		return unseen
	}
	var list []json.RawMessage
	if json.Unmarshal(doc.Statement, &list) != nil {
		list = []json.RawMessage{doc.Statement}
	}
	worst := closed
	for _, raw := range list {
		worst = max(worst, statementOpening(raw))
	}
	return worst
}

func statementOpening(raw json.RawMessage) opening {
	var s struct {
		Effect                  string
		Principal, NotPrincipal any
		Condition               map[string]any
	}
	if json.Unmarshal(raw, &s) != nil || s.Effect != "Allow" && s.Effect != "Deny" {
		return unseen
	}
	switch {
	case s.Effect == "Deny" || s.NotPrincipal == nil && !everyone(s.Principal):
		return closed
	case len(s.Condition) > 0:
		return conditional
	default:
		return openToAll
	}
}

// everyone reports whether a principal of a policy means all.
func everyone(p any) bool {
	switch p := p.(type) {
	case string:
		return p == "*"
	case []any:
		return slices.ContainsFunc(p, everyone)
	case map[string]any:
		return everyone(p["AWS"])
	default:
		return false
	}
}
