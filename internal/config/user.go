package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// UserFileName is the user's own settings, in $XDG_CONFIG_HOME/tacit. Only
// here can a setting weaken security, because no repository can write it.
const UserFileName = "config.toml"

// User is what the user's own settings may say.
type User struct {
	Owners    []int      `toml:"owners"`     // uids whose project files are read as one's own
	PlainHTTP []string   `toml:"plain_http"` // addresses of stores that are believed without TLS
	Audit     UserAudit  `toml:"audit"`
	Unlock    UserUnlock `toml:"unlock"`

	Offline UserOffline `toml:"offline"`
	Run     UserRun     `toml:"run"`
}

// UserRun says what an agent's command gets besides what a grant lets it.
type UserRun struct {
	Keep []string `toml:"keep"` // variables that are not withheld
}

// UserOffline says where last known values may be kept.
type UserOffline struct {
	Protected bool `toml:"protected"` // of protected environments too
}

// UserAudit says where audit records go.
type UserAudit struct {
	Dir  string `toml:"dir"`  // instead of $XDG_STATE_HOME/tacit
	Sink string `toml:"sink"` // instead of files: "stderr" or "unix:/path/of/a/socket"
}

// UserUnlock says what may unlock a store besides a key file and the keyring.
type UserUnlock struct {
	Identities []string `toml:"identities"` // age identity files and SSH key files
	Credential string   `toml:"credential"` // the name of a systemd credential
	Command    []string `toml:"command"`    // prints the key; run without a shell
}

// readUser reads the user's settings; there need be none. All that opens or
// makes a store begins here, so it is here that a session's socket is refused:
// whoever set it expects that nothing is opened in this process.
func readUser(s System) (User, error) {
	var u User
	if s.Var(VarSocket) != "" {
		return u, secret.Errorf(secret.Unsupported, "", "%s is set, and sessions behind a socket are not built yet\n  unset %s", VarSocket, VarSocket)
	}
	path := filepath.Join(s.configDir(), UserFileName)
	text, err := readOwned(path, owners{uid: s.UID, gid: s.GID}, MaxFileBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err != nil {
		return u, err
	}
	if err := decodeTOML(path, text, &u); err != nil {
		return User{}, err
	}
	return u, u.check(path)
}

func (u *User) check(path string) error {
	switch sink := u.Audit.Sink; {
	case sink == "", sink == "stderr", strings.HasPrefix(sink, "unix:/"):
	default:
		return secret.Errorf(secret.Invalid, "", "%s: audit.sink is neither \"stderr\" nor \"unix:/path\"", path)
	}
	if u.Audit.Dir != "" && !filepath.IsAbs(u.Audit.Dir) {
		return secret.Errorf(secret.Invalid, "", "%s: audit.dir is no absolute path", path)
	}
	if err := checkKeep(path, u.Run.Keep); err != nil {
		return err
	}
	for _, a := range u.PlainHTTP {
		if err := checkAddress(a); err != nil || !strings.HasPrefix(a, "http://") {
			return secret.Errorf(secret.Invalid, "", "%s: plain_http lists addresses that begin with http://", path)
		}
	}
	return nil
}
