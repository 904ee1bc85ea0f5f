// Package child starts one process and is honest about everything between it
// and the one who started tacit: exit code, signals, terminal, job control,
// standard streams. Output that does not go to a terminal can be searched for
// values (package match) on its way.
//
// It also holds what a child is given: variables ([Build]) and files in memory
// ([Files]), and the precautions of tacit's own process ([Harden]).
//
// It does not decide who may have what, and it is no fence: a child can do
// with a value what it likes.
package child
