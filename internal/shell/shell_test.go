package shell_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/internal/shell"
)

func TestWord(t *testing.T) {
	for _, plain := range []string{"prod", "my-profile_2", "https://vault.example.com:8200/a", "a=b", "100%", "x@y", "a,b+c"} {
		if got := shell.Word(plain); strings.Contains(got, "'") {
			t.Errorf("%q is written %s", plain, got)
		}
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("SKIPPED: no shell here to ask")
	}
	for _, text := range []string{"", "a b", "it's", "$(id)", "`id`", "a;b", "*", "~/x", "a\nb", `"`, `\`, "ü", "''", "-n", "#x", "!x"} {
		out, err := exec.Command(sh, "-c", "printf '%s' "+shell.Word(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("%q came back as %q: %v", text, out, err)
		}
	}
}
