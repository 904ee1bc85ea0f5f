// The tacit command. Everything it does is in internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/internal/cli"
)

func main() {
	// First of all: no core dump may ever hold a value.
	limits := child.Harden()
	ctx, stop := untilInterrupted()
	code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Limits: limits})
	stop()
	os.Exit(code)
}

// untilInterrupted is done by a signal that asks to end. An interrupt that this
// process was started with ignored (behind a script's &) stays ignored, here
// and in a child: listening to it would end that.
func untilInterrupted() (context.Context, context.CancelFunc) {
	var heard []os.Signal
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			heard = append(heard, s)
		}
	}
	if len(heard) == 0 { // NotifyContext would take that for all signals
		return context.WithCancel(context.Background())
	}
	return signal.NotifyContext(context.Background(), heard...)
}
