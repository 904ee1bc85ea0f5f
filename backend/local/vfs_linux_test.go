package local_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// An event is what SQLite did to a file, or what the test did.
type event struct {
	kind eventKind
	file string // "", "-wal": what comes behind the store's path
	at   int64
	data []byte
	ack  int // how many changes were acknowledged by then

	others map[string][]byte // files that were written whole by then
}

type eventKind int

const (
	written eventKind = iota
	truncated
	synced
	acknowledged
	placed   // others are the files that are written whole
	appeared // a file whose writes are recorded from now on, with what it holds
)

// A recorder stands between SQLite and its default file system: it notes each
// write, truncation and sync of one store's files, and passes all on.
type recorder struct {
	path string
	tls  *libc.TLS
	orig uintptr // the default sqlite3_vfs
	own  uintptr // the copy of it that records
	keep []any   // what only SQLite points at

	mu     sync.Mutex
	events []event
	files  map[uintptr]string                       // open sqlite3_file: its suffix
	tables map[uintptr]*sqlite3.Tsqlite3_io_methods // by sqlite3_file: the methods it had
	copies map[uintptr]uintptr                      // method table: its recording copy
}

// SQLite's functions, as its Go translation has them.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	writeFunc    = func(tls *libc.TLS, file, buf uintptr, n int32, at int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
)

// at sees what lies at an address of SQLite's memory.
func at[T any](addr uintptr) *T { return *(**T)(unsafe.Pointer(&addr)) }

// call makes a Go function of SQLite's pointer to one.
func call[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{p})) }

// pointer makes a pointer for SQLite of a Go function.
func pointer[F any](r *recorder, f F) uintptr {
	r.keep = append(r.keep, f)
	return *(*uintptr)(unsafe.Pointer(&f))
}

// record begins to note what happens to the files of a store; connections that
// are opened from now until the test ends take part.
func record(t *testing.T, path string) *recorder {
	t.Helper()
	r := &recorder{
		path: path, tls: libc.NewTLS(), files: map[uintptr]string{},
		tables: map[uintptr]*sqlite3.Tsqlite3_io_methods{}, copies: map[uintptr]uintptr{},
	}
	r.orig = sqlite3.Xsqlite3_vfs_find(r.tls, 0)
	size := unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})
	r.own = libc.Xmalloc(r.tls, libc.Tsize_t(size))
	if r.orig == 0 || r.own == 0 {
		t.Fatal("SQLite has no file system")
	}
	v := at[sqlite3.Tsqlite3_vfs](r.own)
	*v = *at[sqlite3.Tsqlite3_vfs](r.orig)
	name, err := libc.CString("recorder")
	noError(t, err)
	v.FpNext, v.FzName = 0, name
	v.FxOpen = pointer[openFunc](r, r.open)
	if rc := sqlite3.Xsqlite3_vfs_register(r.tls, r.own, 1); rc != sqlite3.SQLITE_OK {
		t.Fatalf("registering answers %d", rc)
	}
	t.Cleanup(func() {
		sqlite3.Xsqlite3_vfs_unregister(r.tls, r.own)
		sqlite3.Xsqlite3_vfs_register(r.tls, r.orig, 1)
		r.tls.Close()
	})
	return r
}

func (r *recorder) open(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32 { //nolint:revive // as SQLite calls it
	rc := call[openFunc](at[sqlite3.Tsqlite3_vfs](r.orig).FxOpen)(tls, vfs, name, file, flags, out)
	if rc != sqlite3.SQLITE_OK || name == 0 {
		return rc
	}
	suffix, ours := strings.CutPrefix(libc.GoString(name), r.path)
	if !ours {
		return rc
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := at[sqlite3.Tsqlite3_file](file)
	r.files[file], r.tables[file] = suffix, at[sqlite3.Tsqlite3_io_methods](f.FpMethods)
	if r.copies[f.FpMethods] == 0 {
		r.copies[f.FpMethods] = r.recording(f.FpMethods)
	}
	f.FpMethods = r.copies[f.FpMethods]
	return rc
}

// recording returns a copy of a table of methods that notes what changes files.
func (r *recorder) recording(table uintptr) uintptr {
	m := *at[sqlite3.Tsqlite3_io_methods](table)
	m.FxClose = pointer[closeFunc](r, r.close)
	m.FxWrite = pointer[writeFunc](r, r.write)
	m.FxTruncate = pointer[truncateFunc](r, r.truncate)
	m.FxSync = pointer[syncFunc](r, r.sync)
	out := libc.Xmalloc(r.tls, libc.Tsize_t(unsafe.Sizeof(m)))
	*at[sqlite3.Tsqlite3_io_methods](out) = m
	return out
}

func (r *recorder) of(file uintptr) *sqlite3.Tsqlite3_io_methods {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tables[file]
}

// note keeps an event after it happened, so that what was synced holds at
// least what was written before.
func (r *recorder) note(file uintptr, rc int32, e event) int32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rc == sqlite3.SQLITE_OK {
		e.file = r.files[file]
		r.events = append(r.events, e)
	}
	return rc
}

func (r *recorder) ack(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{kind: acknowledged, ack: n})
}

func (r *recorder) close(tls *libc.TLS, file uintptr) int32 {
	m := r.of(file)
	r.mu.Lock()
	delete(r.files, file)
	delete(r.tables, file)
	r.mu.Unlock()
	return call[closeFunc](m.FxClose)(tls, file)
}

func (r *recorder) write(tls *libc.TLS, file, buf uintptr, n int32, off int64) int32 {
	data := bytes.Clone(unsafe.Slice(at[byte](buf), n))
	rc := call[writeFunc](r.of(file).FxWrite)(tls, file, buf, n, off)
	return r.note(file, rc, event{kind: written, at: off, data: data})
}

func (r *recorder) truncate(tls *libc.TLS, file uintptr, size int64) int32 {
	rc := call[truncateFunc](r.of(file).FxTruncate)(tls, file, size)
	return r.note(file, rc, event{kind: truncated, at: size})
}

func (r *recorder) sync(tls *libc.TLS, file uintptr, flags int32) int32 {
	rc := call[syncFunc](r.of(file).FxSync)(tls, file, flags)
	return r.note(file, rc, event{kind: synced})
}

// A disk is what lies in the store's files when the power fails.
type disk struct {
	durable map[string][]byte
	pending []event
	others  map[string][]byte // files that are written whole, or not at all
}

func newDisk(t *testing.T, path string) *disk {
	t.Helper()
	b, err := os.ReadFile(path)
	noError(t, err)
	return &disk{durable: map[string][]byte{"": b}}
}

// happen lets an event happen: a sync makes durable what is pending for its
// file.
func (d *disk) happen(e event) {
	switch e.kind {
	case written, truncated:
		d.pending = append(d.pending, e)
	case synced:
		d.pending = slices.DeleteFunc(d.pending, func(p event) bool {
			if p.file == e.file {
				d.durable[p.file] = p.apply(d.durable[p.file])
			}
			return p.file == e.file
		})
	case placed:
		d.others = e.others
	case appeared:
		d.durable[e.file] = e.data
	case acknowledged:
	}
}

// apply returns a file's bytes after a write or a truncation.
func (e event) apply(b []byte) []byte {
	end := int(e.at) + len(e.data)
	if e.kind == truncated {
		end = int(e.at)
	}
	out := slices.Clone(b)
	if end > len(out) {
		out = append(out, make([]byte, end-len(out))...)
	}
	if e.kind == truncated {
		return out[:end]
	}
	copy(out[e.at:], e.data)
	return out
}

// fail returns the files after a power failure in which of the pending events
// those happened that survive says, some writes only in part.
func (d *disk) fail(survive func(i int, e event) int) map[string][]byte {
	out := map[string][]byte{}
	for f, b := range d.durable {
		out[f] = b
	}
	for i, e := range d.pending {
		n := survive(i, e)
		if n < 0 {
			continue
		}
		if e.kind == written {
			e.data = e.data[:min(n, len(e.data))]
		}
		out[e.file] = e.apply(out[e.file])
	}
	return out
}
