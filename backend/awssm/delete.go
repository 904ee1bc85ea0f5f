package awssm

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/tacit-secrets/tacit/secret"
)

// Delete makes all versions unreadable until the window is over. AWS takes 7
// to 30 days; another window that is asked for is that of the settings.
func (b *Backend) Delete(ctx context.Context, n secret.Name, o *secret.DeleteOptions) (secret.Meta, error) {
	s, id, err := b.ready(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	days := int64(b.window() / day)
	if o != nil && o.Window >= minWindow && o.Window <= defaultWindow {
		days = int64((o.Window + day - 1) / day)
	}
	_, unseen := b.live(ctx, s, n)
	if unseen != nil && !errors.Is(unseen, secret.Denied) {
		return secret.Meta{}, unseen
	}
	out, err := send(ctx, s, s.write.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: &id, RecoveryWindowInDays: &days})
	if err != nil {
		err = b.classify(asking{ctx, s, "secretsmanager:DeleteSecret", n, err})
		if unseen != nil || secret.StateOf(err) != secret.Deleted {
			return secret.Meta{}, err
		}
		out = &secretsmanager.DeleteSecretOutput{} // it was there: a try whose answer was lost deleted it
	}
	m, err := b.look(ctx, s, n)
	if err != nil { // it is deleted all the same
		m = secret.Meta{Name: n, UID: aws.ToString(out.ARN)}
	}
	if purge := aws.ToTime(out.DeletionDate); !purge.IsZero() {
		m.Purge = purge
		if m.Deleted.IsZero() {
			m.Deleted = purge.AddDate(0, 0, -int(days))
		}
	}
	return m, nil
}

// Undelete brings a deleted secret back.
func (b *Backend) Undelete(ctx context.Context, n secret.Name) (secret.Meta, error) {
	s, id, err := b.ready(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	m, err := b.look(ctx, s, n)
	if err != nil {
		return secret.Meta{}, err
	}
	if m.Deleted.IsZero() {
		return secret.Meta{}, secret.Errorf(secret.Conflict, n, "it is not deleted")
	}
	if _, err := send(ctx, s, s.write.RestoreSecret, &secretsmanager.RestoreSecretInput{SecretId: &id}); err != nil {
		err = b.classify(asking{ctx, s, "secretsmanager:RestoreSecret", n, err})
		// A try whose answer was lost may have restored it.
		if now, unseen := b.live(ctx, s, n); unseen != nil || now.UID != m.UID {
			return secret.Meta{}, err
		}
	}
	m.Deleted, m.Purge = time.Time{}, time.Time{}
	return b.settled(ctx, s, m)
}

// destroying is how long AWS may take to destroy what it was asked to.
const destroying = 30 * time.Second

// Destroy removes a secret with all versions. AWS does it some seconds later:
// Destroy waits until it is done.
func (b *Backend) Destroy(ctx context.Context, n secret.Name) error {
	s, id, err := b.ready(ctx, n)
	if err != nil {
		return err
	}
	m, err := b.look(ctx, s, n) // AWS answers well where there is nothing to destroy
	if err != nil {
		return err
	}
	if _, err := send(ctx, s, s.write.DeleteSecret, &secretsmanager.DeleteSecretInput{SecretId: &id, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		return b.classify(asking{ctx, s, "secretsmanager:DeleteSecret", n, err})
	}
	pause := 100 * time.Millisecond
	for end := time.Now().Add(destroying); time.Now().Before(end); pause = min(2*pause, 2*time.Second) {
		now, err := b.look(ctx, s, n)
		if secret.KindOf(err) == secret.NotFound || err == nil && now.UID != m.UID {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return interruptedNamed(ctx, n)
		case <-time.After(pause):
		}
	}
	return secret.Errorf(secret.Unavailable, n, "AWS was told to destroy it and has not done so yet\n  look again in a minute")
}
