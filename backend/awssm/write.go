package awssm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/tacit-secrets/tacit/secret"
)

// A writing is one logical write: however often it is tried, it has one token,
// which AWS makes the id of one version.
type writing struct {
	b      *Backend
	s      *session
	n      secret.Name
	id     string // what AWS calls the secret
	token  string
	text   *string
	binary []byte
	labels []string // where the new version is to be; empty: current alone
	opts   secret.PutOptions
	// described says that the description was part of the write.
	described bool
}

// writing checks a write before anything is sent.
func (b *Backend) writing(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (*writing, error) {
	w := &writing{b: b, n: n}
	if o != nil {
		w.opts = *o
	}
	id, err := secretID(n)
	if err == nil {
		err = w.checkOptions()
	}
	if err == nil {
		err = w.take(v)
	}
	if err != nil {
		return nil, err
	}
	if w.token = string(w.opts.ID); w.token == "" {
		w.token = newToken()
	}
	w.s, w.id, err = b.ready(ctx, n)
	w.id = id
	return w, err
}

func newToken() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func (w *writing) checkOptions() error {
	switch {
	case w.opts.Attributes != nil:
		return secret.Errorf(secret.Unsupported, w.n, "AWS keeps no attributes of single versions\n  annotate the secret:  tacit annotate")
	case w.opts.ID != "" && w.opts.ID.Check() != nil:
		return named(w.opts.ID.Check(), w.n)
	}
	for _, st := range w.opts.Stages {
		label, err := movable(w.n, st)
		if err != nil {
			return err
		}
		if !slices.Contains(w.labels, label) {
			w.labels = append(w.labels, label)
		}
	}
	if len(w.labels) == 1 && w.labels[0] == labelCurrent {
		w.labels = nil
	}
	if a := w.opts.Annotations; a != nil {
		return checkAnnotations(w.n, *a)
	}
	return nil
}

// movable returns the label of a stage that writers move.
func movable(n secret.Name, s secret.Stage) (string, error) {
	if s == secret.Previous {
		return "", secret.Errorf(secret.Invalid, n, "the stage previous is moved by the store alone")
	}
	label, ok := labelOf(s)
	if !ok || len(label) > 256 || !utf8.ValidString(label) {
		return "", secret.Errorf(secret.Invalid, n, "this is no stage in AWS: it has 1 to 256 bytes, and current, previous and pending stand for AWS's own labels")
	}
	return label, nil
}

const (
	maxDescription = 2048
	maxTags        = 50
)

func checkAnnotations(n secret.Name, a secret.Annotations) error {
	if len(a.Description) > maxDescription {
		return secret.Errorf(secret.Invalid, n, "a description has at most %d bytes in AWS", maxDescription)
	}
	return checkTags(n, a.Tags)
}

func checkTags(n secret.Name, tags map[string]string) error {
	if len(tags) > maxTags {
		return secret.Errorf(secret.Invalid, n, "a secret has at most %d tags in AWS", maxTags)
	}
	for k, v := range tags {
		if k == "" || utf8.RuneCountInString(k) > 128 || utf8.RuneCountInString(v) > 256 || systemTag(k) {
			return secret.Errorf(secret.Invalid, n, "a tag's key has 1 to 128 characters in AWS and does not begin with aws:, its value has at most 256")
		}
	}
	return nil
}

// systemTag reports whether AWS alone sets a tag.
func systemTag(key string) bool { return strings.HasPrefix(strings.ToLower(key), "aws:") }

// take keeps a value as AWS will: text that is no UTF-8 cannot be text there.
func (w *writing) take(v secret.Value) error {
	switch {
	case v.IsZero():
		return secret.Errorf(secret.Invalid, w.n, "there is no value to put")
	case v.Len() == 0:
		return secret.Errorf(secret.Invalid, w.n, "AWS keeps no empty value\n  to say that there is none, delete it:  tacit delete")
	case v.Len() > MaxValueBytes:
		return secret.Errorf(secret.Invalid, w.n, "AWS keeps at most %d bytes of a value, this one has %d\n  keep what is large elsewhere, encrypted, and its key here", MaxValueBytes, v.Len())
	}
	if bytes := v.Reveal(); v.IsBinary() || !utf8.Valid(bytes) {
		w.binary = bytes
		return nil
	}
	w.text = aws.String(string(v.Reveal()))
	return nil
}
