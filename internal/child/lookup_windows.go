package child

import (
	"errors"
	"io/fs"
	"os/exec"
	"strings"
)

// lookup finds the file of a command as the system does; the PATH is that of
// this process.
func lookup(command, dir string, _ []string) (string, int, error) {
	if strings.ContainsAny(command, `/\`) {
		command = inDir(dir, command)
	}
	path, err := exec.LookPath(command)
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			err = fs.ErrNotExist
		}
		code, err := notStarted(command, err)
		return "", code, err
	}
	return path, 0, nil
}

func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// canonical is a name as one compares it with another.
func canonical(name string) string { return strings.ToUpper(name) }
