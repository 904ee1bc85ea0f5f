package segment

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

// A Checkpoint is what the log's key signs: how far the log has come.
type Checkpoint struct {
	Log        string
	Segment    uint64
	Size       uint64
	Root       tlog.Hash
	Previous   uint64 // the size of the checkpoint before, 0 if none
	Generation uint64 // of the store, never lower than before within an epoch
	Time       time.Time
	Next       string // in the last one of a segment: the next segment's key
}

// checkpointLine is how a signed checkpoint stands in a segment.
type checkpointLine struct {
	Checkpoint string `json:"checkpoint"`
}

// CheckpointPrefix is how the line of a checkpoint begins, and no other.
const CheckpointPrefix = `{"checkpoint":`

// Text is what is signed.
func (c *Checkpoint) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\nsegment %d\nsize %d\nroot %s\nprevious %d\ngeneration %d\ntime %s\n",
		checkpointOrigin, c.Log, c.Segment, c.Size, c.Root, c.Previous, c.Generation, c.Time.UTC().Format(time.RFC3339Nano))
	if c.Next != "" {
		fmt.Fprintf(&b, "next %s\n", c.Next)
	}
	return b.String()
}

// Sign returns the line of a segment that holds the signed checkpoint.
func (c *Checkpoint) Sign(s note.Signer) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, s)
	if err != nil {
		return nil, secret.Errorf(secret.Unavailable, "", "the audit log cannot be signed: %s", err)
	}
	return Encode(checkpointLine{string(signed)})
}

// OpenLine reads a checkpoint line: it must be canonical and carry exactly one
// signature, that of v. note.Open alone would accept flipped padding bits and
// unknown further signatures.
func OpenLine(b []byte, v note.Verifier) (Checkpoint, bool) {
	var l checkpointLine
	if !Decode(b, &l) {
		return Checkpoint{}, false
	}
	return OpenNote(l.Checkpoint, v)
}

// OpenNote is OpenLine for the signed note itself.
func OpenNote(signed string, v note.Verifier) (Checkpoint, bool) {
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return Checkpoint{}, false
	}
	sig, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil || signed != n.Text+"\n— "+v.Name()+" "+base64.StdEncoding.EncodeToString(sig)+"\n" {
		return Checkpoint{}, false
	}
	c, ok := parseCheckpoint(n.Text)
	return c, ok && c.Text() == n.Text
}

func parseCheckpoint(text string) (c Checkpoint, ok bool) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 8 || len(lines) > 9 || lines[0] != checkpointOrigin {
		return c, false
	}
	c.Log = lines[1]
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
	c.Segment, c.Size = number(2, "segment"), number(3, "size")
	root, err := tlog.ParseHash(field(4, "root"))
	ok = ok && err == nil
	c.Root = root
	c.Previous, c.Generation = number(5, "previous"), number(6, "generation")
	c.Time, err = time.Parse(time.RFC3339Nano, field(7, "time"))
	ok = ok && err == nil
	if len(lines) == 9 {
		c.Next = field(8, "next")
	}
	return c, ok
}

// NewKey makes the key pair of a segment, in the text forms of sumdb/note.
func NewKey() (private, public string, err error) {
	private, public, err = note.GenerateKey(rand.Reader, keyName)
	if err != nil {
		return "", "", secret.Errorf(secret.Unavailable, "", "no key for the audit log: %s", err)
	}
	return private, public, nil
}

// CheckKey checks a log's public key: "tacit+3c1e8f0a+AWp…".
func CheckKey(s string) error {
	if _, err := note.NewVerifier(s); err != nil {
		return secret.Errorf(secret.Invalid, "", "this is no key of an audit log\n  tacit init printed it; it begins with %s+", keyName)
	}
	return nil
}

// NoteOf reads the signed note out of a checkpoint line; it is empty if that
// is none.
func NoteOf(b []byte) string {
	var l checkpointLine
	_ = json.Unmarshal(b, &l)
	return l.Checkpoint
}

// Unverified reads a signed note without asking who signed it.
func Unverified(signed string) (Checkpoint, bool) {
	text, _, ok := strings.Cut(signed, "\n\n")
	if !ok {
		return Checkpoint{}, false
	}
	return parseCheckpoint(text + "\n")
}
