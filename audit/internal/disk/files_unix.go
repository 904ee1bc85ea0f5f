//go:build unix

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // a folder of the user's own
	if err != nil {
		return Unavailable(path, err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return Unavailable(path, err)
	}
	return nil
}

// Free returns how much an ordinary user may still write.
func Free(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, Unavailable(dir, err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:gosec,unconvert // the types differ between systems; never negative
}
