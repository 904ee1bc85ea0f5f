// Package secret defines the nouns of tacit and the contract that every
// backend keeps. It imports only the standard library and the Unicode
// normalisation tables, and it does no I/O.
//
//   - A secret is a named thing that holds confidential bytes over time.
//   - A [Name] is its identity within an environment, like "claude/api".
//   - A [Version] is one immutable [Value] of a secret. At most one version of
//     a secret is current; it is the one served by default.
//   - A [Stage] is a label that points at one version.
//   - A field is a top-level key of a value that is a JSON object.
//   - A [Backend] is a kind of place where secrets are kept.
//   - A [Ref] (reference) is text that says which environment, secret, field
//     and version is meant. References are safe to log; values are not.
//   - A [Caller] is who asks, and how that is known.
//
// Stores use other words for these things. Their words stop at the edge of
// their own backend package.
//
// The package decides nothing: who may do what is in package policy, and the
// order in which a request is decided, fetched and recorded is in package
// broker.
package secret
