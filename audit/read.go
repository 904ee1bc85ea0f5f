package audit

import (
	"context"
	"errors"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/audit/internal/segment"
	"github.com/tacit-secrets/tacit/secret"
)

// A Filter selects records; what is zero selects all.
type Filter struct {
	Since, Until time.Time // from Since, before Until
	Principal    secret.Principal
	Verb         secret.Verb
	Env          string
	Name         string // a pattern: * stands for anything
	Outcome      string
	Session      string // with or without the sub-agent: SESSION/AGENT
	Limit        int    // at most this many, the newest; they are kept in memory
}

func (f *Filter) passes(r *Record) bool {
	if !f.Since.IsZero() && r.Time.Before(f.Since) || !f.Until.IsZero() && !r.Time.Before(f.Until) {
		return false
	}
	return is(f.Principal, r.Principal) && is(f.Verb, r.Verb) && is(f.Env, r.Env) && is(f.Outcome, r.Outcome) &&
		(is(f.Session, r.Session) || f.Session == r.Session+"/"+r.Agent) && (f.Name == "" || like(f.Name, r.Name))
}

// is reports whether what a record says is what is wanted, if anything is.
func is[T ~string](want, have T) bool { return want == "" || want == have }

// like reports whether a name fits a pattern in which * stands for anything.
func like(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// Read yields the records of a log's folder that pass the filter, oldest
// first. It checks nothing but the form of each line: [Verify] proves. Bytes
// behind the last whole line of the last segment are passed over: another
// process may be writing them. A line that is no record is [secret.Corrupt].
func Read(ctx context.Context, dir string, f Filter) iter.Seq2[Record, error] {
	if f.Limit > 0 {
		return newest(ctx, dir, f)
	}
	return func(yield func(Record, error) bool) {
		all, err := segment.List(dir)
		if err == nil && len(all) == 0 {
			err = segment.Missing(dir, os.ErrNotExist)
		}
		for i := range all {
			if err == nil {
				err = readSegment(ctx, dir, all, i, func(r Record) bool { return !f.passes(&r) || yield(r, nil) })
			}
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(Record{}, err)
		}
	}
}

// newest yields the last f.Limit records.
func newest(ctx context.Context, dir string, f Filter) iter.Seq2[Record, error] {
	limit := f.Limit
	f.Limit = 0
	return func(yield func(Record, error) bool) {
		var last []Record
		for r, err := range Read(ctx, dir, f) {
			if err != nil {
				yield(r, err)
				return
			}
			if last = append(last, r); len(last) >= 2*limit {
				last = append(last[:0], last[len(last)-limit:]...)
			}
		}
		for _, r := range last[max(0, len(last)-limit):] {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// errStop ends a walk that the caller does not want to go on.
var errStop = errors.New("stop")

func readSegment(ctx context.Context, dir string, all []uint64, i int, each func(Record) bool) error {
	return segment.Leaves(ctx, dir, all, i, func(n uint64, b []byte, isHeader bool) error {
		if isHeader {
			return nil
		}
		var r Record
		if !segment.Decode(b, &r) || r.N != n {
			return secret.Errorf(secret.Corrupt, "", "%s: line %d of the log is no record\n  tacit audit verify", segment.Name(all[i]), n)
		}
		if !each(r) {
			return errStop
		}
		return nil
	})
}
