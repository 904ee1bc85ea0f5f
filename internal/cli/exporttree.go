package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/internal/move"
	"github.com/tacit-secrets/tacit/secret"
)

// tree writes all secrets below a prefix. Values are read a few at a time, so
// that memory does not grow with the tree; names are looked at before the
// first value is read.
func (x *exporting) tree(ctx context.Context, arg string) error {
	p, err := place(x.opened, arg)
	if err != nil {
		return err
	}
	if p.Name != "" {
		return secret.Errorf(secret.Invalid, "", "%s is one secret:  tacit get %s\n  what lies below it:  tacit export %s/", p, p, p)
	}
	from := &move.Exporting{Broker: x.opened.Broker, Caller: x.caller(), From: p}
	total, err := x.names(ctx, from)
	if err != nil {
		return err
	}
	switch {
	case total == 0 && x.agent(): // which of the two is not for everyone to know
		return secret.Errorf(secret.Denied, "", "%s may export nothing below %s, or nothing is there", x.opened.Caller.Principal, p)
	case total == 0:
		return secret.Errorf(secret.NotFound, "", "%s has no secrets; nothing was written", p)
	}
	bar := x.progress("exported", total)
	defer bar.end()
	return x.write(ctx, func(w *envfmt.Writer) error {
		for e, err := range from.All(ctx) {
			if err != nil {
				return err
			}
			name := nameIn(x.format, e.Rel)
			if err := x.one(w, name, e.Value); err != nil {
				return cmp.Or(x.holds(e.Ref.String(), name, e.Value), err) // the same, in other words
			}
			if !x.onTerminal() {
				bar.step()
			}
		}
		return nil
	})
}

// names counts the secrets, and refuses names that the format does not hold or
// that become the same. Of each it remembers a hash, not the name.
func (x *exporting) names(ctx context.Context, from *move.Exporting) (n int, err error) {
	type mark [16]byte
	seen := map[mark]struct{}{}
	empty := secret.Text("")
	var p problems
	for e, err := range from.Names(ctx) {
		if err != nil {
			return 0, err
		}
		n++
		name := nameIn(x.format, e.Rel)
		if x.format.Check(name, empty) != nil {
			p.add(x.holds(e.Ref.String(), name, empty))
		}
		if name == e.Rel && !x.format.Variables() && x.format != envfmt.Kubernetes {
			continue // as distinct as the secrets are
		}
		sum := sha256.Sum256([]byte(name))
		m := mark(sum[:16])
		if _, ok := seen[m]; ok && len(p.text) <= maxProblems {
			p.add(x.collision(ctx, from, name, e))
		}
		seen[m] = struct{}{}
	}
	return n, p.error("nothing was written")
}

// collision names both secrets that become the same name.
func (x *exporting) collision(ctx context.Context, from *move.Exporting, name string, second move.Exported) error {
	for e, err := range from.Names(ctx) {
		if err != nil {
			return err
		}
		if e.Ref != second.Ref && nameIn(x.format, e.Rel) == name {
			return secret.Errorf(secret.Invalid, "", "%s and %s are both %s in %s\n    formats that keep names: json, yaml, toml", e.Ref, second.Ref, name, x.format)
		}
	}
	return fmt.Errorf("%s: changed meanwhile", second.Ref)
}
