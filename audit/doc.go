// Package audit is the tamper-evident log of who did what to which secret, and
// what came of it.
//
// The log is plain files, one line a record, that any log shipper can follow
// and anyone can copy. A Merkle tree runs through all of them; each group of
// records that was made durable together is closed by a signed checkpoint. A
// segment has its own signing key, endorsed by the segment before, whose own
// key is then deleted: who takes the machine today cannot rewrite what is
// closed. docs/audit.md describes every byte.
//
// The log and the store anchor each other: each checkpoint names the store's
// generation, and the store remembers the log's size and root; see [Store].
//
// [Verify] says what it found and no more. Found from the log and its first key
// alone: any edit, removal, insertion, reordering or duplication in a closed
// segment; in the open one by anyone without its key; missing last segments; a
// cut inside a group. Not found from the log alone: a cut exactly at a group's
// border of the open segment, and access that went around tacit.
package audit
