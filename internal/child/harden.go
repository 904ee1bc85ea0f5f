package child

// Limits are what [Harden] took from this process and a child gets back. The
// zero Limits change nothing.
type Limits struct {
	core  uint64 // the soft limit of core dumps, in bytes
	taken bool
}
