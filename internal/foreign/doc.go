// Package foreign reads the reference files of other tools: files that say
// where secrets are and do not hold them. It tells each reference as a
// variable, and as a name and a field in a store.
//
//   - vals: ref+vault://, ref+awssecrets:// and ref+azurekeyvault:// in YAML,
//     JSON or .env files.
//   - fnox: the secrets of a fnox.toml whose providers are vault, aws-sm or
//     azure-sm.
//   - op-template: op://vault/item/field in .env files.
//   - sops: the keys of an encrypted file; its values stay where they are.
//   - chamber: the .env files of chamber exec --strict, whose values are the
//     word chamberme.
//
// What cannot be told exactly is a problem of its line, never a guess: a
// reference to a version, into a list, or two levels deep; a value where a
// reference should be. No value is read from any store, and what a file holds
// besides references is never repeated.
//
// The package opens no file and decides nothing about environments.
package foreign
