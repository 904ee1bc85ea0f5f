//go:build unix

package child

import (
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// termState is the settings of a terminal; nil if they could not be read.
type termState = *term.State

// settle is how long a suspension of this process may take to come about.
const settle = 200 * time.Millisecond

// terminalOf returns the terminal that is to be handed over to the child: the
// standard input, if this process is alone in its foreground.
//
// Alone cannot be asked. A process that leads its group and has a terminal at
// both ends is no part of a pipeline; another member of one (a pager) would be
// stopped as soon as it used the terminal.
func terminalOf(cfg Config) *os.File {
	in, out := cfg.Stdin, cfg.Stdout
	if in == nil || out == nil || !isTerminal(in) || !isTerminal(out) || unix.Getpgrp() != os.Getpid() {
		return nil
	}
	if group, err := foreground(in); err != nil || group != unix.Getpgrp() {
		return nil
	}
	return in
}

// foreground returns the process group in the foreground of a terminal. It
// fails if that is not this session's own.
func foreground(tty *os.File) (int, error) {
	return unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
}

// inForeground reports whether the terminal of this session sends the signals
// of its keys to this process and, in the same group, to the child.
func inForeground() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer func() { _ = tty.Close() }()
	group, err := foreground(tty)
	return err == nil && group == unix.Getpgrp()
}

// claim puts a process group into the foreground and sets the terminal as it
// was, from the background too.
func (j *job) claim(group int, state termState) {
	// Who does this from the background is stopped, unless it ignores that. No
	// process is started afterwards that could inherit it.
	signal.Ignore(unix.SIGTTOU)
	fd := int(j.tty.Fd())
	_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group)
	if state != nil {
		_ = term.Restore(fd, state)
	}
}

func (j *job) settings() termState {
	state, err := term.GetState(int(j.tty.Fd()))
	if err != nil {
		return nil
	}
	return state
}

// suspend suspends this process because the child is, so that the shell takes
// over; when it is continued, so is the child. Where nobody could continue it
// (no shell is there) the system does not let it be suspended, and the child
// goes on at once.
func (j *job) suspend(s unix.Signal) {
	if j.tty == nil {
		return // in one group, the system suspends both
	}
	state := j.settings()
	if group, err := foreground(j.tty); err == nil && group == j.process.Pid {
		j.claim(unix.Getpgrp(), j.initial)
	}
	if s != unix.SIGTTIN {
		s = unix.SIGTSTP // SIGSTOP would be final where there is no shell, SIGTTOU is ignored
	}
	_ = unix.Kill(os.Getpid(), s)
	t := time.NewTimer(settle)
	defer t.Stop()
	for waiting := true; waiting; {
		select {
		case got := <-j.signals:
			waiting = got != unix.SIGCONT
			if waiting {
				j.send(got)
			}
		case <-t.C:
			waiting = false
		}
	}
	j.resume(state)
}

// resume lets the child go on, in the foreground if this process is there.
func (j *job) resume(state termState) {
	if group, err := foreground(j.tty); err == nil && group == unix.Getpgrp() {
		j.claim(j.process.Pid, state)
	}
	j.sendGroup(unix.SIGCONT)
}

// restore takes the terminal back from a child that has ended, and its
// settings if the child could not restore them itself.
func (j *job) restore(killed bool) {
	if j.tty == nil {
		return
	}
	group, err := foreground(j.tty)
	if err != nil {
		return
	}
	switch {
	case group == unix.Getpgrp():
		// The child put this process back there; its settings may be left.
		if !killed {
			return
		}
	case group != j.process.Pid && unix.Kill(-group, 0) != unix.ESRCH:
		// Neither the child's nor one that it made and that has no members any
		// more: the terminal is somebody else's by now.
		return
	}
	state := j.initial
	if !killed {
		state = nil
	}
	j.claim(unix.Getpgrp(), state)
}
