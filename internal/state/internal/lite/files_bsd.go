//go:build darwin || freebsd

package lite

import "golang.org/x/sys/unix"

func checkNetwork(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Classify(dir, err)
	}
	if s.Flags&unix.MNT_LOCAL == 0 {
		return errNetwork(dir, "a network file system")
	}
	return nil
}
