package vault

import (
	"context"
	"net/http"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// Version 1 of the engine keeps one value at a path, and tells nothing about
// it: no version, no time, no annotation.

// Lacks names what version 1 cannot do.
func (b *Backend) Lacks(ctx context.Context) ([]string, error) {
	if err := interrupted(ctx, ""); err != nil {
		return nil, err
	}
	engine, err := b.version(ctx, "")
	if err != nil || engine != 1 {
		return nil, err
	}
	return []string{"versions", "swap", "create", "undelete", "remove versions", "annotations", "limits"}, nil
}

// plainName refuses a name that version 1 cannot hold.
func plainName(engine int, n secret.Name) error {
	if engine == 1 && strings.Contains(string(n), "..") {
		return secret.Errorf(secret.Invalid, n, "version 1 of the KV engine takes no name with \"..\" in it")
	}
	return nil
}

func (b *Backend) plainPath(n secret.Name) string { return b.settings.Mount + "/" + string(n) }

func (b *Backend) getPlain(ctx context.Context, n secret.Name, at secret.At) (secret.Version, error) {
	got, absent, err := b.get(ctx, request{method: http.MethodGet, path: b.plainPath(n), name: n, capability: "read"})
	switch {
	case err != nil:
		return secret.Version{}, err
	case absent:
		return secret.Version{}, missing(n)
	case at.ID != "" || at.Number != 0 || at.Stage != "" && at.Stage != secret.Current:
		return secret.Version{}, noVersion(n, at)
	}
	v := secret.Version{Stages: []secret.Stage{secret.Current}}
	if v.Value, err = decodeValue(got.Data); err != nil {
		return secret.Version{}, b.strange(n)
	}
	return v, nil
}

// describePlain looks for the name in the list of its folder, which holds no
// value.
func (b *Backend) describePlain(ctx context.Context, n secret.Name) (secret.Meta, error) {
	dir, leaf := "", string(n)
	if i := strings.LastIndexByte(leaf, '/'); i >= 0 {
		dir, leaf = leaf[:i+1], leaf[i+1:]
	}
	for keys, err := range b.pages(ctx, dir) {
		if err != nil {
			return secret.Meta{}, named(err, n)
		}
		for _, k := range keys {
			if k == leaf {
				return plainMeta(n), nil
			}
		}
	}
	return secret.Meta{}, missing(n)
}

func plainMeta(n secret.Name) secret.Meta {
	return secret.Meta{Name: n, Versions: []secret.Version{{Stages: []secret.Stage{secret.Current}}}, Complete: true}
}

func (b *Backend) putPlain(ctx context.Context, p *putting) (secret.Version, error) {
	// The same value twice is no harm, so a lost answer is asked for again.
	_, err := b.send(ctx, request{method: http.MethodPut, path: b.plainPath(p.name), body: p.stored, name: p.name, capability: "update"})
	if err != nil {
		return secret.Version{}, err
	}
	return secret.Version{Stages: []secret.Stage{secret.Current}}, nil
}

func (b *Backend) deletePlain(ctx context.Context, n secret.Name) (secret.Meta, error) {
	m, err := b.describePlain(ctx, n)
	if err != nil {
		return secret.Meta{}, err
	}
	_, err = b.send(ctx, request{method: http.MethodDelete, path: b.plainPath(n), name: n, capability: "delete"})
	if err != nil {
		return secret.Meta{}, err
	}
	m.Versions = nil
	return m, nil
}
