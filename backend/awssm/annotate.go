package awssm

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/tacit-secrets/tacit/secret"
)

// Annotate changes description and tags: one request for each kind of change
// that there is.
func (b *Backend) Annotate(ctx context.Context, n secret.Name, c secret.Change) (secret.Meta, error) {
	s, id, err := b.ready(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	m, err := b.live(ctx, s, n)
	if err != nil {
		return secret.Meta{}, err
	}
	tags := changed(m.Tags, c.Tags)
	if c.Description != nil && len(*c.Description) > maxDescription {
		return secret.Meta{}, secret.Errorf(secret.Invalid, n, "a description has at most %d bytes in AWS", maxDescription)
	}
	if err := checkTags(n, without(tags, systemTag)); err != nil {
		return secret.Meta{}, err
	}
	if c.Description != nil {
		_, err := send(ctx, s, s.write.UpdateSecret, &secretsmanager.UpdateSecretInput{SecretId: &id, ClientRequestToken: aws.String(newToken()), Description: c.Description})
		if err != nil {
			return secret.Meta{}, b.classify(asking{ctx, s, "secretsmanager:UpdateSecret", n, err})
		}
	}
	if err := b.retag(ctx, s, m, tags); err != nil {
		return secret.Meta{}, err
	}
	if m.Tags = tags; c.Description != nil {
		m.Description = *c.Description
	}
	return b.settled(ctx, s, m)
}

// live describes a secret that is not deleted.
func (b *Backend) live(ctx context.Context, s *session, n secret.Name) (secret.Meta, error) {
	m, err := b.look(ctx, s, n)
	if err == nil && !m.Deleted.IsZero() {
		err = deletedError(n)
	}
	return m, err
}

func changed(old map[string]string, c secret.TagChange) map[string]string {
	out := maps.Clone(old)
	if out == nil || c.Clear {
		out = map[string]string{}
	}
	for _, k := range c.Remove {
		delete(out, k)
	}
	maps.Copy(out, c.Set)
	return out
}

func without(tags map[string]string, drop func(string) bool) map[string]string {
	out := maps.Clone(tags)
	maps.DeleteFunc(out, func(k, _ string) bool { return drop(k) })
	return out
}

// retag makes the tags of a secret be those, but for those that AWS sets.
func (b *Backend) retag(ctx context.Context, s *session, m secret.Meta, want map[string]string) error {
	id, err := secretID(m.Name)
	if err != nil {
		return err
	}
	var gone []string
	for _, k := range slices.Sorted(maps.Keys(m.Tags)) {
		if _, stays := want[k]; !stays && !systemTag(k) {
			gone = append(gone, k)
		}
	}
	set := map[string]string{}
	for k, v := range want {
		if old, there := m.Tags[k]; (!there || old != v) && !systemTag(k) {
			set[k] = v
		}
	}
	if len(gone) > 0 {
		_, err := send(ctx, s, s.write.UntagResource, &secretsmanager.UntagResourceInput{SecretId: &id, TagKeys: gone})
		if err != nil {
			return b.classify(asking{ctx, s, "secretsmanager:UntagResource", m.Name, err})
		}
	}
	if len(set) > 0 {
		_, err := send(ctx, s, s.write.TagResource, &secretsmanager.TagResourceInput{SecretId: &id, Tags: tagList(set)})
		if err != nil {
			return b.classify(asking{ctx, s, "secretsmanager:TagResource", m.Name, err})
		}
	}
	return nil
}

// textOf is the text of an error without the secret's name.
func textOf(err error) string {
	if e, ok := errors.AsType[*secret.Error](err); ok && e.Text != "" {
		return e.Text
	}
	return secret.KindOf(err).Error()
}
