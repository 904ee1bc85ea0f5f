//go:build unix

package lite

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/tacit-secrets/tacit/secret"
)

func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// checkOwner refuses what another user owns, or has one of the given
// permissions on.
func checkOwner(path string, info fs.FileInfo, others fs.FileMode) error {
	s, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(s.Uid) != os.Getuid() {
		return secret.Errorf(secret.Denied, "", "%s: belongs to another user (uid %d)", path, s.Uid)
	}
	if bad := info.Mode().Perm() & others; bad != 0 {
		return secret.Errorf(secret.Denied, "", "%s: open to other users (mode %04o)\n  chmod go-rwx %s", path, info.Mode().Perm(), path)
	}
	return nil
}
