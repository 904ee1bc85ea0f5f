// Package local is the embedded encrypted store: a [Store] keeps secrets as
// sealed rows of an internal/state database, which several processes may have
// open at once.
//
// A secret is one row, its head, under its name: identity, annotations, limits
// and its versions without values, as internal/head knows them. Each value is a
// row of its own under the secret's and the version's identity. Names stand
// sealed in the heads, and in no row's associated data but as the row's key, so
// that a secret can be renamed without touching its values.
//
// Every change is durable when its call returns, and concurrent changes of one
// process share a transaction. A context that ends before the commit means that
// nothing happened.
//
// The package does not encrypt, lock files or find keys (internal/state and
// internal/seal do), decides nothing about who may read, and serves one
// environment or many alike: prefixes are the Broker's affair.
package local
