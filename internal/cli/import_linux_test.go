package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const dotenvFile = "API_KEY=sk-canary-1\nDB_URL=postgres\n"

func (d *desk) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(d.dir, name))
	return err == nil
}

// Whoever leaves at the question has changed nothing, and sees no value.
func TestImportQuestion(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write(".env", dotenvFile)
	before := d.read("tacit.toml")
	for _, c := range []struct {
		name, keys string
		code       int
		last       string
	}{
		{"control-C", "\x03", exitUnavailable, "tacit: interrupted: nothing was changed"},
		{"control-D", "\x04", exitInvalid, "tacit: no answer: nothing was changed"},
		{"enter", "\r", exitInvalid, "tacit: nothing was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := d.at("import", ".env")
			p.expect(t, "new       dev:api-key           API_KEY, line 1\nnew       dev:db-url            DB_URL, line 2\n")
			p.expect(t, "import .env to dev: (2 new, 2 declared)? [y/N] ")
			p.press(t, c.keys)
			d.ended(p, c.code, c.last)
			if d.read("tacit.toml") != before || d.must("list") != "" || !d.exists(".env") {
				t.Error("something was changed")
			}
			if strings.Contains(p.seen(), "canary") {
				t.Errorf("a value is shown:\n%s", p.seen())
			}
		})
	}
}

// The source is offered for deletion once all of it is read back; --yes is no
// answer to that.
func TestImportOffersDeletion(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write(".env", dotenvFile)
	const question = "all of it is in the store: delete .env? [y/N] "
	p := d.at("import", ".env")
	p.expect(t, "declared)? [y/N] ")
	p.press(t, "y\r")
	p.expect(t, "declared  2 variables           in tacit.toml\n")
	p.expect(t, question)
	p.press(t, "\x03")
	d.ended(p, exitUnavailable, "tacit: .env was imported, and stays")
	if !d.exists(".env") || d.must("get", "api-key") != "sk-canary-1" {
		t.Error("it was not imported, or did not stay")
	}
	p = d.at("import", ".env")
	p.expect(t, question)
	p.press(t, "n\r")
	d.ended(p, exitOK, question+"n")
	p = d.at("import", ".env", "--yes")
	d.ended(p, exitOK, "imported  dev:                  2 the same")
	if !d.exists(".env") {
		t.Fatal("--yes deleted the source")
	}
	p = d.at("import", ".env")
	p.expect(t, question)
	p.press(t, "y\r")
	d.ended(p, exitOK, "deleted   .env")
	if d.exists(".env") {
		t.Error("the source is still there")
	}
}

// A source that changes while the question stands is not deleted.
func TestImportKeepsChangedSource(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write(".env", dotenvFile)
	d.must("import", ".env", "--yes")
	for name, change := range map[string]func(){
		"changed": func() { d.write(".env", dotenvFile+"MORE=1\n") },
		"replaced": func() {
			d.write("other", dotenvFile)
			_ = os.Rename(filepath.Join(d.dir, "other"), filepath.Join(d.dir, ".env"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d.write(".env", dotenvFile)
			p := d.at("import", ".env")
			p.expect(t, "delete .env? [y/N] ")
			change()
			p.press(t, "y\r")
			if got := p.exit(t); got != exitConflict || !strings.Contains(p.seen(), ".env was imported, and stays: ") || !d.exists(".env") {
				t.Errorf("exit code %d:\n%s", got, p.seen())
			}
		})
	}
}

// import-declares-LD_PRELOAD: a person is asked about each such variable.
func TestImportAsksAboutDangerousVariables(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write(".env", "NODE_OPTIONS=--require=./evil.js\nENV=production\nKEY=1\n")
	p := d.at("import", ".env")
	p.expect(t, "NODE_OPTIONS can make a program run other code: declare it, too? [y/N] ")
	p.press(t, "\r")
	p.expect(t, "ENV can make a program run other code: declare it, too? [y/N] ")
	p.press(t, "y\r")
	p.expect(t, "import .env to dev: (3 new, 2 declared)? [y/N] ")
	p.press(t, "y\r")
	p.expect(t, "delete .env? [y/N] ")
	p.press(t, "n\r")
	p.exit(t)
	if toml := d.read("tacit.toml"); strings.Contains(toml, "NODE_OPTIONS") || !strings.Contains(toml, "[secrets.ENV]") {
		t.Errorf("tacit.toml is\n%s", toml)
	}
}

func TestImportAndExportOnTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ended(d.at("import", "-"), exitInvalid, "tacit: stdin is a terminal\n  tacit import - < FILE")
	d.write("esc", "\x1b[31mred")
	d.must("put", "e/esc", "--file", "esc")
	p := d.at("export", "e/", "--format", "dotenv")
	d.ended(p, exitInvalid, "tacit: ESC is no text, and this is a terminal\n  write a file:  --out FILE")
	if strings.Contains(p.seen(), "red") {
		t.Errorf("it was shown: %q", p.seen())
	}
	d.env = append(d.env, "CLAUDECODE=1")
	d.write(".env", dotenvFile)
	if got := d.at("import", ".env"); got.exit(t) == exitOK || strings.Contains(got.seen(), "[y/N]") {
		t.Errorf("an agent was asked:\n%s", got.seen())
	}
}

// Whoever interrupts an export has no file, and no half of one either.
func TestExportInterrupted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var in strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&in, "{\"name\":\"app/n%d\",\"value\":\"canary\"}\n", i)
	}
	c := d.command("put", "--batch")
	c.Stdin = strings.NewReader(in.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	half := filepath.Join(d.dir, ".tacit-*")
	begun := func() bool {
		m, err := filepath.Glob(half)
		return err != nil || len(m) > 0 || d.exists("out.json")
	}
	for range 10 { // a busy machine may be told to stop too late
		p := d.at("export", "app/", "--format", "json", "--out", "out.json")
		for limit := time.Now().Add(ptyWait); !begun() && time.Now().Before(limit); {
			time.Sleep(time.Millisecond)
		}
		p.press(t, "\x03")
		code := p.exit(t)
		if code == exitOK {
			_ = os.Remove(filepath.Join(d.dir, "out.json"))
			continue
		}
		if code != exitUnavailable || !strings.HasSuffix(p.seen(), "tacit: interrupted: nothing was written\n") {
			t.Errorf("exit code %d:\n%s", code, p.seen())
		}
		if begun() {
			t.Error("something was left behind")
		}
		return
	}
	t.Error("no export was interrupted: the test does not test")
}
