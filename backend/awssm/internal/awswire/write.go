package awswire

import (
	"bytes"
	"slices"
	"time"
)

// input is what the writing operations have in common.
type input struct {
	Name, SecretID     string
	ClientRequestToken string
	Description        *string
	KmsKeyID           *string
	SecretString       *string
	SecretBinary       *[]byte
	VersionStages      []string
	Tags               []Tag
}

// result is what they answer.
type result struct {
	ARN           string   `json:",omitempty"`
	Name          string   `json:",omitempty"`
	VersionID     string   `json:"VersionId,omitempty"`
	VersionStages []string `json:",omitempty"`
	DeletionDate  stamp    `json:",omitzero"`
}

// value returns the version that an input makes; nil if it brings no value.
func (in *input) value(now time.Time) (*version, error) {
	if in.ClientRequestToken == "" {
		return nil, badRequest("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	}
	if n := len(in.ClientRequestToken); n < 32 || n > 64 {
		return nil, validation("clientRequestToken", "Member must have length between 32 and 64")
	}
	if in.SecretString != nil && in.SecretBinary != nil {
		return nil, badParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	v := &version{id: in.ClientRequestToken, created: now}
	switch {
	case in.SecretString != nil:
		v.value = []byte(*in.SecretString)
	case in.SecretBinary != nil:
		v.value, v.binary = *in.SecretBinary, true
	default:
		return nil, nil //nolint:nilnil // no value is no error
	}
	if len(v.value) == 0 || len(v.value) > maxValue {
		return nil, validation("secretString", "Member must have length between 1 and 65536")
	}
	return v, nil
}

func validation(member, rule string) error {
	return front("ValidationException", "1 validation error detected: Value at '"+member+"' failed to satisfy constraint: "+rule)
}

// repeated answers a request whose token is known: the same value changes
// nothing.
func (e *entry) repeated(v *version) (bool, error) {
	old := e.version(v.id)
	switch {
	case old == nil:
		return false, nil
	case old.binary == v.binary && bytes.Equal(old.value, v.value):
		return true, nil
	default:
		return false, &Error{Code: "ResourceExistsException", Message: "You can't use ClientRequestToken " + v.id + " because that value is already in use for a version of secret " + e.arn + "."}
	}
}

func createSecret(c *call, in input) (any, error) {
	now := c.opts.Now()
	v, err := in.value(now)
	if err != nil {
		return nil, err
	}
	if !validName(in.Name) {
		return nil, front("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if err := c.allowed("CreateSecret", in.Name); err != nil {
		return nil, err
	}
	if len(in.Tags) > 0 {
		if err := c.allowed("TagResource", in.Name); err != nil {
			return nil, err
		}
	}
	if e := c.secrets[in.Name]; e != nil {
		return c.occupied(e, v)
	}
	if err := checkTags(in.Tags, nil); err != nil {
		return nil, err
	}
	e := &entry{arn: c.newARN(in.Name), name: in.Name, created: now, changed: now, tags: in.Tags}
	e.describe(in)
	out := result{ARN: e.arn, Name: e.name}
	if v != nil {
		if err := e.put(v, nil); err != nil {
			return nil, err
		}
		out.VersionID = v.id
	}
	c.secrets[in.Name] = e
	return out, nil
}

func (c *call) occupied(e *entry, v *version) (any, error) {
	if !e.deleted.IsZero() {
		return nil, badRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v != nil {
		if same, err := e.repeated(v); same || err != nil && e.version(v.id) != nil {
			return result{ARN: e.arn, Name: e.name, VersionID: v.id}, err
		}
	}
	return nil, &Error{Code: "ResourceExistsException", Message: "The operation failed because the secret " + e.name + " already exists."}
}

func (e *entry) describe(in input) {
	if in.Description != nil {
		e.description = *in.Description
	}
	if in.KmsKeyID != nil {
		e.kms = *in.KmsKeyID
	}
}

func putSecretValue(c *call, in input) (any, error) {
	v, err := in.value(c.opts.Now())
	if err != nil {
		return nil, err
	}
	e, err := c.live(in.SecretID)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, badRequest("You must provide either SecretString or SecretBinary.")
	}
	same, err := e.repeated(v)
	if err != nil {
		return nil, err
	}
	if !same {
		if err := e.put(v, in.VersionStages); err != nil {
			return nil, err
		}
	}
	return result{ARN: e.arn, Name: e.name, VersionID: v.id, VersionStages: e.version(v.id).labels}, nil
}

func updateSecret(c *call, in input) (any, error) {
	v, err := in.value(c.opts.Now())
	if err != nil {
		return nil, err
	}
	e, err := c.live(in.SecretID)
	if err != nil {
		return nil, err
	}
	out := result{ARN: e.arn, Name: e.name}
	if v != nil {
		same, err := e.repeated(v)
		if err != nil {
			return nil, err
		}
		if out.VersionID = v.id; same {
			return out, nil
		}
		if err := e.put(v, nil); err != nil {
			return nil, err
		}
	}
	e.describe(in)
	e.changed = c.opts.Now()
	return out, nil
}

func deleteSecret(c *call, in struct {
	SecretID                   string
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
},
) (any, error) {
	window := 30
	if in.RecoveryWindowInDays != nil {
		window = *in.RecoveryWindowInDays
		if window < 7 || window > 30 {
			return nil, badParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
		if in.ForceDeleteWithoutRecovery {
			return nil, badParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
		}
	}
	e, err := c.find(in.SecretID, "DeleteSecret")
	now := c.opts.Now()
	if in.ForceDeleteWithoutRecovery {
		return c.force(in.SecretID, e, now, err)
	}
	if err != nil {
		return nil, err
	}
	if !e.deleted.IsZero() {
		return nil, badRequest("You tried to perform the operation on a secret that's currently marked deleted.")
	}
	e.deleted, e.purge = now, now.Add(time.Duration(window)*24*time.Hour)
	return result{ARN: e.arn, Name: e.name, DeletionDate: stamp(e.purge)}, nil
}

// force deletes without recovery; what does not exist is no error.
func (c *call) force(id string, e *entry, now time.Time, err error) (any, error) {
	if e == nil {
		if f, ok := err.(*Error); ok && f.Code != "ResourceNotFoundException" { //nolint:errorlint // find makes it
			return nil, err
		}
		return result{ARN: c.newARN(id), Name: id, DeletionDate: stamp(now)}, nil
	}
	e.deleted, e.purge = now, now.Add(c.opts.Destroying)
	if c.opts.Destroying == 0 {
		delete(c.secrets, e.name)
	}
	return result{ARN: e.arn, Name: e.name, DeletionDate: stamp(now)}, nil
}

type onlyID struct{ SecretID string }

// restoreSecret answers well where nothing is to be restored: a choice.
func restoreSecret(c *call, in onlyID) (any, error) {
	e, err := c.find(in.SecretID, "RestoreSecret")
	if err != nil {
		return nil, err
	}
	e.deleted, e.purge = time.Time{}, time.Time{}
	return result{ARN: e.arn, Name: e.name}, nil
}

func updateStage(c *call, in struct {
	SecretID, VersionStage, RemoveFromVersionID, MoveToVersionID string
},
) (any, error) {
	e, err := c.live(in.SecretID)
	if err != nil {
		return nil, err
	}
	held := e.holder(in.VersionStage)
	var to *version
	if in.MoveToVersionID != "" {
		if to = e.version(in.MoveToVersionID); to == nil {
			return nil, notFound(" value for VersionId: " + in.MoveToVersionID)
		}
	}
	if err := e.movable(in.VersionStage, in.RemoveFromVersionID, held, to); err != nil {
		return nil, err
	}
	if in.VersionStage == current && held != nil && held != to {
		e.move(previous, held)
	}
	e.move(in.VersionStage, to)
	e.changed = c.opts.Now()
	return result{ARN: e.arn, Name: e.name}, nil
}

// movable reports why a label cannot be taken from the version that is named.
func (e *entry) movable(label, from string, held, to *version) error {
	switch {
	case from == "" && held != nil && held != to:
		return badParameter("The parameter RemoveFromVersionId can't be empty. Staging label " + label + " is currently attached to version " + held.id + ", so you must explicitly reference that version in RemoveFromVersionId.")
	case from != "" && (held == nil || held.id != from):
		return badParameter("The parameter RemoveFromVersionId is invalid. Staging label " + label + " is not attached to version " + from + ".")
	case label == current && to == nil:
		return badParameter("You can't remove the staging label AWSCURRENT from a version without moving it to another one.")
	case e.labelsWith([]string{label}) > maxLabels:
		return &Error{Code: "LimitExceededException", Message: "You can't have more than 20 staging labels attached to a secret."}
	default:
		return nil
	}
}

func checkTags(tags, old []Tag) error {
	keys := map[string]bool{}
	for _, t := range slices.Concat(old, tags) {
		keys[t.Key] = true
		if len(t.Key) < 1 || len(t.Key) > 128 || len(t.Value) > 256 {
			return validation("tags", "a key has 1 to 128 characters, a value at most 256")
		}
	}
	if len(keys) > 50 {
		return &Error{Code: "LimitExceededException", Message: "The number of tags exceeds 50."}
	}
	return nil
}

func tagResource(c *call, in input) (any, error) {
	e, err := c.live(in.SecretID)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags, e.tags); err != nil {
		return nil, err
	}
	tags := slices.Clone(e.tags)
	for _, t := range in.Tags {
		if i := slices.IndexFunc(tags, func(o Tag) bool { return o.Key == t.Key }); i >= 0 {
			tags[i] = t
			continue
		}
		tags = append(tags, t)
	}
	e.tags, e.changed = tags, c.opts.Now()
	return struct{}{}, nil
}

func untagResource(c *call, in struct {
	SecretID string
	TagKeys  []string
},
) (any, error) {
	e, err := c.live(in.SecretID)
	if err != nil {
		return nil, err
	}
	if e.tags != nil {
		e.tags = slices.DeleteFunc(slices.Clone(e.tags), func(t Tag) bool { return slices.Contains(in.TagKeys, t.Key) })
	}
	e.changed = c.opts.Now()
	return struct{}{}, nil
}
