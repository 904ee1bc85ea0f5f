package awssm

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"
	"github.com/tacit-secrets/tacit/secret"
)

const (
	perBatch = 20 // secrets that one request names
	batches  = 4  // requests in flight
	singles  = 32 // requests in flight where batches are denied
	// denialHolds is how long a denial of batches is remembered. Rights change
	// while a server runs.
	denialHolds = 10 * time.Minute
)

// batchRight remembers that batches are denied: the right to them stands in no
// resource's policy, so many who may read single secrets lack it.
type batchRight struct {
	mu     sync.Mutex
	denied time.Time
}

func (r *batchRight) lacking() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.denied.IsZero() && time.Since(r.denied) < denialHolds
}

func (r *batchRight) deny() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.denied = time.Now()
}

// GetBatch returns the current versions of many secrets: twenty in a request.
// What batches do not answer, or may not, is read one by one.
func (b *Backend) GetBatch(ctx context.Context, names []secret.Name) []secret.Result {
	found := &answers{by: map[secret.Name]secret.Result{}}
	ids := make(map[secret.Name]string, len(names))
	var asked []secret.Name
	for _, n := range names {
		if _, twice := ids[n]; twice || found.has(n) {
			continue
		}
		id, err := secretID(n)
		if err != nil {
			found.put(n, secret.Result{Err: err})
			continue
		}
		ids[n] = id
		asked = append(asked, n)
	}
	if len(asked) > 1 && !b.batch.lacking() {
		b.chunks(ctx, slices.Collect(slices.Chunk(asked, perBatch)), ids, found)
	}
	each(singles, found.missing(asked), func(n secret.Name) {
		s, id, err := b.ready(ctx, n)
		if err != nil {
			found.put(n, secret.Result{Err: err})
			return
		}
		v, err := b.get(ctx, s, s.many, n, &secretsmanager.GetSecretValueInput{SecretId: &id})
		found.put(n, secret.Result{Version: v, Err: err})
	})
	out := make([]secret.Result, len(names))
	for i, n := range names {
		out[i] = found.by[n]
	}
	return out
}

// chunks reads all of them: the first one alone, which signs in. Where AWS does
// not answer that, it is not asked for the others.
func (b *Backend) chunks(ctx context.Context, all [][]secret.Name, ids map[secret.Name]string, found *answers) {
	err := b.chunk(ctx, all[0], ids, found)
	if err == nil {
		each(batches, all[1:], func(part []secret.Name) { _ = b.chunk(ctx, part, ids, found) }) // the answers tell
		return
	}
	for _, part := range all[1:] {
		found.failed(part, err)
	}
}

// chunk reads some secrets in one request. What it leaves out is read singly.
// Its error is the answer for all of them.
func (b *Backend) chunk(ctx context.Context, part []secret.Name, ids map[secret.Name]string, found *answers) error {
	s, err := b.session(ctx)
	if err != nil || b.batch.lacking() {
		return nil //nolint:nilerr // each one meets it
	}
	in := &secretsmanager.BatchGetSecretValueInput{}
	for _, n := range part {
		in.SecretIdList = append(in.SecretIdList, ids[n])
	}
	out, err := send(ctx, s, s.many.BatchGetSecretValue, in)
	if err != nil {
		err = b.classify(asking{ctx, s, "secretsmanager:BatchGetSecretValue", "", err})
		if b.batchFailed(err) {
			found.failed(part, err)
			return err
		}
		return nil
	}
	for _, v := range out.SecretValues {
		// What lacks something is none, as for a single answer.
		if n := nameOf(aws.ToString(v.Name)); slices.Contains(part, n) && whole(v.VersionId, v.SecretString, v.SecretBinary) {
			found.put(n, secret.Result{Version: entryVersion(v)})
		}
	}
	for _, e := range out.Errors {
		i := slices.IndexFunc(part, func(n secret.Name) bool { return isOf(aws.ToString(e.SecretId), ids[n]) })
		if i < 0 {
			continue
		}
		said := &smithy.GenericAPIError{Code: aws.ToString(e.ErrorCode), Message: aws.ToString(e.Message)}
		err := b.classify(asking{ctx, s, "secretsmanager:GetSecretValue", part[i], said})
		if !errors.Is(err, secret.Unavailable) { // what passes is tried again singly
			found.put(part[i], secret.Result{Err: err})
		}
	}
	return nil
}

// batchFailed reports whether a failed batch is the answer for each secret of
// it: asking singly would only ask more often.
func (b *Backend) batchFailed(err error) bool {
	if errors.Is(err, secret.Denied) {
		b.batch.deny()
	}
	return errors.Is(err, secret.Unavailable) || errors.Is(err, secret.Unauthenticated)
}

func entryVersion(e types.SecretValueEntry) secret.Version {
	v := told{e.ARN, e.VersionId, e.VersionStages, e.CreatedDate}.version()
	v.Value = valueOf(e.SecretString, e.SecretBinary)
	return v
}

// isOf reports whether an answer's id, a name or an ARN, is that of a secret.
func isOf(answered, id string) bool {
	if _, rest, ok := strings.Cut(answered, ":secret:"); ok && strings.HasPrefix(answered, "arn:") {
		return len(rest) == len(id)+7 && strings.HasPrefix(rest, id+"-")
	}
	return answered == id
}

// answers are found by several goroutines.
type answers struct {
	mu sync.Mutex
	by map[secret.Name]secret.Result
}

func (a *answers) put(n secret.Name, r secret.Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.by[n] = r
}

// failed answers for many with one error.
func (a *answers) failed(names []secret.Name, err error) {
	for _, n := range names {
		a.put(n, secret.Result{Err: named(err, n)})
	}
}

func (a *answers) has(n secret.Name) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.by[n]
	return ok
}

func (a *answers) missing(all []secret.Name) []secret.Name {
	return slices.DeleteFunc(slices.Clone(all), a.has)
}

// each calls f for every item, a few at once.
func each[T any](atOnce int, items []T, f func(T)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, item := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(item)
		})
	}
	wg.Wait()
}
