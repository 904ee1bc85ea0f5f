package awssm

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/tacit-secrets/tacit/secret"
)

// MoveStage moves a stage by AWS's own compare-and-swap.
func (b *Backend) MoveStage(ctx context.Context, n secret.Name, stage secret.Stage, from, to secret.VersionID) (secret.Meta, error) {
	s, _, err := b.ready(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	label, err := movable(n, stage)
	if err != nil {
		return secret.Meta{}, err
	}
	if stage == secret.Current && to == "" {
		return secret.Meta{}, secret.Errorf(secret.Invalid, n, "the stage current is moved, never removed")
	}
	m, err := b.live(ctx, s, n)
	if err != nil {
		return secret.Meta{}, err
	}
	if held := aws.ToString(holderID(m, stage)); held != string(from) {
		return secret.Meta{}, elsewhere(n, secret.VersionID(held))
	}
	if from != to {
		if err := b.relabel(ctx, s, n, label, move{from, to}); err != nil {
			return secret.Meta{}, err
		}
	}
	return b.settled(ctx, s, m)
}

func elsewhere(n secret.Name, held secret.VersionID) error {
	return &secret.Error{Kind: secret.Conflict, Name: n, Version: held, Text: "the stage is at another version"}
}

// A move is of a label; an empty id is no version.
type move struct{ from, to secret.VersionID }

// relabel moves a label. AWS refuses where it is not at the version that it is
// taken from, so it is a compare-and-swap: Conflict, with the version that has
// it. An answer that was lost is found by looking.
func (b *Backend) relabel(ctx context.Context, s *session, n secret.Name, label string, m move) error {
	id, err := secretID(n)
	if err != nil {
		return err
	}
	if m.to != "" && m.to.Check() != nil {
		return noVersion(n, m.to)
	}
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &id, VersionStage: &label}
	if m.from != "" {
		in.RemoveFromVersionId = aws.String(string(m.from))
	}
	if m.to != "" {
		in.MoveToVersionId = aws.String(string(m.to))
	}
	_, err = send(ctx, s, s.write.UpdateSecretVersionStage, in)
	if err == nil {
		return nil
	}
	code := codeOf(err)
	err = b.classify(asking{ctx, s, "secretsmanager:UpdateSecretVersionStage", n, err})
	if code != "InvalidParameterException" && code != "InvalidRequestException" && code != "ResourceNotFoundException" || secret.StateOf(err) == secret.Deleted {
		return err
	}
	h, looked := b.versions(ctx, s, n)
	if looked != nil {
		return looked
	}
	return h.notMoved(n, label, m, err)
}

// notMoved says why a label was not moved; nil if it was, by a try whose
// answer was lost.
func (h *history) notMoved(n secret.Name, label string, m move, err error) error {
	held := h.labelled(label)
	_, there := h.find(m.to)
	switch {
	case held == m.to && held != m.from:
		return nil
	case m.to != "" && !there:
		return noVersion(n, m.to)
	case held != m.from:
		return elsewhere(n, held)
	default:
		return err
	}
}

// labelled is the id of the version with a label; empty if none has it, or if
// it is tacit's own mark.
func (h *history) labelled(label string) secret.VersionID {
	stage, shown := stageOf(label)
	if !shown {
		return ""
	}
	i := slices.IndexFunc(h.list, func(v secret.Version) bool { return slices.Contains(v.Stages, stage) })
	if i < 0 {
		return ""
	}
	return h.list[i].ID
}
