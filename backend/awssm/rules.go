package awssm

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// maxPolicy is the size of the largest managed policy, in characters that are
// not white space.
const maxPolicy = 6144

// Rules returns policies of IAM that allow the verbs on the names and nothing
// else: one, or several if one would be too large for AWS. Names are those of
// AWS only, which have no wildcard, and stand for one secret each, whatever
// the six characters are that AWS puts behind them.
func (b *Backend) Rules(names []secret.Name, verbs ...secret.Verb) ([]secret.Rule, error) {
	g, err := grantOf(verbs)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(names))
	for _, n := range names {
		id, err := secretID(n)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 || len(verbs) == 0 {
		return nil, nil
	}
	var out []secret.Rule
	for i, p := range b.policies(ids, g, len(ids) > 1) {
		p.Statement = append(p.Statement, b.everywhere(g, len(ids) > 1, i)...)
		text, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return nil, secret.Errorf(secret.Invalid, "", "the policy cannot be written")
		}
		out = append(out, secret.Rule{Language: "json", Text: string(text) + "\n"})
	}
	return out, nil
}

// A grant is what the verbs need, sorted by what AWS tells apart.
type grant struct{ read, list, write, delete, undelete, destroy bool }

func grantOf(verbs []secret.Verb) (grant, error) {
	var g grant
	for _, v := range verbs {
		switch v {
		case secret.Get, secret.Use:
			g.read = true
		case secret.List:
			g.list = true
		case secret.Put:
			g.write = true
		case secret.Rotate:
			g.read, g.write = true, true
		case secret.Delete:
			g.delete = true
		case secret.Undelete:
			g.undelete = true
		case secret.Destroy:
			g.destroy = true
		default:
			return grant{}, secret.Errorf(secret.Unsupported, "", "AWS has no rule for the verb %s", v)
		}
	}
	return g, nil
}

type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]any `json:",omitempty"`
}

func allow(sid string, resources []string, actions ...string) statement {
	for i, a := range actions {
		if !strings.Contains(a, ":") {
			actions[i] = "secretsmanager:" + a
		}
	}
	return statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// policies makes one policy, or halves the names until each is small enough.
func (b *Backend) policies(ids []string, g grant, many bool) []policy {
	p := policy{Version: "2012-10-17", Statement: b.statements(ids, g)}
	room := p
	room.Statement = append(slices.Clone(p.Statement), b.everywhere(g, many, 0)...)
	if text, err := json.Marshal(room); err != nil || len(text) <= maxPolicy || len(ids) == 1 {
		return []policy{p}
	}
	half := len(ids) / 2
	return append(b.policies(ids[:half], g, many), b.policies(ids[half:], g, many)...)
}

func (b *Backend) statements(ids []string, g grant) []statement {
	var arns, fresh []string
	for _, id := range ids {
		arn := b.arn("secretsmanager") + "secret:" + id
		arns, fresh = append(arns, arn+"-??????"), append(fresh, arn+"-??????", arn)
	}
	var out []statement
	if g.read {
		out = append(out, allow("TacitRead", arns, "GetSecretValue", "DescribeSecret", "ListSecretVersionIds"))
	} else if g.list || g.write || g.delete || g.undelete || g.destroy {
		out = append(out, allow("TacitLook", arns, "DescribeSecret", "ListSecretVersionIds"))
	}
	if g.write {
		// Before it is made, a secret has no suffix.
		out = append(out, allow("TacitCreate", fresh, "CreateSecret", "TagResource"),
			allow("TacitWrite", arns, "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "TagResource", "UntagResource"))
	}
	if g.delete || g.destroy {
		s := allow("TacitDelete", arns, "DeleteSecret")
		if g.delete != g.destroy {
			s.Condition = map[string]map[string]any{"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": boolText(g.destroy)}}
			if g.delete {
				s.Condition = map[string]map[string]any{"BoolIfExists": {"secretsmanager:ForceDeleteWithoutRecovery": "false"}}
			}
		}
		out = append(out, s)
	}
	if g.undelete {
		out = append(out, allow("TacitRestore", arns, "RestoreSecret"))
	}
	if k, ok := b.key(arns, g); ok {
		out = append(out, k)
	}
	return out
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// everywhere are the statements for all secrets, in the first policy alone:
// AWS knows these actions for no single secret. Neither reads a value that the
// other statements do not allow to read.
func (b *Backend) everywhere(g grant, many bool, nth int) []statement {
	var actions []string
	if g.read && many {
		actions = append(actions, "BatchGetSecretValue")
	}
	if g.list {
		actions = append(actions, "ListSecrets")
	}
	if len(actions) == 0 || nth > 0 {
		return nil
	}
	return []statement{allow("TacitMany", []string{"*"}, actions...)}
}

// key allows the KMS key of the settings, for these secrets alone.
func (b *Backend) key(arns []string, g grant) (statement, bool) {
	key := b.settings.KMSKey
	if key == "" || !g.read && !g.write {
		return statement{}, false
	}
	actions := []string{"kms:Decrypt"}
	if g.write {
		actions = append(actions, "kms:GenerateDataKey")
	}
	s := allow("TacitKey", nil, actions...)
	s.Condition = map[string]map[string]any{"StringLike": {
		"kms:ViaService":                  "secretsmanager." + b.regionPattern() + "." + domainOf(b.settings.Region),
		"kms:EncryptionContext:SecretARN": arns,
	}}
	switch {
	case strings.HasPrefix(key, "arn:") && !strings.Contains(key, ":alias/"):
		s.Resource = []string{key}
	case strings.Contains(key, "alias/"):
		s.Resource = []string{b.arn("kms") + "key/*"}
		s.Condition["ForAnyValue:StringEquals"] = map[string]any{"kms:ResourceAliases": key[strings.Index(key, "alias/"):]}
	default:
		s.Resource = []string{b.arn("kms") + "key/" + key}
	}
	return s, true
}

// arn is the beginning of ARNs of a service in the account and region that the
// settings say; what they do not say is any.
func (b *Backend) arn(service string) string {
	account := "*"
	if parts := strings.Split(b.settings.RoleARN, ":"); len(parts) > 4 && parts[4] != "" && made(parts[4], digits) {
		account = parts[4]
	}
	return "arn:" + b.partition() + ":" + service + ":" + b.regionPattern() + ":" + account + ":"
}

func (b *Backend) regionPattern() string {
	if b.settings.Region == "" {
		return "*"
	}
	return b.settings.Region
}

func (b *Backend) partition() string {
	switch r := b.settings.Region; {
	case strings.HasPrefix(r, china):
		return "aws-cn"
	case strings.HasPrefix(r, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

// china is what the names of regions there begin with.
const china = "cn-"

// domainOf returns the domain of AWS's services in a region.
func domainOf(region string) string {
	if strings.HasPrefix(region, china) {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
