package cli

import (
	"os"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
)

// identity makes an age identity file and sets a variable to its recipient:
// identity FILE VARIABLE [pq]
func identity(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: identity FILE VARIABLE [pq]")
	}
	var text, recipient string
	if len(args) > 2 {
		id, err := age.GenerateHybridIdentity()
		ts.Check(err)
		text, recipient = id.String(), id.Recipient().String()
	} else {
		id, err := age.GenerateX25519Identity()
		ts.Check(err)
		text, recipient = id.String(), id.Recipient().String()
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text+"\n"), 0o600))
	ts.Setenv(args[1], recipient)
}
