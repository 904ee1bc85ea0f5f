// Package state is the sealed key space on which backend/local and tacit's own
// state stand: rows of (kind, parent, name) in one SQLite file, or in memory,
// of which a thief of the file sees number, sizes and times, and nothing else.
//
// A [DB] offers consistent reads ([DB.View]) and durable, atomic changes
// ([DB.Update]; callers of one process share a transaction). Several processes
// may have one file open; a read never returns what is older than a change that
// was acknowledged, by any process, before the read began.
//
// What was changed in the file is served as it was written or reported as
// secret.Corrupt. Two things one file cannot know by itself: that all of it is
// an older state (the audit log tells, by [DB.Generation] and [DB.LogHead]),
// and, until [DB.Check] ran, that a single row is an older one of its own.
//
// It decides nothing about who may read, knows nothing of versions and stages,
// keeps no key beyond the process, and does not merge what two callers wrote.
//
// The bytes are described in docs/format.md.
package state
