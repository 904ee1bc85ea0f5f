// Package lite is what is SQLite about a store's file: where it may lie, its
// schema and version, the settings of each connection, and what kind each error
// is. It knows nothing of keys, and what lies in the tables is opaque to it.
package lite
