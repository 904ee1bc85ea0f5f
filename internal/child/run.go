package child

import (
	"context"
	"errors"
	"maps"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/tacit-secrets/tacit/internal/match"
	"github.com/tacit-secrets/tacit/secret"
)

// Exit codes that tell why a command did not start, as shells have them.
const (
	CodeNotExecutable = 126
	CodeNotFound      = 127
)

// DefaultGrace is how long a child has between being asked to end and being
// killed, when the context of [Run] is done.
const DefaultGrace = 10 * time.Second

// A Config says what to start.
type Config struct {
	// Argv is the command and its arguments, passed on as they are. A command
	// without a slash is looked for in the PATH of Env; relative folders there
	// are passed over.
	Argv []string
	// Dir is the working folder; empty for the one of this process.
	Dir string
	// Env holds all variables, as [Build] returns them.
	Env []string
	// Stdin, Stdout and Stderr are the streams; nil is the null device.
	Stdin, Stdout, Stderr *os.File
	// Redact is what to replace in Stdout and Stderr. A stream that is a
	// terminal is handed to the child itself and not searched; so is every
	// stream if there is nothing to look for.
	Redact *match.Matcher
	// Changes, if not nil, are for the child while it runs. Each is taken once
	// it has begun; on Windows none is.
	Changes <-chan Change
	// Grace: zero is [DefaultGrace].
	Grace time.Duration
	// Limits are those that [Harden] took from this process.
	Limits Limits
}

// A Change is told to a running child.
type Change struct {
	// Redact takes the place of that of the [Config]. It is to hold the values
	// of before too: they may still come.
	Redact *match.Matcher
	// Signal is sent to the child then; nil is none.
	Signal os.Signal
}

// A Result says how a child ended.
type Result struct {
	// Started tells whether the command began at all. If not, Code is
	// [CodeNotFound] or [CodeNotExecutable] and the error of Run says why.
	Started bool
	// Code is what to exit with: the child's own exit code, or 128 plus the
	// number of the signal that ended it.
	Code int
	// Signal ended the child, like "SIGTERM"; empty if it exited.
	Signal string
	// Replaced counts by label what was replaced in the output.
	Replaced map[string]int
}

// Run starts a command and waits for its end.
//
// Signals sent to this process are passed on to the child for that time, but
// not hangups and interrupts that this process was started with ignored (of
// other signals a Go program cannot know that). If this process alone is
// in the foreground of a terminal, the child is put there in its place, so
// that the keys for interrupting and suspending reach only the child; a
// suspended child suspends this process.
//
// A done context asks the child to end and kills it after the grace. Signals
// need no context: one that is done by the same signal would cut short a child
// that takes its time to end; pass one without it.
//
// Redaction ends with the child: what it has written by then is passed on; a
// process that it left behind and that goes on writing gets a broken pipe. If
// the destination is closed, so is the child's stream.
//
// The error is of kind [secret.NotFound], [secret.Denied] or [secret.Invalid]
// if the command did not start because of what it is, [secret.Unavailable] if
// the system did not let it, or if its output could not be passed on after it
// did start. How the child ended is no error.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if len(cfg.Argv) == 0 || cfg.Argv[0] == "" {
		return Result{Code: CodeNotFound}, secret.Errorf(secret.Invalid, "", "no command to run\n  tacit run -- COMMAND")
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	path, code, err := lookup(cfg.Argv[0], cfg.Dir, cfg.Env)
	if err != nil {
		return Result{Code: code}, err
	}
	s, err := openStreams(cfg)
	if err != nil {
		return Result{Code: CodeNotExecutable}, err
	}
	defer s.close()
	r, err := run(ctx, cfg, path, s)
	return r, err
}

// streams are the files of a child and what passes its output on.
type streams struct {
	files  []*os.File // the child's 0, 1 and 2
	opened []*os.File // of those, what has to be closed here after the start
	pumps  []*pump
}

func openStreams(cfg Config) (*streams, error) {
	s := &streams{}
	for i, f := range []*os.File{cfg.Stdin, cfg.Stdout, cfg.Stderr} {
		if err := s.open(i, f, cfg); err != nil {
			s.started()
			s.close()
			return nil, secret.Errorf(secret.Unavailable, "", "a stream for the command cannot be opened: %s", reason(err))
		}
	}
	return s, nil
}

func (s *streams) open(i int, f *os.File, cfg Config) error {
	switch {
	case f == nil:
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		s.files, s.opened = append(s.files, null), append(s.opened, null)
	case i == 0 || cfg.Redact.Empty() && cfg.Changes == nil || isTerminal(f):
		s.files = append(s.files, f)
	case i == 2 && len(s.pumps) > 0 && same(f, cfg.Stdout):
		// One pipe for both, or their order would be lost.
		s.files = append(s.files, s.files[1])
	default:
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		enlarge(w)
		s.files, s.opened = append(s.files, w), append(s.opened, w)
		s.pumps = append(s.pumps, newPump(r, f, cfg.Redact))
	}
	return nil
}

// started closes what only the child needs.
func (s *streams) started() {
	for _, f := range s.opened {
		_ = f.Close()
	}
	s.opened = nil
}

// close ends everything, whatever state it is in.
func (s *streams) close() {
	s.started()
	for _, p := range s.pumps {
		_ = p.r.Close()
	}
}

// begin starts to pass output on.
func (s *streams) begin() {
	s.started()
	for _, p := range s.pumps {
		go p.run()
	}
}

// follow looks for other values in the output from now on.
func (s *streams) follow(m *match.Matcher) {
	for _, p := range s.pumps {
		p.follow(m)
	}
}

// finish passes on what the child, which has ended, has written. A
// destination that takes nothing is waited for, until the context is done and
// the grace is over.
func (s *streams) finish(ctx context.Context, grace time.Duration) (map[string]int, error) {
	counts := map[string]int{}
	var errs []error
	for _, p := range s.pumps {
		p.drain()
	}
	for _, p := range s.pumps {
		if !p.wait(ctx, grace) {
			return counts, secret.Errorf(secret.Unavailable, "", "the output of the command was cut off: nobody read it")
		}
		for l, n := range p.w.Counts() {
			counts[l] += n
		}
		errs = append(errs, p.err)
	}
	if err := errors.Join(errs...); err != nil {
		return maps.Clone(counts), secret.Errorf(secret.Unavailable, "", "the output of the command cannot be written: %s", reason(err))
	}
	return counts, nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// same reports whether two streams lead to one place, as after 2>&1.
func same(f, g *os.File) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := g.Stat()
	return err == nil && os.SameFile(a, b)
}

// reason is what the system said, without the call and the path around it.
func reason(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		return e.Err
	}
	return err
}
