// Package seal does the embedded store's cryptography: a [Key] (the
// key-encryption key) that wraps one data key per version, the envelope around
// each sealed row ([Seal], [Open], [Pad]), the [Slots] that each unlock the
// same key in another way, and the hold that keeps an unlocked key in the
// kernel's memory for some hours.
//
// It stores nothing itself but key files and entries of the system's keyring:
// internal/state keeps the slots and decides when a change of them counts. It
// promises nothing about erased memory, and guards nothing against a program
// of the same user, which can read the key file as well.
package seal
