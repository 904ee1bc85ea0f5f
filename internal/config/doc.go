// Package config turns files, the environment and the machine's folders into
// something typed, and opens what they describe: the embedded store, the audit
// log, the policy and the Broker over them. It is the only reader of the
// environment and the only package that makes backends.
//
// A folder's files (tacit.toml, tacit.local.toml, policy.cedar) are believed
// only while they are, byte for byte, what the store was told to trust; see
// [Standing]. Settings that weaken security stand only in the user's own
// config.toml; see [Settings].
//
// The package decides nothing about secrets, and prints nothing.
package config
