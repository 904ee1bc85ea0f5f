package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/secret"
)

// ageIdentity makes an age identity file and sets a variable to its recipient:
// identity FILE VARIABLE [pq]
func ageIdentity(ts *testscript.TestScript, neg bool, args []string) {
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

// silentBus listens at a path as a message bus that never answers.
func silentBus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: silentbus PATH")
	}
	l, err := net.Listen("unix", args[0])
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
	}()
}

// condition tells scripts what this machine can do.
func condition(name string) (bool, error) {
	switch name {
	case "memory": // there is a folder for secrets as files
		f, err := child.NewFiles(child.MemoryRoots(""))
		if err != nil {
			return false, nil //nolint:nilerr // that is what is asked
		}
		return true, f.Close()
	case "kernel-keyring":
	default:
		return false, errors.New("no such condition")
	}
	h, k := seal.SystemHolder(nil), &seal.Key{}
	if key, err := seal.NewKey(); err == nil {
		k = key
	}
	const store = "a test asks whether this works"
	err := h.Hold(context.Background(), store, k, time.Minute)
	_ = h.Drop(context.Background(), store)
	return !errors.Is(err, secret.Unsupported), nil
}
