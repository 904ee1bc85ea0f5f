package azurekv

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
	"github.com/tacit-secrets/tacit/secret"
)

// evil names would do something if they were read as part of a command.
func evilNames() []secret.Name {
	return []secret.Name{"a'; touch pwned; '", `a"$(touch pwned)`, "a`touch pwned`", "a' ]", "a\\", "x${y}", "--scope", "claude/api", "A", "a&&b", secret.Name(strings.Repeat("'", 300))}
}

// TestRulesRun runs the commands with an az that writes its arguments down.
func TestRulesRun(t *testing.T) {
	b, err := New(Settings{Address: "https://my-vault.vault.azure.net"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nfor a in \"$@\"; do printf '%s\\037' \"$a\"; done >>\"$LOG\"; printf '\\036' >>\"$LOG\"\n"
	if err := os.WriteFile(filepath.Join(dir, "az"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	rules, err := b.Rules(evilNames(), secret.Put, secret.Get)
	if err != nil || len(rules) != 2 || rules[0].Language != "sh" || rules[1].Language != "bicep" {
		t.Fatalf("%d rules, %v", len(rules), err)
	}
	log := filepath.Join(dir, "log")
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", rules[0].Text)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "LOG=" + log, "SUBSCRIPTION=sub", "GROUP=rg", "PRINCIPAL=oid"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Errorf("a name was run")
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	calls := strings.Split(strings.TrimSuffix(string(text), "\x1e"), "\x1e")
	if len(calls) != 1+len(evilNames()) || !strings.Contains(calls[0], `"Microsoft.KeyVault/vaults/secrets/setSecret/action"`) || !strings.Contains(calls[0], `"/subscriptions/sub/resourceGroups/rg"`) {
		t.Errorf("%q", calls)
	}
	for _, call := range calls[1:] {
		args := strings.Split(strings.TrimSuffix(call, "\x1f"), "\x1f")
		i := slices.Index(args, "--scope")
		if len(args) != 11 || i < 0 || !strings.HasPrefix(args[i+1], "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/my-vault/secrets/") {
			t.Errorf("%q", args)
		}
	}
	// Without who and where it does nothing.
	cmd = exec.CommandContext(t.Context(), "sh", "-c", rules[0].Text)
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "LOG=" + log + "2"}
	if err := cmd.Run(); err == nil {
		t.Errorf("it runs without a principal")
	}
	if _, err := os.Stat(log + "2"); err == nil {
		t.Errorf("az was called without a principal")
	}
}

// TestRulesText: the exact words for an ordinary question, and nothing of a
// name in a template but its encoding.
func TestRulesText(t *testing.T) {
	b, err := New(Settings{Address: "https://my-vault.vault.azure.net"})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := b.Rules([]secret.Name{"claude/api", "app/db", "app/db"}, secret.Get, secret.List)
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range []string{"testdata/rules.sh.golden", "testdata/rules.bicep.golden"} {
		if os.Getenv("TACIT_TEST_UPDATE") != "" {
			if err := os.WriteFile(file, []byte(rules[i].Text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != rules[i].Text {
			t.Errorf("not what %s says (%v): look, then TACIT_TEST_UPDATE=1", file, err)
		}
	}
	if again, err := b.Rules([]secret.Name{"app/db", "claude/api"}, secret.List, secret.Get, secret.Use); err != nil || !slices.Equal(again, rules) {
		t.Errorf("in another order it is another answer: %v", err)
	}
	if one, err := b.Rules([]secret.Name{"a"}, secret.Get, secret.Delete, secret.Put); err != nil {
		t.Error(err)
	} else if two, err := b.Rules([]secret.Name{"a"}, secret.Put, secret.Delete, secret.Get); err != nil || !slices.Equal(one, two) {
		t.Errorf("in another order it is another role: %v", err)
	}
	rules, err = b.Rules(evilNames(), secret.Destroy)
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(rules[1].Text, "var secretNames = [\n")
	list, _, _ = strings.Cut(list, "]\n")
	for line := range strings.Lines(list) {
		if strings.Trim(line, " \n'abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.Count(line, "'") != 2 {
			t.Errorf("%q", line)
		}
	}
}

func TestRulesRefused(t *testing.T) {
	b, err := New(Settings{Address: "https://my-vault.vault.azure.net"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range secret.Verbs() {
		rules, err := b.Rules([]secret.Name{"a"}, v)
		if known := actions(v) != nil; known != (err == nil && len(rules) == 2) || !known && secret.KindOf(err) != secret.Unsupported {
			t.Errorf("%s: %d rules, %v", v, len(rules), err)
		}
	}
}

// TestPosture: what is not seen is unknown, and what is seen is counted.
func TestPosture(t *testing.T) {
	now := time.Now()
	statuses := func(b *Backend) string {
		t.Helper()
		found, err := b.Posture(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range found[:4] {
			out = append(out, f.Status)
		}
		for _, f := range found[4:] {
			if f.Status != secret.FindingUnknown {
				t.Errorf("%s cannot be seen, and is %s", f.Check, f.Status)
			}
		}
		return strings.Join(out, " ")
	}
	expiring := func(b *Backend, n secret.Name, end time.Time) {
		t.Helper()
		if _, err := b.Put(t.Context(), n, secret.Text("x"), &secret.PutOptions{Attributes: &secret.Attributes{Expires: end}}); err != nil {
			t.Fatal(err)
		}
	}
	_, settings := serve(t, azurewire.Options{})
	b := opened(t, settings, quick())
	if got := statuses(b); got != "unknown unknown unknown unknown" {
		t.Errorf("of an empty vault: %s", got)
	}
	expiring(b, "a", now.Add(time.Hour))
	if got := statuses(b); got != "ok bad ok ok" {
		t.Errorf("of a vault that purges: %s", got)
	}
	mustPut(t, b, "b", "x")
	expiring(b, "c", now.Add(-time.Hour))
	if got := statuses(b); got != "ok bad bad bad" {
		t.Errorf("of a vault with what is over, and what never is: %s", got)
	}
	server, settings := serve(t, azurewire.Options{Protected: true, RetentionDays: 7})
	b = opened(t, settings, quick())
	for i := range 130 {
		expiring(b, secret.Name(strings.Repeat("n", i%60+1)+strings.Repeat("m", i/60+1)), now.Add(time.Hour))
	}
	before := server.Requests()
	if got := statuses(b); got != "ok ok ok ok" || server.Requests()-before > posturePages {
		t.Errorf("of a vault that keeps all: %s, by %d requests", got, server.Requests()-before)
	}
	if found, err := b.Posture(t.Context()); err != nil || !strings.Contains(found[2].Evidence, "100 secrets") || !strings.Contains(found[2].Evidence, "there are more") {
		t.Errorf("%+v, %v", found[2], err)
	}
	forbid(server, "readMetadata")
	if got := statuses(b); got != "unknown unknown unknown unknown" {
		t.Errorf("of a vault that is not seen: %s", got)
	}
}
