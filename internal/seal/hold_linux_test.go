package seal

import (
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

// forbidKeyrings makes the kernel refuse keyrings to this thread, as containers do.
func forbidKeyrings(t *testing.T) {
	t.Helper()
	const load, ifEqual, give = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the call
		{Code: ifEqual, Jt: 2, K: unix.SYS_ADD_KEY},
		{Code: ifEqual, Jt: 1, K: unix.SYS_KEYCTL},
		{Code: give, K: unix.SECCOMP_RET_ALLOW},
		{Code: give, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Skip("SKIPPED: ", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		t.Skip("SKIPPED: no filters of system calls here: ", err)
	}
	runtime.KeepAlive(filter)
}

// TestAbuseHold: where a container forbids the kernel's keyring, holding is
// unsupported and names the other ways, and unlocking goes on with the slots.
func TestAbuseHold(t *testing.T) {
	t.Run("kernel-keyring-forbidden", func(t *testing.T) {
		runtime.LockOSThread() // and never unlocked: the thread ends with its filter
		forbidKeyrings(t)
		h, k := SystemHolder(nil), newTestKey(t)
		err := h.Hold(t.Context(), testStore, k, time.Minute)
		wantKind(t, err, secret.Unsupported)
		for _, way := range []string{"--key-file", "--credential", "--command", "--age"} {
			if err == nil || !strings.Contains(err.Error(), way) {
				t.Errorf("%s is not named: %v", way, err)
			}
		}
		u := testUnlocker(t)
		s := Slots{mustSlot(t, u, k, Method{Kind: KeyFile})}
		u.Holder = h
		opens(t, u, s, k)
	})
}
