package config

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/state"
	"github.com/tacit-secrets/tacit/secret"
)

// A lastRow is what the store holds about one last known value; the value itself
// lies under an id of its own, sealed by a key of its own, as secrets do. With
// no value it says that the secret changed then. Its key is sealed with it.
type lastRow struct {
	Read    int64            `json:"read"`            // when the store was asked, in nanoseconds of Unix time
	Until   int64            `json:"until"`           // from when on it is of no use
	Value   string           `json:"value,omitempty"` // the id of the value
	Binary  bool             `json:"binary,omitempty"`
	Version secret.VersionID `json:"version,omitempty"`
	Number  uint64           `json:"number,omitempty"`
	Created int64            `json:"created,omitempty"`
}

const maxLastRow = 8 << 10

// parseLastRow reads what marshal wrote, and nothing else.
func parseLastRow(b []byte) (lastRow, error) {
	var r lastRow
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if len(b) > maxLastRow || d.Decode(&r) != nil || !bytes.Equal(r.marshal(), b) {
		return lastRow{}, secret.Errorf(secret.Corrupt, "", "the store's record of a last known value is malformed\n  tacit store check")
	}
	return r, nil
}

func (r lastRow) marshal() []byte {
	b, _ := json.Marshal(r) // numbers and text: never fails
	return b
}

func (r lastRow) read() time.Time { return time.Unix(0, r.Read) }

// known is what the row tells of a version, with the value.
func (r lastRow) known(value []byte) secret.Version {
	v := secret.Version{ID: r.Version, Number: r.Number, Value: secret.Text(value)}
	if r.Binary {
		v.Value = secret.Binary(value)
	}
	if r.Created != 0 {
		v.Created = time.Unix(0, r.Created).UTC()
	}
	return v
}

// lastValues is the one parent of the values; their names are random and never
// used again.
const lastValues = "last known"

func newValueID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// A lastOf is whose a row is: of a secret, of a store, as an environment of a
// folder reaches it. Of another folder, or with other settings, it is another
// one, although the environment has the same name.
type lastOf struct {
	folder, env string
	settings    string // which store, and how it is reached
	store       string // which store alone
	name        secret.Name
}

const lastSep = "\x00" // in none of the parts

func (o lastOf) parent() string {
	return strings.Join([]string{o.folder, o.env, o.settings, o.store, string(o.name)}, lastSep)
}

func parseLastOf(parent string) (lastOf, bool) {
	p := strings.Split(parent, lastSep)
	if len(p) != 5 {
		return lastOf{}, false
	}
	return lastOf{p[0], p[1], p[2], p[3], secret.Name(p[4])}, true
}

// mark is where it stands that a secret of a store changed, for all who reach it.
func (o lastOf) mark() state.Key {
	return state.Key{Kind: state.KindLast, Parent: lastOf{store: o.store, name: o.name}.parent(), Name: "changed"}
}

func (o lastOf) key(p broker.Part) state.Key {
	return state.Key{Kind: state.KindLast, Parent: o.parent(), Name: atText(p.At) + lastSep + p.Field}
}

func atText(a secret.At) string {
	return strings.Join([]string{string(a.ID), string(a.Stage), strconv.FormatUint(a.Number, 10)}, lastSep)
}

// clockKey is the row with the latest time that any of them has seen.
func clockKey() state.Key { return state.Key{Kind: state.KindLast, Name: "clock"} }

// short names a thing without telling it, for keys of bounded length.
func short(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, lastSep)))
	return hex.EncodeToString(h[:16])
}

// settingsText is all that the files say about an environment's store and the
// way there. Where any of it changed, what was read before is not used.
func (e Environment) settingsText() string {
	var b strings.Builder
	for _, s := range e.said.said() {
		if s.Name != "offline" && s.Name != "protected" {
			fmt.Fprintf(&b, "%q=%q\n", s.Name, s.Value)
		}
	}
	return b.String()
}

// storeText is which store an environment means, once variables had their say,
// without the way there.
func (e Environment) storeText() string {
	parts := []string{e.Backend, normalAddress(e.Address)}
	switch e.Backend {
	case BackendVault:
		parts = append(parts, e.vaultPath())
	case BackendAWS:
		parts = append(parts, deref(e.said.Region, ""), e.account())
	}
	return strings.Join(parts, lastSep)
}
