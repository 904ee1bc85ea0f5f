//go:build unix

package child

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lookup finds the file of a command as a shell does, in the child's own PATH.
func lookup(command, dir string, env []string) (string, int, error) {
	if strings.Contains(command, "/") {
		if err := check(inDir(dir, command)); err != nil {
			code, err := notStarted(command, err)
			return "", code, err
		}
		return command, 0, nil
	}
	first := os.ErrNotExist
	for _, folder := range filepath.SplitList(pathOf(env)) {
		if !filepath.IsAbs(folder) {
			continue // the working folder is not a place for commands
		}
		file := filepath.Join(folder, command)
		err := check(file)
		if err == nil {
			return file, 0, nil
		}
		if errors.Is(first, fs.ErrNotExist) && errors.Is(err, fs.ErrPermission) {
			first = err
		}
	}
	code, err := notStarted(command, first)
	return "", code, err
}

// check reports why a file cannot be executed.
func check(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errFolder
	case !info.Mode().IsRegular() || unix.Access(path, unix.X_OK) != nil:
		return fs.ErrPermission
	default:
		return nil
	}
}

func sameName(a, b string) bool { return a == b }

// canonical is a name as one compares it with another.
func canonical(name string) string { return name }
