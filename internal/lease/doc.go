// Package lease remembers what stores issued: what it is, when it ends, and
// which process must revoke it.
//
// A lease is noted down before it is handed out, so that no kill leaves one
// behind: the next tacit that opens the store finds a note whose process is
// gone, and revokes the lease. While a command runs, [Book.Keep] renews what it
// was given. A revocation that fails stays noted and is tried again.
//
// The package keeps no value, decides nothing about who may have a lease, and
// prints nothing. Its notes lie where its [Rows] keep them: sealed.
package lease
