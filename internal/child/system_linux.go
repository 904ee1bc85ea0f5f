package child

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes: a child whose tacit was killed is asked to end. It would go on
// with its redacted streams cut, and nobody would wait for it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}

// enlarge makes a pipe as large as anyone may: fewer, larger reads.
func enlarge(w *os.File) {
	if raw, err := w.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
}

// undumpable refuses core dumps and debuggers of the same user.
func undumpable() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
