package envfmt

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// A value that knows how the file is made cannot end its own lines and set
// another variable, nor say a command to the runner.
func TestAbuse(t *testing.T) {
	t.Run("github-env-delimiter-injection", func(t *testing.T) {
		var old bytes.Buffer
		w, err := NewWriter(&old, GitHub, &Options{Masks: &bytes.Buffer{}})
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Write("A", secret.Text("x"))
		_ = w.Close()
		used := strings.TrimPrefix(strings.SplitN(old.String(), "\n", 2)[0], "A<<")
		if !regexp.MustCompile(`^tacit_[0-9a-f]{64}$`).MatchString(used) {
			t.Fatalf("the delimiter %q has not 256 random bits", used)
		}
		for _, v := range []string{
			"x\n" + used + "\nINJECTED=1\n",
			"x\nEOF\nINJECTED=1", "<<EOF\nINJECTED=1\nEOF", "x\nINJECTED<<EOF\n1\nEOF",
			"::set-env name=INJECTED::1", "x\n::set-env name=INJECTED::1\n::add-path::/evil",
			"x\r::set-output name=INJECTED::1", "x\r\n::stop-commands::x\r\ny", "\n::error::x", "##[add-path]/evil", "\n\n\n", "", "\n", "%0A::set-env name=INJECTED::1",
		} {
			var file, masks bytes.Buffer
			w, err := NewWriter(&file, GitHub, &Options{Masks: &masks})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"A", "B"} {
				if err := w.Write(name, secret.Text(v)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := githubRules(save(t, t.TempDir(), file.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if d := differences(map[string]string{"A": v, "B": v}, got); d != "" {
				t.Error(d)
			}
			ends := regexp.MustCompile(`(?m)^[AB]<<(.*)$`).FindAllStringSubmatch(file.String(), -1)
			if len(ends) < 2 || ends[0][1] == ends[len(ends)-1][1] || strings.Contains(v, ends[0][1]) {
				t.Error("a delimiter is used twice, or stands in the value")
			}
			for line := range strings.Lines(masks.String()) {
				if !strings.HasPrefix(line, "::add-mask::") || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\n") {
					t.Errorf("a line on standard output is no mask: %q", line)
				}
			}
		}
	})
}

func TestMasks(t *testing.T) {
	for v, want := range map[string]string{
		"":                       "",
		"\n \n":                  "",
		"hunter2":                "hunter2",
		"7":                      "7",
		"7\n":                    "7",
		"one line\nother line":   "one line|other line",
		"{\n  \"k\": \"v\"\n}\n": "\"k\": \"v\"",
		"a\r\nbcde\r\rfghi\n\n":  "bcde|fghi",
		"100%\r":                 "100%25",
		"50%0Ax":                 "50%250Ax",
		"\t padded \n pad two\t": "padded|pad two",
		"::add-mask::x":          "::add-mask::x",
	} {
		var masks bytes.Buffer
		if err := writeMasks(&masks, secret.Text(v)); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.TrimSuffix(masks.String(), "\n"), "\n", "|")
		if got = strings.ReplaceAll("|"+got, "|::add-mask::", "|"); strings.TrimPrefix(got, "|") != want {
			t.Errorf("masks are %q, want %q", got, want)
		}
	}
}

// A value is never written before its masks are, nor without them.
func TestMasksComeFirst(t *testing.T) {
	if _, err := NewWriter(&bytes.Buffer{}, GitHub, nil); secret.KindOf(err) != secret.Invalid {
		t.Errorf("written without masks: %v", err)
	}
	var file bytes.Buffer
	w, err := NewWriter(&file, GitHub, &Options{Masks: failing{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("A", secret.Text("hunter2")); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("masks fail: %v", err)
	}
	if err := w.Close(); err == nil || file.Len() > 0 {
		t.Errorf("%d bytes were written, %v", file.Len(), err)
	}
}

func TestGitHubReservedNames(t *testing.T) {
	for _, name := range []string{"NODE_OPTIONS", "GITHUB_TOKEN", "RUNNER_TEMP", "github_env", "1A", "A B", ""} {
		if err := GitHub.Check(name, secret.Text("x")); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
}
