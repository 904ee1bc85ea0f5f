//go:build unix

package child

import (
	"errors"
	"io/fs"
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
	first := error(fs.ErrNotExist)
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

func executable(path string, info fs.FileInfo) bool {
	return info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil
}

func sameName(a, b string) bool { return a == b }
