package lite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
	"modernc.org/sqlite"
)

const (
	applicationID = 0x74616369 // "taci"
	userVersion   = 1
)

// schema is the whole of it, as SQLite keeps it: a file with any other object
// in it, a trigger above all, is refused.
func schema() []string {
	return []string{
		"CREATE TABLE header (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL) STRICT",
		"CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL) STRICT",
		"CREATE TABLE row (key BLOB PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
		"CREATE TABLE value (key BLOB PRIMARY KEY, wrapped BLOB NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
	}
}

// schemaText is what sqlite_schema says of a file that holds our schema and
// nothing else.
func schemaText() string {
	var b strings.Builder
	for _, s := range schema() {
		name := strings.Fields(s)[2]
		b.WriteString("table|" + name + "|" + name + "|" + s + "\n")
	}
	return b.String()
}

// A Conn is one SQLite connection with its prepared statements; it is used by
// one goroutine at a time.
type Conn struct {
	Path  string
	db    *sql.DB
	c     *sql.Conn
	stmts map[string]*sql.Stmt

	schemaVersion int64 // at which the schema was ours
}

// Memory is the path of a store that lies in memory.
const Memory = ":memory:"

// Dial opens a connection, of which SQLite believes nothing that the file says
// about functions, and checks nothing yet.
func Dial(ctx context.Context, path string, pragmas ...string) (*Conn, error) {
	connector, err := sqlite.NewConnector(dsn(path))
	if err != nil {
		return nil, Classify(path, err)
	}
	c := &Conn{Path: path, db: sql.OpenDB(connector), stmts: map[string]*sql.Stmt{}}
	c.db.SetMaxOpenConns(1)
	c.c, err = c.db.Conn(ctx)
	if err != nil {
		return nil, First(Classify(path, err), c.db.Close())
	}
	for _, p := range append([]string{
		"busy_timeout = 10000", "trusted_schema = OFF", "cell_size_check = ON",
		"secure_delete = ON", "synchronous = FULL", "cache_size = -1024",
	}, pragmas...) {
		if err := c.Exec("PRAGMA " + p); err != nil {
			return nil, First(err, c.Close())
		}
	}
	return c, nil
}

func dsn(path string) string {
	if path == Memory {
		return path
	}
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // a drive letter
	}
	u := url.URL{Scheme: "file", Path: p, RawQuery: "mode=rw&_defensive=1"}
	return u.String()
}

// Close ends the statements and the connection. The last one of a file, in any
// process, empties its write-ahead log.
func (c *Conn) Close() error {
	for _, s := range c.stmts {
		_ = s.Close() // the connection is closed next, and says the same
	}
	return Classify(c.Path, errors.Join(c.c.Close(), c.db.Close()))
}

// stmt prepares a statement once.
func (c *Conn) stmt(query string) (*sql.Stmt, error) {
	if s := c.stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, Classify(c.Path, err)
	}
	c.stmts[query] = s
	return s, nil
}

// Run executes a prepared statement. A statement takes microseconds, so that
// contexts are asked between them.
func (c *Conn) Run(query string, args ...any) error {
	s, err := c.stmt(query) //nolint:sqlclosecheck // closed with the connection
	if err != nil {
		return err
	}
	_, err = s.ExecContext(context.Background(), args...)
	return Classify(c.Path, err)
}

// Exec executes a statement that is needed once.
func (c *Conn) Exec(query string, args ...any) error {
	_, err := c.c.ExecContext(context.Background(), query, args...)
	return Classify(c.Path, err)
}

// Get reads one row; false if there is none.
func (c *Conn) Get(query string, args []any, dest ...any) (bool, error) {
	s, err := c.stmt(query) //nolint:sqlclosecheck // closed with the connection
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(context.Background(), args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, Classify(c.Path, err)
}

// Each calls f with each row of a query.
func (c *Conn) Each(query string, args []any, f func(scan func(...any) error) error) (err error) {
	s, err := c.stmt(query) //nolint:sqlclosecheck // closed with the connection
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err != nil {
		return Classify(c.Path, err)
	}
	defer func() { err = First(err, Classify(c.Path, rows.Close())) }()
	for rows.Next() {
		if err := f(func(dest ...any) error { return Classify(c.Path, rows.Scan(dest...)) }); err != nil {
			return err
		}
	}
	return Classify(c.Path, rows.Err())
}

// Number reads one number.
func (c *Conn) Number(query string) (int64, error) {
	var n int64
	_, err := c.Get(query, nil, &n)
	return n, err
}

// CheckFormat demands our format: the version first, since a newer tacit may
// have another schema.
func (c *Conn) CheckFormat() error {
	v, err := c.Number("PRAGMA user_version")
	if err != nil {
		return err
	}
	id, err := c.Number("PRAGMA application_id")
	if err != nil {
		return err
	}
	switch {
	case id != applicationID:
		return secret.Errorf(secret.Corrupt, "", "%s: this is no store of tacit, or a damaged one\n  tacit store restore FILE", c.Path)
	case v > userVersion:
		return secret.Errorf(secret.Unsupported, "", "%s: made by a newer tacit (format %d, this one knows %d)\n  tacit version", c.Path, v, userVersion)
	case v < userVersion:
		if err := c.migrate(migrations()); err != nil {
			return err
		}
	}
	return c.checkSchema()
}

// SameSchema sees to the schema again if it has changed: a trigger added
// meanwhile would run with the next change.
func (c *Conn) SameSchema() error {
	v, err := c.Number("PRAGMA schema_version")
	if err != nil || v == c.schemaVersion {
		return err
	}
	if err := c.checkSchema(); err != nil {
		return err
	}
	c.schemaVersion = v
	return nil
}

func (c *Conn) checkSchema() error {
	var b strings.Builder
	err := c.Each("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type DESC, rowid", nil, func(scan func(...any) error) error {
		var f [4]string
		if err := scan(&f[0], &f[1], &f[2], &f[3]); err != nil {
			return err
		}
		b.WriteString(strings.Join(f[:], "|") + "\n")
		return nil
	})
	if err != nil {
		return err
	}
	if b.String() != schemaText() {
		return secret.Errorf(secret.Corrupt, "", "%s: the store holds tables, triggers or views that are not tacit's\n  tacit store restore FILE", c.Path)
	}
	return nil
}

// Create writes the schema into an empty database and marks it as ours.
func (c *Conn) Create() error {
	marks := []string{"PRAGMA application_id = " + strconv.Itoa(applicationID), "PRAGMA user_version = " + strconv.Itoa(userVersion)}
	for _, s := range append(schema(), marks...) {
		if err := c.Exec(s); err != nil {
			return err
		}
	}
	return nil
}

// Reading calls f within a read transaction: all that f reads is of one moment.
func (c *Conn) Reading(f func() error) error {
	if err := c.Run("BEGIN"); err != nil {
		return err
	}
	err := f()
	if end := c.Run("ROLLBACK"); err == nil {
		err = end
	}
	return err
}
