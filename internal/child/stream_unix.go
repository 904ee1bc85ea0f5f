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
func readNow(r *os.File, b []byte) (n int, err error) {
	// A deadline in the past would refuse to read at all.
	if err := r.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	raw, err := r.SyscallConn()
	if err != nil {
		return 0, err
	}
	var readErr error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, readErr = unix.Read(int(fd), b) //nolint:gosec // a descriptor fits
			if readErr != unix.EINTR {
				return true
			}
		}
	})
	return n, errors.Join(err, readErr)
}

func brokenPipe(err error) bool { return errors.Is(err, unix.EPIPE) }
