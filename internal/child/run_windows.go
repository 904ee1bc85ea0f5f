package child

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/windows"

	"github.com/tacit-secrets/tacit/secret"
)

// interruptible: a read of a pipe cannot be ended from outside; a process that
// a child left behind with one is waited for as long as the grace.
const interruptible = false

// Harden does nothing: Windows has no such limits.
func Harden() Limits { return Limits{} }

// NoticeSignal is [secret.Unsupported]: Windows has no such signals.
func NoticeSignal(string) (os.Signal, error) {
	return nil, secret.Errorf(secret.Unsupported, "", "Windows has no signal that tells a program of changes\n  --on-change restart")
}

// run starts the command and waits. The console itself tells the child of
// interrupts, so they are only kept from ending this process.
func run(ctx context.Context, cfg Config, path string, s *streams) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{Code: CodeNotExecutable}, secret.Errorf(secret.Unavailable, "", "%s was not started: %s", cfg.Argv[0], err)
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	env := cfg.Env
	if env == nil {
		env = []string{}
	}
	p, err := os.StartProcess(path, cfg.Argv, &os.ProcAttr{Dir: cfg.Dir, Env: env, Files: s.files})
	if err != nil {
		code, err := notStarted(cfg.Argv[0], err)
		return Result{Code: code}, err
	}
	s.begin()
	stop := context.AfterFunc(ctx, func() { _ = p.Kill() })
	defer stop()
	state, err := p.Wait()
	if err != nil {
		return Result{Started: true, Code: 1}, secret.Errorf(secret.Unavailable, "", "%s was lost: %s", cfg.Argv[0], reason(err))
	}
	r := Result{Started: true, Code: state.ExitCode()}
	r.Replaced, err = s.finish(ctx, cfg.Grace)
	return r, err
}

func readNow(*os.File, []byte) int { return 0 }

func enlarge(*os.File) {}

func brokenPipe(err error) bool {
	return errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}
