package cli

import (
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// Evidence and remedy stand apart, below each other and within the terminal;
// what a store says is shown and not obeyed.
func TestFindingsText(t *testing.T) {
	all := []secret.Finding{
		{Check: "connection", Status: secret.FindingOK, Evidence: "https://v.example:8200 answers"},
		{Check: "audit devices", Status: secret.FindingBad, Evidence: "there is none, so nobody can say who read what; one that fails would stop the store", Remedy: "vault audit enable file file_path=/var/log/vault_audit.log"},
		{Check: "rights", Status: secret.FindingUnknown, Evidence: "the token may not \x1b[31mask"},
	}
	want := strings.TrimPrefix(`
ok       connection     https://v.example:8200 answers
bad      audit devices  there is none, so nobody can say who read what; one that
                        fails would stop the store
  vault audit enable file file_path=/var/log/vault_audit.log
unknown  rights         the token may not \u001b[31mask
`, "\n")
	if got := findingsText(all, 80); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	want = strings.TrimPrefix(`
ok       connection
         https://v.example:8200 answers
`, "\n")
	if got := findingsText(all[:2], 40); !strings.HasPrefix(got, want) {
		t.Errorf("narrow:\n%s", got)
	}
	for line := range strings.SplitSeq(findingsText(all[:1], 40), "\n") {
		if columns(line) > 40 {
			t.Errorf("too wide: %q", line)
		}
	}
	if got := findingsText(all, 0); strings.Count(got, "\n") != 4 {
		t.Errorf("for a pipe:\n%s", got)
	}
}
