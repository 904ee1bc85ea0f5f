package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/internal/seal"
	"github.com/tacit-secrets/tacit/secret"
)

const testPass = "correct horse canary"

// withPassphrase makes a store that a passphrase alone opens, and returns its id.
func (d *desk) withPassphrase() string {
	d.t.Helper()
	first := d.must("store", "key", "list")
	p := d.at("store", "key", "add", "--passphrase")
	p.expect(d.t, "new passphrase (hidden): ")
	p.press(d.t, testPass+"\r")
	p.expect(d.t, "the same again (hidden): ")
	p.press(d.t, testPass+"\r")
	d.exits(p, exitOK)
	if strings.Contains(p.seen(), "canary") {
		d.t.Errorf("the passphrase is shown:\n%s", p.seen())
	}
	id := regexp.MustCompile(`(?m)^([0-9a-f]{16})  keyfile`).FindStringSubmatch(first)
	d.must("store", "key", "remove", id[1])
	var found []string
	stores, err := filepath.Glob(filepath.Join(filepath.Dir(d.dir), ".local/share/tacit/*/store.db"))
	if err == nil {
		found = stores
	}
	if len(found) != 1 {
		d.t.Fatalf("stores: %v, %v", found, err)
	}
	store := filepath.Base(filepath.Dir(found[0]))
	d.t.Cleanup(func() { _ = seal.SystemHolder(nil).Drop(context.Background(), store) })
	return store
}

func (d *desk) exits(p *pty, code int) {
	d.t.Helper()
	if got := p.exit(d.t); got != code {
		d.t.Fatalf("exit code %d, want %d; there is:\n%s", got, code, p.seen())
	}
}

// asked runs a command on a terminal, types the passphrase, and returns what was
// shown.
func (d *desk) asked(pass string, code int, args ...string) string {
	d.t.Helper()
	p := d.at(args...)
	p.expect(d.t, "passphrase of the store (hidden): ")
	p.press(d.t, pass+"\r")
	d.exits(p, code)
	if n := strings.Count(p.seen(), "(hidden)"); n != 1 {
		d.t.Errorf("asked %d times:\n%s", n, p.seen())
	}
	if strings.Contains(p.seen(), "canary") {
		d.t.Errorf("the passphrase is shown:\n%s", p.seen())
	}
	return p.seen()
}

// TestPassphrase: asked for on a terminal, once a command; held by unlock, so that
// it is asked once a day; a wrong one is told from damage.
func TestPassphrase(t *testing.T) {
	d := newDesk(t)
	d.must("put", "a", "--generate", "hex")
	value := d.must("get", "a")
	store := d.withPassphrase()

	if got := d.asked(testPass, exitOK, "get", "a"); !strings.HasSuffix(got, value+"\n") {
		t.Errorf("got:\n%s", got)
	}
	if got := d.asked("wrong canary", exitDenied, "get", "a"); !strings.HasSuffix(got, "tacit: wrong passphrase\n") || strings.Contains(got, value) {
		t.Errorf("got:\n%s", got)
	}
	c := d.command("get", "a")
	out, err := c.CombinedOutput() // nobody is there
	if c.ProcessState.ExitCode() != exitDenied || !strings.Contains(string(out), "tacit unlock") || strings.Contains(string(out), value) {
		t.Errorf("%v: %s", err, out)
	}
	d.asked(testPass, exitOK, "store", "rekey")
	d.asked(testPass, exitOK, "store", "check")

	k, err := seal.NewKey()
	if err == nil {
		err = seal.SystemHolder(nil).Hold(t.Context(), store+"-", k, seal.MaxHold)
		_ = seal.SystemHolder(nil).Drop(t.Context(), store+"-")
	}
	if errors.Is(err, secret.Unsupported) {
		t.Skipf("SKIPPED: the kernel's keyring is forbidden here: %v", err)
	}
	d.asked(testPass, exitOK, "unlock", "--for", "8h")
	if d.must("get", "a") != value { // without a terminal
		t.Error("the value is another one")
	}
	d.must("lock")
	if got := d.asked(testPass, exitOK, "get", "a"); !strings.HasSuffix(got, value+"\n") {
		t.Errorf("got:\n%s", got)
	}
	d.notInFiles(testPass, value)
}

// TestPassphraseTypedTwice: two that differ change nothing.
func TestPassphraseTypedTwice(t *testing.T) {
	d := newDesk(t)
	before := d.must("store", "key", "list", "--json")
	p := d.at("store", "key", "add", "--passphrase")
	p.expect(t, "new passphrase (hidden): ")
	p.press(t, testPass+"\r")
	p.expect(t, "the same again (hidden): ")
	p.press(t, "another\r")
	d.ended(p, exitInvalid, "tacit: the two differ: nothing was changed")
	if d.must("store", "key", "list", "--json") != before {
		t.Error("a slot was added")
	}
}

var recoveryLine = regexp.MustCompile(`(?m)^recovery  (AGE-SECRET-KEY-PQ-1[0-9A-Z]+)$`)

// TestRecovery: a recovery key is offered and shown once, on a person's terminal,
// is kept nowhere, and opens the store when everything else is lost.
func TestRecovery(t *testing.T) {
	for _, how := range []string{"init", "store key add --recovery"} {
		t.Run(how, func(t *testing.T) {
			d := &desk{t: t}
			d.dir, d.env = newHome(t)
			var p *pty
			if how == "init" {
				p = d.at("init")
				p.expect(t, "make a recovery key, shown once? [y/N] ")
				p.press(t, "y\r")
			} else {
				d.must("init")
				p = d.at(strings.Fields(how)...)
			}
			d.exits(p, exitOK)
			key := recoveryLine.FindStringSubmatch(p.seen())
			if key == nil || strings.Count(p.seen(), "AGE-SECRET") != 1 {
				t.Fatalf("there is no key, or more than one:\n%s", p.seen())
			}
			d.notInFiles(key[1])
			d.must("put", "a", "--generate", "hex")
			value := d.must("get", "a")

			home := filepath.Dir(d.dir)
			if err := os.RemoveAll(filepath.Join(home, ".config/tacit/keys")); err != nil {
				t.Fatal(err)
			}
			paper, settings := filepath.Join(home, "paper.txt"), filepath.Join(home, ".config/tacit/config.toml")
			for path, text := range map[string]string{paper: key[1] + "\n", settings: "[unlock]\nidentities = [\"~/paper.txt\"]\n"} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if d.must("get", "a") != value {
				t.Error("the value is another one")
			}
		})
	}
}

// TestNoRecoveryForAgents: a terminal with an agent's mark is shown no key.
func TestNoRecoveryForAgents(t *testing.T) {
	d := newDesk(t)
	d.env = append(d.env, "CLAUDECODE=1")
	for _, args := range [][]string{{"store", "key", "add", "--recovery"}, {"init"}, {"store", "key", "add", "--passphrase"}, {"unlock"}} {
		p := d.at(args...)
		d.exits(p, exitDenied)
		if strings.Contains(p.seen(), "AGE-SECRET") || strings.Contains(p.seen(), "(hidden)") {
			t.Errorf("tacit %s:\n%s", args, p.seen())
		}
	}
}

// notInFiles looks for texts in all files of the home, which has the project.
func (d *desk) notInFiles(texts ...string) {
	d.t.Helper()
	files := 0
	err := filepath.WalkDir(filepath.Dir(d.dir), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		for _, text := range texts {
			if strings.Contains(string(b), text) {
				d.t.Errorf("it stands in %s", path)
			}
		}
		return err
	})
	if err != nil || files < 4 {
		d.t.Errorf("%d files, %v", files, err)
	}
}
