package lite

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/tacit-secrets/tacit/secret"
)

// A migration leads from one format's tables to the next one's. It has no keys:
// one that must seal rows anew needs more than this.
type migration func(*Conn) error

// migrations are those from each older format, by its number. Format 1 is the
// first that was ever made.
func migrations() map[int64]migration { return nil }

// migrate brings an older file to our format, in one transaction and after a copy
// of the old one was made beside it, named after its format. A format from which
// no migration leads is Corrupt. Of several processes one does it.
func (c *Conn) migrate(by map[int64]migration) error {
	from, err := c.Number("PRAGMA user_version")
	if err != nil {
		return err
	}
	for v := from; v < userVersion; v++ {
		if by[v] == nil {
			return secret.Errorf(secret.Corrupt, "", "%s: the store has format %d, which no tacit made\n  tacit store restore FILE", c.Path, from)
		}
	}
	if err := c.copyBeside(from); err != nil {
		return err
	}
	if err := c.Run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err = c.steps(by); err == nil {
		err = c.Run("COMMIT")
	}
	if err != nil {
		_ = c.Run("ROLLBACK") // fails where SQLite has rolled back by itself
	}
	return err
}

// steps goes on from where the file is by now: another process may have been
// first.
func (c *Conn) steps(by map[int64]migration) error {
	v, err := c.Number("PRAGMA user_version")
	for ; err == nil && v < userVersion; v++ {
		err = by[v](c)
	}
	if err != nil {
		return err
	}
	return First(c.Exec("PRAGMA user_version = "+strconv.Itoa(userVersion)), c.checkSchema())
}

// copyBeside keeps the file as it is now. A copy that is there already was made by
// a migration that did not come to its end, or by another process just now.
func (c *Conn) copyBeside(format int64) error {
	path := fmt.Sprintf("%s.format-%d", c.Path, format)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return Classify(path, err)
	}
	temp := path + ".new-" + strconv.Itoa(os.Getpid())
	if err := MakeFile(temp); err != nil {
		return err
	}
	if err := First(c.Exec("VACUUM INTO ?", temp), SyncPath(temp)); err != nil {
		return First(err, Remove(temp))
	}
	return Classify(path, os.Rename(temp, path))
}
