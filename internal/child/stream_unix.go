//go:build unix

package child

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// interruptible: a read of a pipe can be ended by a deadline.
const interruptible = true

// readNow reads what is there, without waiting: 0 or less if nothing is.
func readNow(r *os.File, b []byte) int {
	// A deadline in the past would refuse to read at all.
	if r.SetReadDeadline(time.Time{}) != nil {
		return 0
	}
	raw, err := r.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Read(func(fd uintptr) bool {
		for {
			if n, err = unix.Read(int(fd), b); !errors.Is(err, unix.EINTR) {
				return true
			}
		}
	})
	return n
}

func brokenPipe(err error) bool { return errors.Is(err, unix.EPIPE) }
