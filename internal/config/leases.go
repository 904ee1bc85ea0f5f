package config

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/lease"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// Leases is the book of what the stores of this project issued. Its notes lie
// sealed in the embedded store.
func (x *Opened) Leases() *lease.Book { return x.leases }

// openLeases makes the book, once there is a Broker.
func (x *Opened) openLeases() {
	x.leases = lease.New(x.Broker, leaseRows{x.db}, filepath.Join(x.sys.storeDir(x.StoreID), "owners"), x.opts.Now)
	x.leases.Place(x.leaseStore)
}

// leaseStore tells which store issues the leases of an environment, once
// variables had their say; empty if there is no such environment.
func (x *Opened) leaseStore(env string) string {
	e, ok := x.Project.envs[env]
	if !ok {
		return ""
	}
	at := x.placed(e)
	return short(at.Backend, normalAddress(at.Address), strings.Trim(deref(at.said.Namespace, ""), "/"))
}

// SweepLeases revokes what tacit processes that were killed left behind, and
// what could not be revoked before: in the environments that the files that
// count declare.
func (x *Opened) SweepLeases(ctx context.Context) ([]lease.Swept, error) {
	return x.leases.Sweep(ctx, func(env string) bool {
		_, ok := x.Project.envs[env]
		return ok
	})
}

// leasing says where an environment's leases lie. Two environments whose leases
// are the same have none: what one of them forbids, the other could permit.
func (e Environment) leasing(all []Environment) broker.Leasing {
	out := broker.Leasing{Prefix: e.LeasePrefix}
	for _, f := range all {
		if f.Name == e.Name || e.Backend != BackendVault || f.Backend != BackendVault || !sameAddress(e.Address, f.Address) {
			continue
		}
		if a, b := e.leasePath(), f.leasePath(); strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
			out.Refused = secret.Errorf(secret.Invalid, "", "env.%s and env.%s share one store, and so the leases of both\n  give each a lease_prefix of its own in %s", min(f.Name, e.Name), max(f.Name, e.Name), FileName)
		}
	}
	return out
}

// leasePath is what the paths of an environment's leases begin with. A
// namespace may be said as such, or stand before them.
func (e Environment) leasePath() string {
	if ns := strings.Trim(deref(e.said.Namespace, ""), "/"); ns != "" {
		return ns + "/" + e.LeasePrefix
	}
	return e.LeasePrefix
}

// leaseRows keeps the notes of leases in a store.
type leaseRows struct{ db *state.DB }

const leaseParent = "lease"

func leaseKey(name string) state.Key {
	return state.Key{Kind: state.KindToken, Parent: leaseParent, Name: name}
}

func (r leaseRows) Put(ctx context.Context, name string, b []byte) error {
	return r.db.Update(ctx, func(tx *state.Tx) error { return tx.Put(leaseKey(name), b) })
}

func (r leaseRows) Delete(ctx context.Context, name string) error {
	return r.db.Update(ctx, func(tx *state.Tx) error { return tx.Delete(leaseKey(name)) })
}

func (r leaseRows) All(ctx context.Context) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := r.db.View(ctx, func(tx *state.Tx) error {
		clear(out)
		for row, err := range tx.ScanParent(state.KindToken, leaseParent) {
			if err != nil {
				return err
			}
			out[row.Name] = row.Payload
		}
		return nil
	})
	return out, err
}
