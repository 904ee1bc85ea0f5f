package seal

import (
	"context"
	"errors"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tacit-secrets/tacit/secret"
)

// Permissions of a key in the kernel's keyring. Possessors are the processes of
// a login session; where a session does not reach the user's keyring (no
// pam_keyinit, most containers), the user has to be let in too.
const (
	possessorAll = 0x3f000000
	userReads    = possessorAll | 0x000b0000 // and view, read, search
)

// SystemHolder returns what keeps an unlocked key: on Linux the kernel's user
// keyring, which is never written to a disk and forgets by itself; elsewhere
// the keychain. now may be nil.
func SystemHolder(now func() time.Time) Holder {
	if now == nil {
		now = time.Now
	}
	return kernel{now}
}

type kernel struct{ now func() time.Time }

func (h kernel) Hold(ctx context.Context, storeID string, k *Key, ttl time.Duration) error {
	b, err := packHeld(k, ttl, h.now())
	if err != nil {
		return err
	}
	defer clear(b)
	if err := h.Drop(ctx, storeID); err != nil {
		return err
	}
	id, err := unix.AddKey("user", heldName(storeID), b, unix.KEY_SPEC_USER_KEYRING)
	if err != nil {
		return kernelError(err)
	}
	// The time-out first: whatever happens next, the key ends.
	if _, err = unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, id, int(ttl/time.Second), 0, 0); err == nil {
		err = restrict(id)
	}
	if err != nil {
		_, _ = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0)
		return kernelError(err)
	}
	return nil
}

// restrict lets only possessors in, if this process is one.
func restrict(id int) error {
	// The wider permissions first, since SETPERM itself may need them.
	if err := unix.KeyctlSetperm(id, userReads); err != nil {
		return err
	}
	if !possessed(id) {
		return nil
	}
	return unix.KeyctlSetperm(id, possessorAll)
}

// possessed reports whether the session's keyrings lead to the key.
func possessed(id int) bool {
	found, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "keyring", "_uid."+strconv.Itoa(unix.Geteuid()), 0)
	if err != nil {
		return false
	}
	own, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, false)
	return err == nil && own == found && id != 0
}

func (h kernel) Held(_ context.Context, storeID string) (*Key, error) {
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", heldName(storeID), 0)
	if err != nil {
		return nil, kernelError(err)
	}
	b := make([]byte, heldBytes+1)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, b, 0)
	if err != nil {
		return nil, kernelError(err)
	}
	return unpackHeld(b[:min(n, len(b))], h.now())
}

func (kernel) Drop(_ context.Context, storeID string) error {
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", heldName(storeID), 0)
	if err == nil {
		_, err = unix.KeyctlInt(unix.KEYCTL_UNLINK, id, unix.KEY_SPEC_USER_KEYRING, 0, 0)
	}
	if err = kernelError(err); errors.Is(err, secret.NotFound) {
		return nil
	}
	return err
}

func kernelError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOKEY), errors.Is(err, unix.EKEYEXPIRED), errors.Is(err, unix.EKEYREVOKED):
		return errNotHeld()
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EACCES):
		return secret.Errorf(secret.Unsupported, "", "the kernel's keyring cannot be used here, as in many containers: %s\n  tacit store key add --key-file, or --credential, --command, --age RECIPIENT", err)
	case errors.Is(err, unix.EDQUOT):
		return secret.Errorf(secret.Unavailable, "", "the kernel's keyring is full\n  keyctl show @u")
	default:
		return secret.Errorf(secret.Unavailable, "", "the kernel's keyring: %s", err)
	}
}
