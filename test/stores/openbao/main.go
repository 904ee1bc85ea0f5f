// Command bao is the OpenBao of the tests: the whole program of its authors,
// server and command line, and one command of ours:
//
//	bao testserver DIR
//
// starts a server with its data below DIR, unsealed and audited, with the KV
// engine version 2 at secret/, and says in DIR/env how to reach it. The rest
// is started with it but mounted by whoever needs it. The server is real; that
// its root token lies in a file is for tests alone.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/openbao/openbao/command"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "testserver" {
		if err := start(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "openbao:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(command.Run(os.Args[1:]))
}

// start returns once the server answers.
func start(dir string) error {
	s, err := newServer(dir)
	if err != nil {
		return err
	}
	if err := s.launch(); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return errors.Join(err, s.kill())
	}
	return s.tell()
}
