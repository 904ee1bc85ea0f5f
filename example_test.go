package tacit_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/tacit-secrets/tacit"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// An API key is stored under claude/api, in the field claude_api_key, and read
// back by a program.
func Example() {
	dir, done := newProject() // a folder in which "tacit init" ran
	defer done()
	ctx := context.Background()

	p, err := tacit.Open(ctx, dir, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = p.Close() }()

	if _, err := p.Put(ctx, "claude/api#claude_api_key", secret.Text("sk-example")); err != nil {
		log.Print(err)
		return
	}
	key, err := p.Get(ctx, "claude/api#claude_api_key")
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println("printed: ", key)
	fmt.Println("revealed:", string(key.Reveal()))
	// Output:
	// printed:  [secret]
	// revealed: sk-example
}

// The Broker decides and records each call for the caller it names.
func ExampleProject_Broker() {
	dir, done := newProject()
	defer done()
	ctx := context.Background()

	p, err := tacit.Open(ctx, dir, nil)
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = p.Close() }()

	r, err := p.Ref("claude/api")
	if err != nil {
		log.Print(err)
		return
	}
	agent := secret.Caller{Principal: "agent:reviewer", How: secret.ByOption}
	_, err = p.Broker().Get(ctx, agent, r)
	fmt.Println(secret.KindOf(err))
	// Output: denied
}

// newProject makes a project in a temporary home, as "tacit init" does, with
// none of the marks of an agent that the environment may bear.
func newProject() (dir string, done func()) {
	home, err := os.MkdirTemp("", "tacit-example-")
	if err != nil {
		log.Fatal(err)
	}
	for k, v := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "XDG_STATE_HOME": "", "DBUS_SESSION_BUS_ADDRESS": "disabled:",
		"CLAUDECODE": "", "CLAUDE_CODE_CHILD_SESSION": "", "TACIT_SESSION": "", "TACIT_ENV": "",
	} {
		if err := os.Setenv(k, v); err != nil {
			log.Fatal(err)
		}
	}
	sys, err := config.OS()
	if err != nil {
		log.Fatal(err)
	}
	opts := config.InitOptions{Options: config.Options{Dir: home, NoKeyring: true}}
	if _, err := config.Init(context.Background(), sys, opts); err != nil {
		log.Fatal(err)
	}
	return home, func() { _ = os.RemoveAll(home) }
}
