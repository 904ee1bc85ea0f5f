package azurekv

import (
	"encoding/base64"
	"encoding/json"
	"hash/crc32"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// The tags of tacit's own. What a vault has no place for stands in them.
const (
	tagPrefix      = "tacit-"
	tagNumber      = "tacit-n"           // when the version was made, in milliseconds, always more than the one before
	tagWriter      = "tacit-w"           // which call made it: a repeated request is known by it
	tagParent      = "tacit-parent"      // the version it replaced, by the vault's own id
	tagID          = "tacit-id"          // the identity that its writer chose
	tagName        = "tacit-name"        // the whole name, where the vault's is shortened
	tagDescription = "tacit-description" // of the secret
	tagSecret      = "tacit-s"           // which tags are the secret's, a list in JSON: they are carried along
	tagSecretOf    = "tacit-s-"          // a tag of the secret whose name the version uses too
)

// The limits of the service, in characters.
const (
	maxTags        = 15
	maxTag         = 512
	maxContentType = 255
)

// held is a version as the vault tells it, without its value.
type held struct {
	az       string // its id in the vault; empty where a list tells none
	enabled  bool
	attrs    secret.Attributes // content type as it is kept, tags of the version
	created  time.Time
	updated  time.Time
	level    string // how deleted secrets are kept
	number   uint64
	own      bool   // made by tacit: the number is told, not derived
	writer   string //
	parent   string
	id       secret.VersionID
	name     secret.Name // the whole name, if it is told
	about    secret.Annotations
	previous bool
	current  bool
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// idName returns the name in an identifier of a vault, in lower case; false if
// it is none. The client's own reading stops at anything else by a panic.
func idName(id *azsecrets.ID) (string, bool) {
	u, err := url.Parse(text((*string)(id)))
	if err != nil {
		return "", false
	}
	parts := strings.Split(strings.TrimPrefix(strings.ToLower(u.Path), "/"), "/")
	if len(parts) < 2 || parts[1] == "" || len(parts[1]) > wire.MaxAzureName || strings.Trim(parts[1], "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "", false
	}
	return parts[1], true
}

// idVersion returns the version in an identifier, which commands to paste may
// name; empty if there is none of a vault's form.
func idVersion(id *azsecrets.ID) string {
	if id == nil {
		return ""
	}
	if v := strings.ToLower(id.Version()); hexadecimal(v) {
		return v
	}
	return ""
}

// hold reads what the vault tells of a version.
func hold(id *azsecrets.ID, a *azsecrets.SecretAttributes, contentType *string, tags map[string]*string) held {
	h := held{enabled: true}
	h.az = idVersion(id)
	if a != nil {
		h.enabled = a.Enabled == nil || *a.Enabled
		h.attrs.NotBefore, h.attrs.Expires = moment(a.NotBefore), moment(a.Expires)
		h.created, h.updated, h.level = moment(a.Created), moment(a.Updated), text(a.RecoveryLevel)
	}
	h.attrs.Disabled = !h.enabled
	h.attrs.ContentType = text(contentType)
	h.readTags(tags)
	return h
}

// readTags tells tacit's own tags, the secret's and the version's apart. What
// is there may have been changed by anyone who may write tags: what makes no
// sense is passed over.
func (h *held) readTags(tags map[string]*string) {
	all := map[string]string{}
	for k, v := range tags {
		all[k] = text(v)
	}
	if n, err := strconv.ParseUint(all[tagNumber], 10, 53); err == nil && n > 0 {
		h.number, h.own = n, true
	} else {
		// Two versions that others made within a second must not have one
		// number, and each must have the same one in every answer.
		h.number = uint64(max(h.created.UnixMilli(), 0)) + uint64(crc32.ChecksumIEEE([]byte(h.az))%1000)
	}
	h.writer, h.parent = all[tagWriter], all[tagParent]
	if id := secret.VersionID(all[tagID]); id.Check() == nil {
		h.id = id
	}
	h.name = secret.Name(all[tagName])
	h.about.Description = all[tagDescription]
	var keys []string
	_ = json.Unmarshal([]byte(all[tagSecret]), &keys) // of no sense: none
	for k, v := range all {
		rest, doubled := strings.CutPrefix(k, tagSecretOf)
		switch {
		case doubled:
			put(&h.about.Tags, rest, v)
		case reserved(k):
		case slices.Contains(keys, k):
			put(&h.about.Tags, k, v)
		default:
			put(&h.attrs.Tags, k, v)
		}
	}
}

func put(m *map[string]string, k, v string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[k] = v
}

func reserved(tag string) bool {
	return len(tag) >= len(tagPrefix) && strings.EqualFold(tag[:len(tagPrefix)], tagPrefix)
}

// writeTags is the reverse of readTags, checked against the service's limits.
func (h *held) writeTags(n secret.Name) (map[string]*string, error) {
	all := map[string]string{}
	keys := []string{}
	for k, v := range h.about.Tags {
		if _, twice := h.attrs.Tags[k]; twice {
			all[tagSecretOf+k] = v
			continue
		}
		all[k] = v
		keys = append(keys, k)
	}
	maps.Copy(all, h.attrs.Tags)
	if len(keys) > 0 {
		slices.Sort(keys)
		b, err := json.Marshal(keys)
		if err != nil {
			return nil, secret.Errorf(secret.Invalid, n, "a tag is no text")
		}
		all[tagSecret] = string(b)
	}
	for k, v := range map[string]string{
		tagWriter: h.writer, tagParent: h.parent, tagID: string(h.id), tagName: string(h.name), tagDescription: h.about.Description,
	} {
		if v != "" {
			all[k] = v
		}
	}
	if h.own {
		all[tagNumber] = strconv.FormatUint(h.number, 10)
	}
	if err := checkTags(n, all); err != nil {
		return nil, err
	}
	out := make(map[string]*string, len(all))
	for k, v := range all {
		out[k] = to.Ptr(v)
	}
	return out, nil
}

func checkTags(n secret.Name, all map[string]string) error {
	if len(all) > maxTags {
		own := 0
		for k := range all {
			if reserved(k) {
				own++
			}
		}
		return secret.Errorf(secret.Invalid, n, "Key Vault keeps at most %d tags with a version, these are %d (%d of tacit's own)", maxTags, len(all), own)
	}
	if utf8.RuneCountInString(all[tagSecret]) > maxTag {
		return secret.Errorf(secret.Invalid, n, "Key Vault keeps no more than about %d characters of a secret's tags' names together", maxTag)
	}
	for k, v := range all {
		switch {
		case k == "" || utf8.RuneCountInString(k) > maxTag || utf8.RuneCountInString(v) > maxTag:
			return secret.Errorf(secret.Invalid, n, "Key Vault keeps tags of at most %d characters, and so do their values; %q is longer, or empty", maxTag, k[:min(len(k), 40)])
		case !utf8.ValidString(k) || !utf8.ValidString(v):
			return secret.Errorf(secret.Invalid, n, "a tag is not UTF-8")
		}
	}
	return nil
}

// checkUser refuses tags that would be taken for tacit's own.
func checkUser(n secret.Name, tags map[string]string) error {
	for k := range tags {
		if reserved(k) {
			return secret.Errorf(secret.Invalid, n, "tags that begin with %q are tacit's own in Key Vault", tagPrefix)
		}
	}
	return nil
}

// version is what callers are told.
func (h *held) version() secret.Version {
	v := secret.Version{ID: h.id, Number: h.number, Attributes: h.attrs, Created: h.created, Updated: h.updated}
	if v.ID == "" {
		v.ID = secret.VersionID(h.az)
	}
	_, v.ContentType = kept(h.attrs.ContentType)
	v.Tags = maps.Clone(h.attrs.Tags)
	if h.current {
		v.Stages = []secret.Stage{secret.Current}
	} else if h.previous {
		v.Stages = []secret.Stage{secret.Previous}
	}
	return v
}

// told is version with what the answer tells about the secret: what is the
// secret's stands with its current version.
func (h *held) told() secret.Version {
	v := h.version()
	if h.current {
		v.Secret = &secret.Meta{Annotations: h.annotations()}
	}
	return v
}

func (h *held) annotations() secret.Annotations {
	return secret.Annotations{Description: h.about.Description, Tags: maps.Clone(h.about.Tags)}
}

// How a value lies in the vault, told by the end of its content type: as it
// is, or as base64 of bytes, or of text that no vault can hold.
type form uint8

const (
	plain form = iota
	ofBytes
	ofText
)

const (
	endBytes = ";base64"
	endText  = ";text;base64"
	anyBytes = "application/octet-stream"
	anyText  = "text/plain"
)

// kept takes a content type apart.
func kept(contentType string) (form, string) {
	if t, ok := strings.CutSuffix(contentType, endText); ok {
		return ofText, unless(t, anyText)
	}
	if t, ok := strings.CutSuffix(contentType, endBytes); ok {
		return ofBytes, unless(t, anyBytes)
	}
	return plain, contentType
}

func unless(contentType, assumed string) string {
	if contentType == assumed {
		return ""
	}
	return contentType
}

// keep puts a content type together.
func keep(f form, contentType string) string {
	switch {
	case f == ofBytes && contentType == "":
		return anyBytes + endBytes
	case f == ofBytes:
		return contentType + endBytes
	case f == ofText && contentType == "":
		return anyText + endText
	case f == ofText:
		return contentType + endText
	default:
		return contentType
	}
}

// pack makes what the vault keeps of a value. The error is Invalid.
func pack(n secret.Name, v secret.Value, contentType string) (value, kind string, err error) {
	f := plain
	switch b := v.Reveal(); {
	case v.IsZero():
		return "", "", secret.Errorf(secret.Invalid, n, "there is no value to put")
	case v.IsBinary():
		f = ofBytes
	case !utf8.Valid(b) || slices.Contains(b, 0):
		f = ofText
	}
	if other, _ := kept(contentType); other != plain {
		return "", "", secret.Errorf(secret.Invalid, n, "in Key Vault a content type that ends in %q says how the value is written", endBytes)
	}
	if kind = keep(f, contentType); utf8.RuneCountInString(kind) > maxContentType || !utf8.ValidString(kind) {
		return "", "", secret.Errorf(secret.Invalid, n, "Key Vault keeps a content type of at most %d characters", maxContentType)
	}
	value = string(v.Reveal())
	if f != plain {
		value = base64.StdEncoding.EncodeToString(v.Reveal())
	}
	if len(value) > MaxValueBytes {
		return "", "", secret.Errorf(secret.Invalid, n, "Key Vault keeps at most %d bytes of a value, this one takes %d\n  keep what is large elsewhere, encrypted, and its key here", MaxValueBytes, len(value))
	}
	return value, kind, nil
}

// unpack is the reverse of pack. What only looks like it is text.
func unpack(value, contentType string) secret.Value {
	if f, _ := kept(contentType); f != plain {
		if b, err := base64.StdEncoding.DecodeString(value); err == nil {
			if f == ofText {
				return secret.Text(b)
			}
			return secret.Binary(b)
		}
	}
	return secret.Text(value)
}

// nameOf is the name of a secret that a list tells: what its tag says, if it
// can be true, or what the vault's name means.
func nameOf(az string, tags map[string]*string) secret.Name {
	if t := text(tags[tagName]); t != "" {
		if encoded, whole := wire.AzureName(t); !whole && encoded == az && secret.Name(t).Check() == nil {
			return secret.Name(t)
		}
	}
	return secret.Name(wire.AzureNameOf(az))
}

// changed applies first Clear, then Remove, then Set.
func changed(tags map[string]string, c secret.TagChange) map[string]string {
	out := map[string]string{}
	if !c.Clear {
		maps.Copy(out, tags)
	}
	for _, k := range c.Remove {
		delete(out, k)
	}
	maps.Copy(out, c.Set)
	if len(out) == 0 {
		return nil
	}
	return out
}

// attributes of a version as they are sent.
func sent(a secret.Attributes) *azsecrets.SecretAttributes {
	out := &azsecrets.SecretAttributes{Enabled: to.Ptr(!a.Disabled)}
	if !a.NotBefore.IsZero() {
		out.NotBefore = to.Ptr(a.NotBefore)
	}
	if !a.Expires.IsZero() {
		out.Expires = to.Ptr(a.Expires)
	}
	return out
}

// sentTime is a changed time: none is sent as null.
func sentTime(t *time.Time) *time.Time {
	if t != nil && t.IsZero() {
		return azcore.NullValue[*time.Time]()
	}
	return t
}
