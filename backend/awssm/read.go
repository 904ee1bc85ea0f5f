package awssm

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/tacit-secrets/tacit/secret"
)

// Get returns one version with its value: in one request, but for a number,
// which AWS does not know.
func (b *Backend) Get(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	s, id, err := b.ready(ctx, n)
	if err != nil {
		return secret.Version{}, err
	}
	in, err := b.selection(ctx, s, n, at)
	if err != nil {
		return secret.Version{}, err
	}
	in.SecretId = &id
	v, err := b.get(ctx, s, s.read, n, in)
	if err == nil && at.Number != 0 && at.Number != v.Number {
		return secret.Version{}, noVersion(n, v.ID)
	}
	return v, err
}

func (b *Backend) get(ctx context.Context, s *session, client *secretsmanager.Client, n secret.Name, in *secretsmanager.GetSecretValueInput) (secret.Version, error) {
	out, err := send(ctx, s, client.GetSecretValue, in)
	if err != nil {
		err = b.classify(asking{ctx, s, "secretsmanager:GetSecretValue", n, err})
		if secret.KindOf(err) == secret.NotFound && secret.StateOf(err) == 0 && (in.VersionId != nil || in.VersionStage != nil) {
			// Which of the two is missing AWS says in words only: ask.
			if m, looked := b.look(ctx, s, n); looked == nil && m.Deleted.IsZero() {
				err = noVersion(n, secret.VersionID(aws.ToString(in.VersionId)))
			}
		}
		return secret.Version{}, err
	}
	if !whole(out.VersionId, out.SecretString, out.SecretBinary) {
		return secret.Version{}, b.empty(asking{ctx, s, "secretsmanager:GetSecretValue", n, nil})
	}
	v := told{out.ARN, out.VersionId, out.VersionStages, out.CreatedDate}.version()
	v.Value = valueOf(out.SecretString, out.SecretBinary)
	return v, nil
}

// whole reports whether an answer names a version and holds its value.
func whole(id, text *string, binary []byte) bool {
	return aws.ToString(id) != "" && (text != nil || binary != nil)
}

// selection says in AWS's words which version is meant.
func (b *Backend) selection(ctx context.Context, s *session, n secret.Name, at secret.At) (*secretsmanager.GetSecretValueInput, error) {
	in := &secretsmanager.GetSecretValueInput{}
	if at.Stage != "" && at.Stage != secret.Current || at.Stage == secret.Current && at.ID != "" {
		label, ok := labelOf(at.Stage)
		if !ok {
			return nil, noVersion(n, at.ID)
		}
		in.VersionStage = &label
	}
	if at.ID != "" && at.ID.Check() == nil {
		in.VersionId = aws.String(string(at.ID))
		return in, nil
	}
	if at.ID == "" && at.Number == 0 {
		return in, nil
	}
	all, err := b.versions(ctx, s, n)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all.list, func(v secret.Version) bool {
		return (at.ID == "" || v.ID == at.ID) && (at.Number == 0 || v.Number == at.Number)
	})
	if i < 0 {
		return nil, noVersion(n, at.ID)
	}
	in.VersionId = aws.String(string(all.list[i].ID))
	return in, nil
}

// told is what AWS says about a version.
type told struct {
	arn, id *string
	labels  []string
	created *time.Time
}

func (t told) version() secret.Version {
	v := secret.Version{ID: secret.VersionID(aws.ToString(t.id)), Stages: stagesOf(t.labels)}
	if arn := aws.ToString(t.arn); strings.HasPrefix(arn, "arn:") {
		v.Secret = &secret.Meta{UID: arn}
	}
	if t.created != nil {
		v.Created, v.Updated = *t.created, *t.created
		v.Number = uint64(max(0, t.created.UnixMilli()))
	}
	return v
}

func stagesOf(labels []string) []secret.Stage {
	var out []secret.Stage
	for _, l := range labels {
		if s, shown := stageOf(l); shown {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

func valueOf(text *string, binary []byte) secret.Value {
	if text != nil {
		return secret.Text(*text)
	}
	return secret.Binary(binary)
}

// history is all versions of a secret, newest first.
type history struct {
	arn  string
	list []secret.Version
}

// holder returns the version with a stage.
func (h *history) holder(s secret.Stage) (secret.Version, bool) {
	for _, v := range h.list {
		if slices.Contains(v.Stages, s) {
			return v, true
		}
	}
	return secret.Version{}, false
}

func (h *history) find(id secret.VersionID) (secret.Version, bool) {
	for _, v := range h.list {
		if v.ID == id {
			return v, true
		}
	}
	return secret.Version{}, false
}

// How often a list goes on, a hundred items each time: AWS keeps half a million
// secrets in a region, and about a hundred versions of a secret, or as many as
// were made within a day.
const (
	maxPages        = 6_000
	maxVersionPages = 1_000
)

// versions lists all versions of a secret, those without a stage included: one
// request for each hundred.
func (b *Backend) versions(ctx context.Context, s *session, n secret.Name) (history, error) {
	id, err := secretID(n)
	if err != nil {
		return history{}, err
	}
	var h history
	in := &secretsmanager.ListSecretVersionIdsInput{SecretId: &id, IncludeDeprecated: aws.Bool(true), MaxResults: aws.Int32(100)}
	for range maxVersionPages {
		out, err := send(ctx, s, s.read.ListSecretVersionIds, in)
		if err != nil {
			return history{}, b.classify(asking{ctx, s, "secretsmanager:ListSecretVersionIds", n, err})
		}
		if h.arn = aws.ToString(out.ARN); h.arn == "" {
			return history{}, b.empty(asking{ctx, s, "secretsmanager:ListSecretVersionIds", n, nil})
		}
		for _, v := range out.Versions {
			h.list = append(h.list, told{out.ARN, v.VersionId, v.VersionStages, v.CreatedDate}.version())
		}
		last := aws.ToString(in.NextToken)
		if in.NextToken = out.NextToken; aws.ToString(out.NextToken) == "" {
			h.sort()
			return h, nil
		}
		if last == *out.NextToken {
			break
		}
	}
	return history{}, b.endless(asking{ctx, s, "secretsmanager:ListSecretVersionIds", n, nil})
}

// sort puts the newest first. Of equal age, as emulators tell it, the one that
// comes later in AWS's list counts as newer.
func (h *history) sort() {
	slices.Reverse(h.list)
	slices.SortStableFunc(h.list, func(a, b secret.Version) int { return cmp.Compare(b.Number, a.Number) })
}

// Versions yields all versions, newest first, as they were when it began.
func (b *Backend) Versions(ctx context.Context, n secret.Name) iter.Seq2[secret.Version, error] {
	return func(yield func(secret.Version, error) bool) {
		s, _, err := b.ready(ctx, n)
		var h history
		if err == nil {
			h, err = b.versions(ctx, s, n)
		}
		if err != nil {
			yield(secret.Version{}, err)
			return
		}
		for _, v := range h.list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Describe tells what is known about a secret, deleted or not. AWS tells when
// versions were made, and which have no stage, only in a second list, which is
// asked for at the same time; where it may not be seen, Meta.Versions has no
// numbers and is not Complete.
func (b *Backend) Describe(ctx context.Context, n secret.Name) (secret.Meta, error) {
	s, _, err := b.ready(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	return b.describe(ctx, s, n)
}

func (b *Backend) describe(ctx context.Context, s *session, n secret.Name) (secret.Meta, error) {
	type listed struct {
		history
		err error
	}
	second := make(chan listed, 1)
	go func() {
		h, err := b.versions(ctx, s, n)
		second <- listed{h, err}
	}()
	m, err := b.look(ctx, s, n)
	l := <-second
	if err != nil {
		return m, err
	}
	// A right that is missing, or a secret that is deleted, leaves less to be
	// told; anything else is no answer.
	if l.err != nil && !errors.Is(l.err, secret.Denied) && !errors.Is(l.err, secret.NotFound) {
		return secret.Meta{}, l.err
	}
	if l.err == nil && (l.arn == m.UID || !strings.HasPrefix(l.arn, "arn:")) {
		m.Versions, m.Complete = l.list, true
		for i := range m.Versions {
			m.Versions[i].Secret = nil
		}
	}
	return m, nil
}

// settled describes a secret after a change. The change is made, whether this
// look at it succeeds or not: then it is known as it was meant to be.
func (b *Backend) settled(ctx context.Context, s *session, meant secret.Meta) (secret.Meta, error) {
	if m, err := b.describe(ctx, s, meant.Name); err == nil {
		return m, nil
	}
	meant.Versions, meant.Complete = nil, false
	return meant, nil
}

func interruptedNamed(ctx context.Context, n secret.Name) error { return named(interrupted(ctx), n) }

// look describes a secret in one request.
func (b *Backend) look(ctx context.Context, s *session, n secret.Name) (secret.Meta, error) {
	id, err := secretID(n)
	if err != nil {
		return secret.Meta{}, err
	}
	out, err := send(ctx, s, s.read.DescribeSecret, &secretsmanager.DescribeSecretInput{SecretId: &id})
	if err != nil {
		return secret.Meta{}, b.classify(asking{ctx, s, "secretsmanager:DescribeSecret", n, err})
	}
	if aws.ToString(out.ARN) == "" || aws.ToString(out.Name) != id {
		return secret.Meta{}, b.empty(asking{ctx, s, "secretsmanager:DescribeSecret", n, nil})
	}
	return b.meta(types.SecretListEntry{
		ARN: out.ARN, Name: out.Name, Description: out.Description, Tags: out.Tags,
		CreatedDate: out.CreatedDate, LastChangedDate: out.LastChangedDate, DeletedDate: out.DeletedDate,
		SecretVersionsToStages: out.VersionIdsToStages,
	}), nil
}

// meta is what AWS says about a secret, in lists and elsewhere.
func (b *Backend) meta(e types.SecretListEntry) secret.Meta {
	m := secret.Meta{Name: nameOf(aws.ToString(e.Name)), UID: aws.ToString(e.ARN)}
	m.Description = aws.ToString(e.Description)
	for _, t := range e.Tags {
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		m.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	m.Created, m.Updated = aws.ToTime(e.CreatedDate), aws.ToTime(e.LastChangedDate)
	if m.Updated.Before(m.Created) {
		m.Updated = m.Created
	}
	m.Deleted, m.Purge = b.ends(aws.ToTime(e.DeletedDate), m.Updated, time.Now())
	for id, labels := range e.SecretVersionsToStages {
		if stages := stagesOf(labels); len(stages) > 0 {
			m.Versions = append(m.Versions, secret.Version{ID: secret.VersionID(id), Stages: stages})
		}
	}
	slices.SortFunc(m.Versions, func(a, b secret.Version) int { return cmp.Compare(rank(a), rank(b)) })
	return m
}

// rank orders versions whose age is not known: those a rotation just made,
// then the current one, then others.
func rank(v secret.Version) string {
	switch {
	case slices.Contains(v.Stages, secret.Current):
		return "1"
	case slices.Contains(v.Stages, secret.Pending):
		return "0"
	case slices.Contains(v.Stages, secret.Previous):
		return "2"
	default:
		return "3" + string(v.ID)
	}
}

// ends says when a secret was deleted, and when it will be gone. AWS tells one
// date, and its documents call it both; the other is reckoned from the window
// of this environment, which is right for what tacit deleted.
func (b *Backend) ends(date, changed, now time.Time) (deleted, purge time.Time) {
	switch {
	case date.IsZero():
		return time.Time{}, time.Time{}
	case !date.After(now):
		return date, date.Add(b.window())
	}
	if deleted = date.Add(-b.window()); deleted.Before(changed) || deleted.After(now) {
		deleted = changed
	}
	return deleted, date
}
