package awswire

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

type read struct {
	SecretID, VersionID, VersionStage string
}

// told is a version with its value.
type told struct {
	ARN, Name     string
	VersionID     string   `json:"VersionId"`
	SecretString  *string  `json:",omitempty"`
	SecretBinary  []byte   `json:",omitempty"`
	VersionStages []string `json:",omitempty"`
	CreatedDate   stamp
}

func getSecretValue(c *call, in read) (any, error) { return c.value(in) }

func (c *call) value(in read) (told, error) {
	e, err := c.find(in.SecretID, "GetSecretValue")
	if err != nil {
		return told{}, err
	}
	if !e.deleted.IsZero() {
		return told{}, badRequest("You can't perform this operation on the secret because it was marked for deletion.")
	}
	if in.VersionID == "" && in.VersionStage == "" {
		in.VersionStage = current
	}
	v := e.holder(in.VersionStage)
	if in.VersionID != "" {
		v = e.version(in.VersionID)
		if v == nil {
			return told{}, notFound(" value for VersionId: " + in.VersionID)
		}
		if in.VersionStage != "" && !v.has(in.VersionStage) {
			return told{}, badRequest("You provided a VersionStage that is not associated to the provided VersionId.")
		}
	}
	if v == nil {
		return told{}, notFound(" value for staging label: " + in.VersionStage)
	}
	e.accessed = c.opts.Now().UTC().Truncate(24 * time.Hour)
	out := told{ARN: e.arn, Name: e.name, VersionID: v.id, VersionStages: v.labels, CreatedDate: stamp(v.created)}
	if v.binary {
		out.SecretBinary = v.value
		return out, nil
	}
	text := string(v.value)
	out.SecretString = &text
	return out, nil
}

// batchGet tells of secrets without a value among its errors, also where
// filters chose them: a choice.
func batchGet(c *call, in struct {
	SecretIDList []string
	Filters      []filter
	MaxResults   *int
},
) (any, error) {
	if (len(in.SecretIDList) == 0) == (len(in.Filters) == 0) {
		return nil, badParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	}
	if len(in.SecretIDList) > 20 {
		return nil, validation("secretIdList", "Member must have length less than or equal to 20")
	}
	if in.MaxResults != nil && len(in.Filters) == 0 {
		return nil, badParameter("MaxResults can only be used with Filters.")
	}
	if err := c.allowed("BatchGetSecretValue", ""); err != nil {
		return nil, err
	}
	type failure struct {
		SecretID           string `json:"SecretId"`
		ErrorCode, Message string
	}
	var out struct {
		SecretValues []told
		Errors       []failure
	}
	ids := in.SecretIDList
	for _, e := range c.sorted() {
		if len(in.Filters) > 0 && matches(e, in.Filters) && e.deleted.IsZero() {
			ids = append(ids, e.arn)
		}
	}
	for _, id := range ids {
		v, err := c.value(read{SecretID: id})
		if e, bad := errors.AsType[*Error](err); bad {
			out.Errors = append(out.Errors, failure{id, e.Code, e.Message})
			continue
		}
		out.SecretValues = append(out.SecretValues, v)
	}
	return out, nil
}

// described is what is said about a secret without its values. Stages has
// another name in lists.
type described struct {
	ARN, Name         string
	Description       string `json:",omitempty"`
	KmsKeyID          string `json:"KmsKeyId,omitempty"`
	RotationEnabled   bool   `json:",omitempty"`
	LastRotatedDate   stamp  `json:",omitzero"`
	NextRotationDate  stamp  `json:",omitzero"`
	LastChangedDate   stamp  `json:",omitzero"`
	LastAccessedDate  stamp  `json:",omitzero"`
	DeletedDate       stamp  `json:",omitzero"`
	Tags              *[]Tag `json:",omitempty"`
	CreatedDate       stamp
	DescribedVersions map[string][]string `json:"VersionIdsToStages,omitempty"`
	ListedVersions    map[string][]string `json:"SecretVersionsToStages,omitempty"`
}

func (e *entry) described() (described, map[string][]string) {
	out := described{
		ARN: e.arn, Name: e.name, Description: e.description, KmsKeyID: e.kms,
		RotationEnabled: e.rotation.Enabled, LastRotatedDate: stamp(e.rotation.Last), NextRotationDate: stamp(e.rotation.Next),
		LastChangedDate: stamp(e.changed), LastAccessedDate: stamp(e.accessed), DeletedDate: stamp(e.deleted), CreatedDate: stamp(e.created),
	}
	if e.tags != nil {
		out.Tags = &e.tags
	}
	stages := map[string][]string{}
	for _, v := range e.versions {
		if len(v.labels) > 0 {
			stages[v.id] = v.labels
		}
	}
	return out, stages
}

func describeSecret(c *call, in onlyID) (any, error) {
	e, err := c.find(in.SecretID, "DescribeSecret")
	if err != nil {
		return nil, err
	}
	out, stages := e.described()
	out.DescribedVersions = stages
	return out, nil
}

func getResourcePolicy(c *call, in onlyID) (any, error) {
	e, err := c.live(in.SecretID)
	if err != nil {
		return nil, err
	}
	return struct {
		ARN, Name      string
		ResourcePolicy string `json:",omitempty"`
	}{e.arn, e.name, e.policy}, nil
}

type page struct {
	MaxResults *int
	NextToken  *string
}

// cut returns one page of items. The token is where the next one begins, and
// belongs to its operation.
func cut[T any](all []T, p page, operation string) ([]T, string, error) {
	size, from := 100, 0
	if p.MaxResults != nil {
		if size = *p.MaxResults; size < 1 || size > 100 {
			return nil, "", validation("maxResults", "Member must have value between 1 and 100")
		}
	}
	if p.NextToken != nil {
		b, _ := base64.URLEncoding.DecodeString(*p.NextToken)
		at, mine := strings.CutPrefix(string(b), operation+":")
		n, err := strconv.ParseUint(at, 10, 31)
		if err != nil || !mine {
			return nil, "", &Error{Code: "InvalidNextTokenException", Message: "The NextToken value is invalid."}
		}
		from = int(n)
	}
	from = min(from, len(all))
	to := min(from+size, len(all))
	if to == len(all) {
		return all[from:], "", nil
	}
	return all[from:to], base64.URLEncoding.EncodeToString([]byte(operation + ":" + strconv.Itoa(to))), nil
}

// listVersions refuses a secret that is to be deleted, and gives pages of a
// hundred: choices.
func listVersions(c *call, in struct {
	page
	SecretID          string
	IncludeDeprecated bool
},
) (any, error) {
	e, err := c.live(in.SecretID)
	if err != nil {
		return nil, err
	}
	type listed struct {
		VersionID     string   `json:"VersionId"`
		VersionStages []string `json:",omitempty"`
		CreatedDate   stamp
		KmsKeyIDs     []string `json:"KmsKeyIds"`
	}
	var all []listed
	for _, v := range e.versions {
		if len(v.labels) > 0 || in.IncludeDeprecated {
			all = append(all, listed{v.id, v.labels, stamp(v.created), []string{"DefaultEncryptionKey"}})
		}
	}
	part, next, err := cut(all, in.page, "versions")
	return struct {
		Versions  []listed
		NextToken string `json:",omitempty"`
		ARN, Name string
	}{part, next, e.arn, e.name}, err
}

type filter struct {
	Key    string
	Values []string
}

// matches reports whether a secret passes all filters; of a filter's values
// one is enough.
func matches(e *entry, filters []filter) bool {
	return !slices.ContainsFunc(filters, func(f filter) bool {
		return !slices.ContainsFunc(f.Values, func(v string) bool {
			v, negated := strings.CutPrefix(v, "!")
			return e.begins(f.Key, v) != negated
		})
	})
}

func (e *entry) begins(key, prefix string) bool {
	switch key {
	case "name":
		return strings.HasPrefix(e.name, prefix)
	case "tag-key":
		return slices.ContainsFunc(e.tags, func(t Tag) bool { return strings.HasPrefix(t.Key, prefix) })
	case "tag-value":
		return slices.ContainsFunc(e.tags, func(t Tag) bool { return strings.HasPrefix(t.Value, prefix) })
	default:
		return false
	}
}

func listSecrets(c *call, in struct {
	page
	IncludePlannedDeletion bool
	Filters                []filter
},
) (any, error) {
	if err := c.allowed("ListSecrets", ""); err != nil {
		return nil, err
	}
	var all []described
	for _, e := range c.sorted() {
		if matches(e, in.Filters) && (in.IncludePlannedDeletion || e.deleted.IsZero()) {
			d, stages := e.described()
			d.ListedVersions = stages
			all = append(all, d)
		}
	}
	part, next, err := cut(all, in.page, "secrets")
	return struct {
		SecretList []described
		NextToken  string `json:",omitempty"`
	}{part, next}, err
}
