package azurekv

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/tacit-secrets/tacit/secret"
)

// ahead is how many secrets are looked at before they are asked for.
const ahead = 16

// An item is a secret as a page tells it, which is without its version's id.
type item struct {
	name           secret.Name
	deleted, purge time.Time
}

// List yields secrets in the order of their names' bytes. A vault lists all it
// has, in pages of 25, in an order of its own; names alone take no further
// request, all else one for each secret.
func (b *Backend) List(ctx context.Context, o *secret.ListOptions) iter.Seq2[secret.Meta, error] {
	if o == nil {
		o = &secret.ListOptions{}
	}
	return func(yield func(secret.Meta, error) bool) {
		c, err := b.start(ctx, "")
		var all []item
		if err == nil {
			all, err = c.items(ctx, o)
		}
		if err != nil {
			yield(secret.Meta{}, err)
			return
		}
		c.yield(ctx, all, o, yield)
	}
}

// items lists what is asked for, sorted, from the cursor on.
func (c call) items(ctx context.Context, o *secret.ListOptions) ([]item, error) {
	var all []item
	keep := func(p item) {
		if n := string(p.name); strings.HasPrefix(n, o.Prefix) && (o.After == "" || n > o.After) {
			all = append(all, p)
		}
	}
	if o.Deleted != secret.OnlyDeleted {
		if err := c.liveItems(ctx, keep); err != nil {
			return nil, err
		}
	}
	if o.Deleted != secret.NotDeleted {
		if err := c.deletedItems(ctx, keep); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b item) int { return cmp.Compare(a.name, b.name) })
	// One that was deleted or recovered between the two lists is in both.
	return slices.CompactFunc(all, func(a, b item) bool { return a.name == b.name }), nil
}

func (c call) liveItems(ctx context.Context, keep func(item)) error {
	type page = azsecrets.ListSecretPropertiesResponse
	return through(ctx, c, c.c.NewListSecretPropertiesPager(nil), func(p page) ([]*azsecrets.SecretProperties, *string) {
		return p.Value, p.NextLink
	}, func(p *azsecrets.SecretProperties) bool {
		az, ok := idName(p.ID)
		if ok {
			keep(item{name: nameOf(az, p.Tags)})
		}
		return ok
	})
}

func (c call) deletedItems(ctx context.Context, keep func(item)) error {
	type page = azsecrets.ListDeletedSecretPropertiesResponse
	return through(ctx, c, c.c.NewListDeletedSecretPropertiesPager(nil), func(p page) ([]*azsecrets.DeletedSecretProperties, *string) {
		return p.Value, p.NextLink
	}, func(p *azsecrets.DeletedSecretProperties) bool {
		az, ok := idName(p.ID)
		if ok {
			keep(item{name: nameOf(az, p.Tags), deleted: moment(p.DeletedDate), purge: moment(p.ScheduledPurgeDate)})
		}
		return ok
	})
}

// through goes through a list to its end: read takes a page apart, and each gets
// what stands in it and tells whether it is what a vault would list. A list that
// has no end is Corrupt.
func through[T, E any](ctx context.Context, c call, pages *runtime.Pager[T], read func(T) (all []*E, next *string), each func(*E) bool) error {
	last := ""
	for n := 0; pages.More(); n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return c.classify(ctx, err, actMetadata)
		}
		all, link := read(page)
		if all == nil || slices.ContainsFunc(all, func(e *E) bool { return e != nil && !each(e) }) {
			return c.classify(ctx, errNoVault, actMetadata)
		}
		next := text(link)
		if next != "" && (next == last || n+1 >= c.b.tune.pages) {
			return secret.Errorf(secret.Corrupt, c.n, "Key Vault %s lists without end\n  is https://%s the address of a vault, and does nothing stand in between?", c.b.vault, c.b.host)
		}
		last = next
	}
	return nil
}

// yield tells items, folded if so asked, with their versions unless names are
// enough.
func (c call) yield(ctx context.Context, all []item, o *secret.ListOptions, yield func(secret.Meta, error) bool) {
	rows := fold(all, o)
	if o.Names {
		for _, r := range rows {
			if !c.one(ctx, r, yield) {
				return
			}
		}
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	found := make([]chan answer, len(rows))
	look := func(i int) {
		if i >= len(rows) {
			return
		}
		found[i] = make(chan answer, 1)
		if rows[i].Prefix {
			found[i] <- answer{rows[i], nil}
			return
		}
		wg.Go(func() {
			m, err := c.b.Describe(ctx, rows[i].Name)
			m.Cursor = rows[i].Cursor
			found[i] <- answer{m, err}
		})
	}
	for i := range ahead {
		look(i)
	}
	for i := range rows {
		a := <-found[i]
		look(i + ahead)
		switch {
		case ctx.Err() == nil && errors.Is(a.err, secret.NotFound), a.err == nil && !wanted(a.meta, o.Deleted):
			continue // it changed since the page was made
		case a.err != nil:
			yield(secret.Meta{}, a.err)
			return
		case !c.one(ctx, a.meta, yield):
			return
		}
	}
}

type answer struct {
	meta secret.Meta
	err  error
}

func wanted(m secret.Meta, d secret.Deletion) bool {
	return m.Prefix || d.Selects(!m.Deleted.IsZero())
}

// one yields an item, or that the context is done.
func (c call) one(ctx context.Context, m secret.Meta, yield func(secret.Meta, error) bool) bool {
	if ctx.Err() != nil {
		yield(secret.Meta{}, interrupted(ctx, ""))
		return false
	}
	return yield(m, nil)
}

// fold makes rows of items: with Shallow, one for all below a folder.
func fold(all []item, o *secret.ListOptions) []secret.Meta {
	var rows []secret.Meta
	for _, p := range all {
		n := string(p.name)
		if i := strings.IndexByte(n[len(o.Prefix):], '/'); o.Shallow && i >= 0 {
			folder := n[:len(o.Prefix)+i+1]
			cursor := folder + "\xff" // behind all that begin with the folder
			if n < o.After || len(rows) > 0 && rows[len(rows)-1].Cursor == cursor || o.After == cursor {
				continue
			}
			rows = append(rows, secret.Meta{Name: secret.Name(folder), Prefix: true, Cursor: cursor})
			continue
		}
		rows = append(rows, secret.Meta{Name: p.name, Deleted: p.deleted, Purge: p.purge, Cursor: n})
	}
	return rows
}

// properties reads at most some pages of the secrets' properties: evidence of
// how the vault is kept.
func (c call) properties(ctx context.Context, pages int) (all []*azsecrets.SecretProperties, whole bool, err error) {
	p := c.c.NewListSecretPropertiesPager(nil)
	for range pages {
		if !p.More() {
			return all, true, nil
		}
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, false, c.classify(ctx, err, actMetadata)
		}
		all = append(all, page.Value...)
	}
	return all, !p.More(), nil
}
