package seal

import (
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// The bounds of argon2id parameters: what a store may ask of the machine.
const (
	maxMemoryKiB = 1 << 20 // 1 GiB
	maxTime      = 16
	maxThreads   = 16
	maxCost      = 4 << 20 // memory × time, in KiB: seconds, not minutes
	saltBytes    = 16
)

// Stretch holds the argon2id parameters of a secret that a person might have
// chosen. A store's own are believed only within bounds (1 GiB, 16 rounds).
type Stretch struct {
	MemoryKiB uint32 `json:"memory_kib"`
	Time      uint32 `json:"time"`
	Threads   uint8  `json:"threads"`
	Salt      []byte `json:"salt"` // 16 bytes
}

// newStretch returns what new slots use: argon2id with 64 MiB and t=3.
func newStretch() *Stretch {
	s := &Stretch{MemoryKiB: 64 << 10, Time: 3, Threads: 4, Salt: make([]byte, saltBytes)}
	_, _ = rand.Read(s.Salt) // never fails (crypto/rand)
	return s
}

func (s *Stretch) check() error {
	switch {
	case s.MemoryKiB < 8*uint32(s.Threads) || s.MemoryKiB > maxMemoryKiB:
		return fmt.Errorf("argon2id with %d KiB is out of bounds", s.MemoryKiB)
	case s.Time < 1 || s.Time > maxTime || uint64(s.Time)*uint64(s.MemoryKiB) > maxCost:
		return fmt.Errorf("argon2id with %d rounds is out of bounds", s.Time)
	case s.Threads < 1 || s.Threads > maxThreads:
		return fmt.Errorf("argon2id with %d threads is out of bounds", s.Threads)
	case len(s.Salt) != saltBytes:
		return fmt.Errorf("its salt has %d bytes", len(s.Salt))
	}
	return nil
}

// key stretches a passphrase. It is normalised first, because keyboards differ
// in how they write an é. A nil Stretch takes the secret as it is.
func (s *Stretch) key(pass []byte) []byte {
	if s == nil {
		return pass
	}
	return argon2.IDKey(norm.NFC.Bytes(pass), s.Salt, s.Time, s.MemoryKiB, s.Threads, KeyBytes)
}
