package lite

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/tacit-secrets/tacit/secret"
	"golang.org/x/sys/windows"
)

func readOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }
func diskFull(err error) bool { return errors.Is(err, windows.ERROR_DISK_FULL) }

// checkOwner leaves it to the access lists that a user's profile has.
func checkOwner(string, fs.FileInfo, fs.FileMode) error { return nil }

func checkNetwork(dir string) error {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err != nil {
		return secret.Errorf(secret.Invalid, "", "%s: not a path", dir)
	}
	if windows.GetDriveType(root) == windows.DRIVE_REMOTE {
		return errNetwork(dir, "a network drive")
	}
	return nil
}
