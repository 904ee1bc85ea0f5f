package awssm

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/tacit-secrets/tacit/secret"
)

// Put makes a new version current, in one step that AWS makes whole. Tags, and
// a description together with stages, take further steps.
func (b *Backend) Put(ctx context.Context, n secret.Name, v secret.Value, o *secret.PutOptions) (secret.Version, error) {
	w, err := b.writing(ctx, n, v, o)
	if err != nil {
		return secret.Version{}, err
	}
	kept, err := w.known(ctx)
	if err != nil {
		return secret.Version{}, err
	}
	err = w.put(ctx)
	if mayBeNew(err) {
		made := w.create(ctx)
		switch {
		case made == nil:
			return w.finish(ctx, w.labels, nil)
		case secret.KindOf(err) == secret.Denied && final(made): // it is there, or may not be made either
		case secret.KindOf(made) == secret.Conflict && secret.StateOf(made) == 0: // made by another one meanwhile
			err = w.put(ctx)
		default:
			err = made
		}
	}
	if err != nil || kept {
		return w.written(ctx, err)
	}
	return w.finish(ctx, nil, w.opts.Annotations)
}

// mayBeNew reports whether a secret that was not written may not be there yet.
// Rights to exact names end in the suffix of a secret that is there, so AWS may
// deny them what it cannot find. Making a secret never writes over one.
func mayBeNew(err error) bool {
	k := secret.KindOf(err)
	return k == secret.NotFound || k == secret.Denied
}

// final reports whether a secret could not be made because of what it is, or of
// who asks: another try would say the same.
func final(err error) bool {
	k := secret.KindOf(err)
	return k == secret.Conflict || k == secret.Denied
}

// known reports whether the chosen id is there already, where that matters:
// what is there is not annotated again. Whether its value is the same, AWS
// knows.
func (w *writing) known(ctx context.Context) (bool, error) {
	if w.opts.ID == "" || w.opts.Annotations == nil {
		return false, nil
	}
	h, err := w.b.versions(ctx, w.s, w.n)
	if secret.KindOf(err) == secret.NotFound {
		return false, nil // the put says what there is
	}
	if _, there := h.find(w.opts.ID); err == nil && there {
		w.opts.Annotations = nil
		return true, nil
	}
	return false, err
}

// put adds a version to a secret that is there.
func (w *writing) put(ctx context.Context) error {
	if a := w.opts.Annotations; a != nil && w.labels == nil {
		out, err := send(ctx, w.s, w.s.write.UpdateSecret, &secretsmanager.UpdateSecretInput{
			SecretId: &w.id, ClientRequestToken: &w.token, SecretString: w.text, SecretBinary: w.binary, Description: &a.Description,
		})
		if w.described = err == nil; w.described {
			return w.made(ctx, out.VersionId, "UpdateSecret")
		}
		return w.refused(ctx, "UpdateSecret", err)
	}
	out, err := send(ctx, w.s, w.s.write.PutSecretValue, &secretsmanager.PutSecretValueInput{
		SecretId: &w.id, ClientRequestToken: &w.token, SecretString: w.text, SecretBinary: w.binary, VersionStages: w.labels,
	})
	if err == nil {
		return w.made(ctx, out.VersionId, "PutSecretValue")
	}
	return w.refused(ctx, "PutSecretValue", err)
}

// made expects the answer to a write to name the version that was written.
func (w *writing) made(ctx context.Context, id *string, action string) error {
	if w.text != nil || w.binary != nil {
		if aws.ToString(id) != w.token {
			return w.b.empty(asking{ctx, w.s, "secretsmanager:" + action, w.n, nil})
		}
	}
	return nil
}

// create makes the secret with its first version, which is current whatever
// else it is.
func (w *writing) create(ctx context.Context) error {
	in := &secretsmanager.CreateSecretInput{Name: &w.id, ClientRequestToken: &w.token, SecretString: w.text, SecretBinary: w.binary}
	if a := w.opts.Annotations; a != nil {
		in.Tags = tagList(a.Tags)
		if a.Description != "" {
			in.Description = &a.Description
		}
	}
	if w.b.settings.KMSKey != "" {
		in.KmsKeyId = &w.b.settings.KMSKey
	}
	out, err := send(ctx, w.s, w.s.write.CreateSecret, in)
	if err == nil {
		return w.made(ctx, out.VersionId, "CreateSecret")
	}
	switch codeOf(err) {
	case "ResourceExistsException":
		return secret.Errorf(secret.Conflict, w.n, "it exists already")
	case "ResourceNotFoundException": // of all that is named here, only a key can be missing
		return kmsError(w.n)
	}
	return w.refused(ctx, "CreateSecret", err)
}

// refused says why a write was not made; nil if it was.
func (w *writing) refused(ctx context.Context, action string, err error) error {
	if err == nil {
		return nil
	}
	if codeOf(err) == "ResourceExistsException" {
		return &secret.Error{Kind: secret.Conflict, Name: w.n, Version: secret.VersionID(w.token), Text: "this version's id is taken by another value"}
	}
	err = w.b.classify(asking{ctx, w.s, "secretsmanager:" + action, w.n, err})
	if secret.StateOf(err) == secret.Deleted {
		return inTheWay(w.n)
	}
	return err
}

// label gives the written version its stages, but for current.
func (w *writing) label(ctx context.Context, labels []string) error {
	for _, l := range labels {
		if l == labelCurrent {
			continue
		}
		if err := w.move(ctx, l); err != nil {
			return w.partly(err, "the stage "+string(stagesOf([]string{l})[0]))
		}
	}
	return nil
}

// finish does what takes further steps, once the version is written.
func (w *writing) finish(ctx context.Context, labels []string, a *secret.Annotations) (secret.Version, error) {
	if err := w.label(ctx, labels); err != nil {
		return secret.Version{}, err
	}
	if a == nil {
		return w.written(ctx, nil)
	}
	if !w.described {
		_, err := send(ctx, w.s, w.s.write.UpdateSecret, &secretsmanager.UpdateSecretInput{SecretId: &w.id, ClientRequestToken: aws.String(newToken()), Description: &a.Description})
		if err := w.refused(ctx, "UpdateSecret", err); err != nil {
			return secret.Version{}, w.partly(err, "the description")
		}
	}
	m, err := w.b.look(ctx, w.s, w.n)
	if err == nil {
		err = w.b.retag(ctx, w.s, m, a.Tags)
	}
	if err != nil {
		return secret.Version{}, w.partly(err, "the tags")
	}
	return w.written(ctx, nil)
}

// move gives a label to the new version, wherever it is now.
func (w *writing) move(ctx context.Context, label string) error {
	_, err := send(ctx, w.s, w.s.write.UpdateSecretVersionStage, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &w.id, VersionStage: &label, MoveToVersionId: &w.token,
	})
	if code := codeOf(err); code == "InvalidParameterException" { // it is at another version: take it from there
		var m secret.Meta
		if m, err = w.b.look(ctx, w.s, w.n); err != nil {
			return err
		}
		stage, _ := stageOf(label)
		_, err = send(ctx, w.s, w.s.write.UpdateSecretVersionStage, &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: &w.id, VersionStage: &label, RemoveFromVersionId: holderID(m, stage), MoveToVersionId: &w.token,
		})
	}
	return w.refused(ctx, "UpdateSecretVersionStage", err)
}

// holderID is the id of the version with a stage; nil if none has it.
func holderID(m secret.Meta, s secret.Stage) *string {
	for _, v := range m.Versions {
		if slices.Contains(v.Stages, s) {
			return aws.String(string(v.ID))
		}
	}
	return nil
}

// partly says that the version was written, and what was not.
func (w *writing) partly(err error, what string) error {
	return &secret.Error{Kind: secret.KindOf(err), State: secret.StateOf(err), Name: w.n, Version: secret.VersionID(w.token), Text: "version " + w.token + " was written, but not " + what + ": " + textOf(err)}
}

// written describes the version that was written, unless that failed. AWS does
// not say with a write when it was made, and who may write need not be allowed
// to look: then it has no number.
func (w *writing) written(ctx context.Context, err error) (secret.Version, error) {
	if err != nil {
		return secret.Version{}, err
	}
	if h, err := w.b.versions(ctx, w.s, w.n); err == nil {
		if v, ok := h.find(secret.VersionID(w.token)); ok {
			return v, nil
		}
	}
	labels := w.labels
	if labels == nil {
		labels = []string{labelCurrent}
	}
	return secret.Version{ID: secret.VersionID(w.token), Stages: stagesOf(labels)}, nil
}

// Create makes a secret that has no version yet.
func (b *Backend) Create(ctx context.Context, n secret.Name, a secret.Annotations) (secret.Meta, error) {
	if err := checkAnnotations(n, a); err != nil {
		return secret.Meta{}, err
	}
	s, id, err := b.ready(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	w := &writing{b: b, s: s, n: n, id: id, token: newToken(), opts: secret.PutOptions{Annotations: &a}}
	if err := w.create(ctx); err != nil {
		return secret.Meta{}, err
	}
	return b.settled(ctx, s, secret.Meta{Name: n, Annotations: secret.Annotations{Description: a.Description, Tags: maps.Clone(a.Tags)}})
}

func tagList(tags map[string]string) []types.Tag {
	var out []types.Tag
	for k, v := range tags {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	slices.SortFunc(out, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return out
}
