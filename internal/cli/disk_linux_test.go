package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"
)

// onSmallDisk makes a project whose store lies on a file system of its own, and
// returns where that is mounted.
func onSmallDisk(t *testing.T) (*desk, string) {
	t.Helper()
	d := &desk{t: t}
	d.dir, d.env = newHome(t)
	disk := filepath.Join(filepath.Dir(d.dir), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "mode=0700,size=1m"); err != nil {
		t.Skipf("SKIPPED: mounting is forbidden here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d.env = append(d.env, "XDG_DATA_HOME="+disk)
	d.must("init")
	d.must("put", "a", "--generate", "hex")
	return d, disk
}

// fails runs a command without a terminal and wants an exit code and a text on
// stderr, and nothing on stdout.
func (d *desk) fails(c *exec.Cmd, code int, text string) {
	d.t.Helper()
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	_ = c.Run()
	if got := c.ProcessState.ExitCode(); got != code || !strings.Contains(errs.String(), text) || out.Len() > 0 {
		d.t.Errorf("%s: exit code %d, want %d with %q; there is:\n%s%s", c.Args, got, code, text, out.String(), errs.String())
	}
}

// intact: the store is as it was.
func (d *desk) intact(value string) {
	d.t.Helper()
	if d.must("get", "a") != value {
		d.t.Error("the value is another one")
	}
	d.must("store", "check")
	d.must("audit", "verify")
	if got := strings.TrimSpace(d.must("list")); got != "a" {
		d.t.Errorf("there is %q", got)
	}
}

func (d *desk) big() string {
	path := filepath.Join(d.dir, "big")
	if err := os.WriteFile(path, []byte(strings.Repeat("0123456789abcdef", 1<<16)), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func TestFullDisk(t *testing.T) {
	d, _ := onSmallDisk(t)
	value := d.must("get", "a")
	d.fails(d.command("put", "b", "--file", d.big()), exitUnavailable, "/store.db: the disk is full")
	d.intact(value)
}

func TestReadOnlyFolder(t *testing.T) {
	d, disk := onSmallDisk(t)
	value := d.must("get", "a")
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"get", "a"}, {"put", "b", "--generate", "hex"}, {"store", "rekey"}} {
		d.fails(d.command(args...), exitDenied, "/store.db: the store's files cannot be opened or made")
	}
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	d.intact(value)
}

// TestFileSizeLimit: a limit on the size of files does not kill tacit, and changes
// nothing.
func TestFileSizeLimit(t *testing.T) {
	d := newDesk(t)
	d.must("put", "a", "--generate", "hex")
	value := d.must("get", "a")
	c := d.command()
	c.Path, c.Args = "/bin/sh", []string{"sh", "-c", "ulimit -f 300 && exec tacit put b --file " + d.big()}
	d.fails(c, exitUnavailable, "/store.db: ")
	d.intact(value)
}

// TestKilledAnywhere: whatever a command was doing when it was killed, the store
// opens, with the value from before or the one from after.
func TestKilledAnywhere(t *testing.T) {
	for _, args := range [][]string{{"store", "rekey"}, {"store", "restore", "backup.age", "--yes"}, {"store", "key", "add", "--key-file"}} {
		t.Run(args[1], func(t *testing.T) {
			d := newDesk(t)
			d.must("put", "a", "--generate", "hex")
			before := d.must("get", "a")
			d.backup()
			d.must("put", "a", "--generate", "hex")
			later := d.must("get", "a")
			begun := time.Now()
			d.must(args...)
			whole := time.Since(begun)
			kills := 4
			if os.Getenv("TACIT_TEST_SOAK") != "" {
				kills = 100
			}
			for i := range kills {
				c := d.command(args...)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(whole * time.Duration(2*i+1) / time.Duration(2*kills)) // when to kill, not what to wait for
				_ = c.Process.Kill()
				_ = c.Wait()
				c = d.command("get", "a")
				if out, _ := c.CombinedOutput(); strings.Contains(string(out), "accept-rollback") {
					d.must("store", "accept-rollback", "--yes") // killed before the new epoch of the log
				}
				if got := d.must("get", "a"); got != before && got != later {
					t.Fatal("the value is another one")
				}
				d.must("store", "check")
			}
			d.intact(d.must("get", "a"))
			d.must("store", "rekey") // sweeps what the killed ones left
			files, err := filepath.Glob(filepath.Join(filepath.Dir(d.dir), ".config/tacit/keys/*"))
			if slots := strings.Count(d.must("store", "key", "list"), "  keyfile "); err != nil || len(files) != slots {
				t.Errorf("%d key files for %d slots, %v", len(files), slots, err)
			}
		})
	}
}

// backup makes an identity that the user's settings name, and backup.age for it.
func (d *desk) backup() {
	d.t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		d.t.Fatal(err)
	}
	home := filepath.Dir(d.dir)
	for name, text := range map[string]string{"id.txt": id.String() + "\n", ".config/tacit/config.toml": "[unlock]\nidentities = [\"~/id.txt\"]\n"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	d.must("store", "backup", "backup.age", "--to", id.Recipient().String())
}
