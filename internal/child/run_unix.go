//go:build unix

package child

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

// NoticeSignal returns the signal by which a program is told that something
// changed: HUP, USR1 or USR2. Others are [secret.Invalid].
func NoticeSignal(name string) (os.Signal, error) {
	switch name {
	case "HUP":
		return unix.SIGHUP, nil
	case "USR1":
		return unix.SIGUSR1, nil
	case "USR2":
		return unix.SIGUSR2, nil
	default:
		return nil, secret.Errorf(secret.Invalid, "", "a program is told of changes by HUP, USR1 or USR2")
	}
}

// run starts the command and stays with it until it has ended.
func run(ctx context.Context, cfg Config, path string, s *streams) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{Code: CodeNotExecutable}, secret.Errorf(secret.Unavailable, "", "%s was not started: %s", cfg.Argv[0], err)
	}
	j := &job{tty: terminalOf(cfg), changes: cfg.Changes, streams: s}
	defer j.listen()()
	events := make(chan event)
	go j.live(cfg, path, s.files, events)
	if e := <-events; e.err != nil {
		code, err := notStarted(cfg.Argv[0], e.err)
		return Result{Code: code}, err
	}
	defer func() { _ = j.process.Release() }()
	s.begin()
	status, err := j.follow(ctx, cfg.Grace, events)
	if err != nil {
		return Result{Started: true, Code: 1}, secret.Errorf(secret.Unavailable, "", "%s was lost: %s", cfg.Argv[0], err)
	}
	j.restore(status.Signaled())
	r := resultOf(status)
	ctx, stop := j.untilAsked(ctx)
	defer stop()
	r.Replaced, err = s.finish(ctx, min(cfg.Grace, lastGrace))
	return r, err
}

func resultOf(status unix.WaitStatus) Result {
	if status.Signaled() {
		return Result{Started: true, Code: 128 + int(status.Signal()), Signal: unix.SignalName(status.Signal())}
	}
	return Result{Started: true, Code: status.ExitStatus()}
}

// A job is a running child.
type job struct {
	tty     *os.File // the terminal that was handed over; nil if none was
	process *os.Process
	signals chan os.Signal
	changes <-chan Change
	streams *streams
	initial termState // of the terminal
}

// An event is what the system told about the child: the first one that it was
// started, or err why not; then stops; and at last its end.
type event struct {
	stopped unix.Signal
	ended   bool
	status  unix.WaitStatus
	err     error
}

// live starts the child and waits for it. It stays on one thread, because on
// Linux the child is told of that thread's end, and dies when tacit is killed.
func (j *job) live(cfg Config, path string, files []*os.File, events chan<- event) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	err := j.start(cfg, path, files)
	events <- event{err: err}
	if err != nil {
		return
	}
	who := j.process.Pid
	if os.Getpid() == 1 {
		who = -1 // everything left behind becomes a child of process 1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(who, &status, unix.WUNTRACED, nil)
		switch {
		case errors.Is(err, unix.EINTR) || err == nil && pid != j.process.Pid:
		case err == nil && status.Stopped():
			events <- event{stopped: status.StopSignal()}
		case err == nil && status.Continued():
		default:
			events <- event{ended: true, status: status, err: err}
			return
		}
	}
}

func (j *job) start(cfg Config, path string, files []*os.File) error {
	env := cfg.Env
	if env == nil {
		env = []string{} // nil would mean all of this process's variables
	}
	attr := &os.ProcAttr{Dir: cfg.Dir, Env: env, Files: files, Sys: attributes()}
	if j.tty != nil {
		attr.Sys.Foreground = true
		attr.Sys.Ctty = int(j.tty.Fd())
		j.initial = j.settings()
	}
	defer heed(unix.SIGTTOU)()
	defer cfg.Limits.lift()()
	p, err := os.StartProcess(path, cfg.Argv, attr)
	j.process = p
	return err
}

// heed keeps a child that is started from ignoring a signal, as this process
// may since an earlier child had the terminal, and returns what ignores it
// again. A caught signal has its default in a new program; Reset would leave it
// ignored.
func heed(s unix.Signal) (ignore func()) {
	if !signal.Ignored(s) {
		return func() {}
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, s)
	return func() { signal.Ignore(s) }
}

// follow passes signals on and follows the child into suspension until it has
// ended.
func (j *job) follow(ctx context.Context, grace time.Duration, events <-chan event) (unix.WaitStatus, error) {
	done := ctx.Done()
	var kill <-chan time.Time
	for {
		select {
		case e := <-events:
			if e.ended {
				return e.status, e.err
			}
			j.suspend(e.stopped)
		case s := <-j.signals:
			j.pass(s)
		case c := <-j.changes:
			j.streams.follow(c.Redact)
			if c.Signal != nil {
				j.send(c.Signal)
			}
		case <-done:
			done = nil
			j.send(unix.SIGTERM)
			j.send(unix.SIGCONT) // a suspended child cannot end
			t := time.NewTimer(grace)
			defer t.Stop()
			kill = t.C
		case <-kill:
			kill = nil
			j.send(unix.SIGKILL)
		}
	}
}

// listen begins to receive signals and returns what ends it.
func (j *job) listen() (stop func()) {
	j.signals = make(chan os.Signal, 64)
	for _, s := range []os.Signal{
		unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGALRM, unix.SIGWINCH, unix.SIGCONT,
		// Not SIGTSTP: the runtime would not give its default back, and this
		// process could not be suspended any more.
	} {
		// Under nohup and its like the child is to ignore them as well:
		// listening would end that.
		if !signal.Ignored(s) {
			signal.Notify(j.signals, s)
		}
	}
	// A closed standard output is an error to handle, not the end of this process.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, unix.SIGPIPE)
	return func() {
		signal.Stop(j.signals)
		signal.Stop(broken)
	}
}

// lastGrace is how long the output of an ended child may still take after this
// process was asked to end. What lies in a pipe takes milliseconds, unless
// nobody reads it.
const lastGrace = time.Second

// untilAsked is ctx until somebody wants this process to end: no child is there
// any more to pass that on to.
func (j *job) untilAsked(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-j.signals:
				if s == unix.SIGHUP || s == unix.SIGTERM || s == unix.SIGINT || s == unix.SIGQUIT {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}

// pass passes a signal on to the child, unless the terminal has done so.
func (j *job) pass(s os.Signal) {
	switch {
	case j.tty == nil:
		if !keyboard(s) || !inForeground() {
			j.send(s)
		}
	case s == unix.SIGCONT:
		j.resume(nil)
	default:
		j.send(s)
	}
}

// send sends to the child only, as the sender did. A child that has ended is
// never confused with another process.
func (j *job) send(s os.Signal) { _ = j.process.Signal(s) }

// sendGroup sends to the child's group, which it has only in the foreground of
// a terminal.
func (j *job) sendGroup(s unix.Signal) { _ = unix.Kill(-j.process.Pid, s) }

// keyboard reports whether a terminal sends s to its whole foreground.
func keyboard(s os.Signal) bool {
	return s == unix.SIGINT || s == unix.SIGQUIT || s == unix.SIGWINCH
}
