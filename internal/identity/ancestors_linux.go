package identity

import (
	"bytes"
	"os"
	"strconv"
)

// maxAncestors bounds the walk: a chain of processes is short.
const maxAncestors = 256

// Ancestors returns the processes above this one, nearest first, from /proc.
func Ancestors() []Process {
	var out []Process
	pid := os.Getppid()
	for range maxAncestors {
		p, parent, ok := stat(pid)
		if !ok {
			break
		}
		out = append(out, p)
		if parent <= 0 {
			break
		}
		pid = parent
	}
	return out
}

// Self returns this process.
func Self() (Process, bool) {
	p, _, ok := stat(os.Getpid())
	return p, ok
}

// running returns the process that has a number now.
func running(pid int) (Process, bool) {
	p, _, ok := stat(pid)
	return p, ok
}

// stat reads number, parent and start time. The name of the program stands in
// brackets and may hold anything, so fields are counted from the last one.
func stat(pid int) (p Process, parent int, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return p, 0, false
	}
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return p, 0, false
	}
	fields := bytes.Fields(b[i+1:])
	const parentField, startField = 1, 19
	if len(fields) <= startField {
		return p, 0, false
	}
	parent, err = strconv.Atoi(string(fields[parentField]))
	if err != nil {
		return p, 0, false
	}
	start, err := strconv.ParseUint(string(fields[startField]), 10, 64)
	return Process{PID: pid, Start: start}, parent, err == nil
}
