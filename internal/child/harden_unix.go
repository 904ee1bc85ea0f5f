//go:build unix

package child

import "golang.org/x/sys/unix"

// Harden refuses core dumps of this process and, on Linux, debuggers that are
// attached to it later by the same user. Call it first in main, and give what
// it returns to [Run]: a child gets the original limit of core dumps back.
//
// The hard limit stays, so the soft one can be raised around the start of a
// child. On Linux nothing is lost meanwhile: the process itself stays
// undumpable, and only a new program becomes dumpable, by exec. Setting the
// child's limit after its start would come too late for its first instructions.
func Harden() Limits {
	undumpable()
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &l) != nil {
		return Limits{}
	}
	before := Limits{core: l.Cur, taken: l.Cur != 0}
	l.Cur = 0
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &l)
	return before
}

// lift gives the original limit back and returns what takes it again.
func (l Limits) lift() (lower func()) {
	if !l.taken {
		return func() {}
	}
	setCore(l.core)
	return func() { setCore(0) }
}

func setCore(soft uint64) {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &l) == nil {
		l.Cur = soft
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &l)
	}
}
