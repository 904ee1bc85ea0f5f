package lite

import (
	"errors"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
	"golang.org/x/sys/unix"
)

func TestNetworkFileSystems(t *testing.T) {
	for magic, want := range map[uint32]string{unix.NFS_SUPER_MAGIC: "NFS", unix.SMB2_SUPER_MAGIC: "SMB", 0xff534d42: "SMB", unix.EXT4_SUPER_MAGIC: "", unix.OVERLAYFS_SUPER_MAGIC: "", unix.TMPFS_MAGIC: "", unix.BTRFS_SUPER_MAGIC: ""} {
		if got := networkName(magic); got != want {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
	}
	err := errNetwork("/mnt", "NFS")
	if !errors.Is(err, secret.Unsupported) {
		t.Errorf("a network file system is %v", err)
	}
}
