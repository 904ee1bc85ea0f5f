package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/tacit-secrets/tacit/secret"
)

// The bounds of a search for names that were meant.
const (
	nearScan  = 10_000
	nearShown = 3
)

// Nearest returns names that are nearly r.Name, nearest first, among those
// that the caller may list. It is a listing, and recorded as one.
func (b *Broker) Nearest(ctx context.Context, c secret.Caller, r secret.Ref) []secret.Name {
	type near struct {
		name     secret.Name
		distance int
	}
	var found []near
	limit := 1 + len(r.Name)/4
	scanned := 0
	for m, err := range b.List(ctx, c, r.Env, &secret.ListOptions{Names: true}) {
		if scanned++; err != nil || scanned > nearScan {
			break
		}
		if d := distance(string(m.Name), string(r.Name), limit); d <= limit {
			found = append(found, near{m.Name, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var out []secret.Name
	for _, n := range found[:min(len(found), nearShown)] {
		out = append(out, n.name)
	}
	return out
}

// distance returns how many bytes are inserted, removed or replaced between a
// and b, or more than limit as soon as that is certain.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		best := row[0]
		for j := 1; j <= len(b); j++ {
			next := diagonal
			if a[i-1] != b[j-1] {
				next = 1 + min(diagonal, row[j], row[j-1])
			}
			diagonal, row[j] = row[j], next
			best = min(best, next)
		}
		if best > limit {
			return limit + 1
		}
	}
	return row[len(b)]
}
