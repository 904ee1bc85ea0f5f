// Package move copies secrets from one place to another, and tells how two
// places differ. A place is an environment, or the part of one that a prefix
// names. It asks the Broker for everything, so each secret that is read or
// written is decided and recorded like any other.
//
// It streams: what it holds at a time does not grow with the number of secrets.
// For that both places must list in byte order, as the embedded store and the
// one in memory do; a list that does not ends what was begun.
//
// It asks no questions and prints nothing: commands do.
package move
