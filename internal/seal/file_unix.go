//go:build unix

package seal

import (
	"io/fs"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

func openNoFollow(path string) (*os.File, error) {
	// O_NONBLOCK: a named pipe must not make tacit wait.
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0) //nolint:gosec // the user's settings name it
}

// checkPrivate refuses a file that another user owns or can read.
func checkPrivate(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return secret.Errorf(secret.Unsupported, "", "%s: its owner cannot be found", path)
	}
	if int(st.Uid) != os.Geteuid() {
		return secret.Errorf(secret.Denied, "", "%s: belongs to another user (uid %d)", path, st.Uid)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return secret.Errorf(secret.Denied, "", "%s: other users can read or write it\n  chmod 600 %s", path, path)
	}
	return nil
}

// checkCredential is checkPrivate for a file that systemd made: it may belong to
// root and let this user in by an access list, whose mask shows as the rights of
// the group.
func checkCredential(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid == 0 && info.Mode().Perm()&0o027 == 0 {
		return nil
	}
	return checkPrivate(path, info)
}

// syncDir makes a new or removed name in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // the folder of the key files
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// ownGroup lets a command and all that it starts be killed together.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return killGroup(c) }
}

func killGroup(c *exec.Cmd) error { return unix.Kill(-c.Process.Pid, unix.SIGKILL) }
