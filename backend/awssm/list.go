package awssm

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/tacit-secrets/tacit/secret"
)

// List yields secrets in the order of their names' bytes. AWS does not sort
// so: what begins with the prefix is read, in pages of a hundred, before the
// first is yielded, and held in memory, about a kilobyte for each secret, much
// less with the hint Names. AWS lists what was changed up to five minutes
// before as it was.
func (b *Backend) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	if o == nil {
		o = &secret.ListOptions{}
	}
	return func(yield func(secret.Meta, error) bool) {
		all, err := b.gather(ctx, o)
		if err != nil {
			yield(secret.Meta{}, err)
			return
		}
		folder := ""
		for _, m := range all {
			if o.Shallow {
				i := strings.IndexByte(string(m.Name[len(o.Prefix):]), '/')
				if i >= 0 {
					// No name goes on with this byte, so the cursor is
					// behind all that begin with the folder.
					f := string(m.Name[:len(o.Prefix)+i+1])
					m = secret.Meta{Name: secret.Name(f), Prefix: true, Cursor: f + "\xff"}
					if f == folder || m.Cursor <= o.After {
						continue
					}
					folder = f
				}
			}
			if m.Cursor > o.After && !yield(m, nil) {
				return
			}
		}
	}
}

// gather reads all that a list may yield, sorted.
func (b *Backend) gather(ctx context.Context, o *secret.ListOptions) ([]secret.Meta, error) {
	s, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	prefix, possible := prefixOf(o.Prefix)
	if !possible {
		return nil, nil
	}
	in := &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(100), IncludePlannedDeletion: aws.Bool(o.Deleted != secret.NotDeleted)}
	if prefix != "" && len(prefix) <= 512 && prefix[0] != '!' { // "!" would negate
		in.Filters = []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{prefix}}}
	}
	var out []secret.Meta
	more, err := b.pages(ctx, s, in, maxPages, func(e types.SecretListEntry) {
		m := b.meta(e)
		if !strings.HasPrefix(string(m.Name), o.Prefix) || !o.Deleted.Selects(!m.Deleted.IsZero()) {
			return
		}
		if o.Names {
			m = secret.Meta{Name: m.Name, UID: m.UID, Created: m.Created, Updated: m.Updated, Deleted: m.Deleted, Purge: m.Purge}
		}
		m.Cursor = string(m.Name)
		out = append(out, m)
	})
	if err == nil && more {
		err = b.endless(asking{ctx, s, "secretsmanager:ListSecrets", "", nil})
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b secret.Meta) int { return strings.Compare(string(a.Name), string(b.Name)) })
	// A secret that is made while pages are read may come twice.
	return slices.CompactFunc(out, func(a, b secret.Meta) bool { return a.Name == b.Name }), nil
}

// pages reads a list to its end, or so many pages of it: true if there are
// more. Pages may be empty and go on.
func (b *Backend) pages(ctx context.Context, s *session, in *secretsmanager.ListSecretsInput, most int, each func(types.SecretListEntry)) (bool, error) {
	for range most {
		out, err := send(ctx, s, s.many.ListSecrets, in)
		if err != nil {
			return false, b.classify(asking{ctx, s, "secretsmanager:ListSecrets", "", err})
		}
		for _, e := range out.SecretList {
			each(e)
		}
		last := aws.ToString(in.NextToken)
		if in.NextToken = out.NextToken; aws.ToString(out.NextToken) == "" {
			return false, nil
		}
		if last == *out.NextToken {
			return false, b.endless(asking{ctx, s, "secretsmanager:ListSecrets", "", nil})
		}
	}
	return true, nil
}

// endless is for lists that do not end: what there is of them is not all.
func (b *Backend) endless(a asking) error {
	return secret.Errorf(secret.Corrupt, a.name, "%s lists without end\n  check the endpoint if one is set", b.address(a.s))
}
