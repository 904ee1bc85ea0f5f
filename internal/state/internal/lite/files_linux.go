package lite

import "golang.org/x/sys/unix"

// checkNetwork refuses the file systems of which it is known that other
// machines may change them, or that they do not share memory. FUSE may be
// either, and passes.
func checkNetwork(dir string) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return Classify(dir, err)
	}
	if name := networkName(uint32(s.Type)); name != "" { //nolint:gosec // the magic numbers have 32 bits
		return errNetwork(dir, name)
	}
	return nil
}

func networkName(magic uint32) string {
	switch magic {
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB"
	case unix.V9FS_MAGIC:
		return "9P"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS"
	case unix.CEPH_SUPER_MAGIC:
		return "Ceph"
	case unix.CODA_SUPER_MAGIC:
		return "Coda"
	case 0x0bd00bd0:
		return "Lustre"
	case 0x47504653:
		return "GPFS"
	case 0x01161970:
		return "GFS2"
	default:
		return ""
	}
}
