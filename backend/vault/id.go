package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// versionID makes the identity of a version: 16 hexadecimal digits of a hash
// over mount, name and time of creation, and 16 of the number. So a version is
// read by its identity in one request, and a secret that was destroyed and made
// again has no version in common with the former one.
func versionID(mount string, n secret.Name, created time.Time, number uint64) secret.VersionID {
	h := sha256.New()
	var frame [8]byte
	for _, s := range []string{mount, string(n), created.UTC().Format(time.RFC3339Nano)} {
		binary.BigEndian.PutUint64(frame[:], uint64(len(s)))
		h.Write(frame[:])
		h.Write([]byte(s))
	}
	binary.BigEndian.PutUint64(frame[:], number)
	return secret.VersionID(hex.EncodeToString(h.Sum(nil)[:8]) + hex.EncodeToString(frame[:]))
}

// maxNumber is the highest number that is asked for: the store reads an int.
const maxNumber = 1<<31 - 1

// numberOf returns the number within an identity that versionID made; false if
// it made none like that.
func numberOf(id secret.VersionID) (uint64, bool) {
	if len(id) != 32 {
		return 0, false
	}
	if b, err := hex.DecodeString(string(id)); err != nil || hex.EncodeToString(b) != string(id) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(id[16:]), 16, 64)
	return n, err == nil && n > 0 && n <= maxNumber
}

// idKey is where custom metadata keeps the identity that a writer chose for a
// version.
func idKey(number uint64) string { return fmt.Sprintf("%s%d", keyID, number) }
