package audit

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tacit-secrets/tacit/secret"
)

// keyName is the name under which the keys of all logs sign.
const keyName = "tacit"

// checkpointOrigin is the first line of what is signed.
const checkpointOrigin = "tacit.audit/v1"

// checkpoint is what the log's key signs: how far the log has come.
type checkpoint struct {
	log        string
	segment    uint64
	size       uint64
	root       tlog.Hash
	previous   uint64 // the size of the checkpoint before, 0 if none
	generation uint64 // of the store, never lower than before within an epoch
	time       time.Time
	next       string // in the last one of a segment: the next segment's key
}

// checkpointLine is how a signed checkpoint stands in a segment.
type checkpointLine struct {
	Checkpoint string `json:"checkpoint"`
}

const checkpointPrefix = `{"checkpoint":`

func (c *checkpoint) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\nsegment %d\nsize %d\nroot %s\nprevious %d\ngeneration %d\ntime %s\n",
		checkpointOrigin, c.log, c.segment, c.size, c.root, c.previous, c.generation, c.time.UTC().Format(time.RFC3339Nano))
	if c.next != "" {
		fmt.Fprintf(&b, "next %s\n", c.next)
	}
	return b.String()
}

// sign returns the line of a segment that holds the signed checkpoint.
func (c *checkpoint) sign(s note.Signer) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.text()}, s)
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "the audit log cannot be signed: %s", err)
	}
	return line(checkpointLine{string(signed)})
}

// openLine reads a checkpoint line: it must be canonical and carry exactly one
// signature, that of v. note.Open alone would accept flipped padding bits and
// unknown further signatures.
func openLine(b []byte, v note.Verifier) (checkpoint, bool) {
	var l checkpointLine
	if !parseLine(b, &l) {
		return checkpoint{}, false
	}
	return openNote(l.Checkpoint, v)
}

func openNote(signed string, v note.Verifier) (checkpoint, bool) {
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return checkpoint{}, false
	}
	sig, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil || signed != n.Text+"\n— "+v.Name()+" "+base64.StdEncoding.EncodeToString(sig)+"\n" {
		return checkpoint{}, false
	}
	c, ok := parseCheckpoint(n.Text)
	return c, ok && c.text() == n.Text
}

func parseCheckpoint(text string) (c checkpoint, ok bool) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 8 || len(lines) > 9 || lines[0] != checkpointOrigin {
		return c, false
	}
	c.log = lines[1]
	ok = true
	field := func(i int, name string) string {
		v, found := strings.CutPrefix(lines[i], name+" ")
		ok = ok && found
		return v
	}
	number := func(i int, name string) uint64 {
		n, err := strconv.ParseUint(field(i, name), 10, 64)
		ok = ok && err == nil
		return n
	}
	c.segment, c.size = number(2, "segment"), number(3, "size")
	root, err := tlog.ParseHash(field(4, "root"))
	ok = ok && err == nil
	c.root = root
	c.previous, c.generation = number(5, "previous"), number(6, "generation")
	c.time, err = time.Parse(time.RFC3339Nano, field(7, "time"))
	ok = ok && err == nil
	if len(lines) == 9 {
		c.next = field(8, "next")
	}
	return c, ok
}

// newKey makes the key pair of a segment, in the text forms of sumdb/note.
func newKey() (private, public string, err error) {
	private, public, err = note.GenerateKey(rand.Reader, keyName)
	if err != nil {
		return "", "", secret.Errorf(secret.Unavailable, "", "no key for the audit log: %s", err)
	}
	return private, public, nil
}

// checkKey checks a log's public key: "tacit+3c1e8f0a+AWp…".
func checkKey(s string) error {
	if _, err := note.NewVerifier(s); err != nil {
		return secret.Errorf(secret.Invalid, "", "this is no key of an audit log\n  tacit init printed it; it begins with %s+", keyName)
	}
	return nil
}

// noteOf reads the signed note out of a checkpoint line; it is empty if that
// is none.
func noteOf(b []byte) string {
	var l checkpointLine
	_ = json.Unmarshal(b, &l)
	return l.Checkpoint
}

// unverified reads a signed note without asking who signed it.
func unverified(signed string) (checkpoint, bool) {
	text, _, ok := strings.Cut(signed, "\n\n")
	if !ok {
		return checkpoint{}, false
	}
	return parseCheckpoint(text + "\n")
}
