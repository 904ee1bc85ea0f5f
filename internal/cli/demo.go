package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Show what tacit does, in a temporary store of its own",
		Long: `Show what tacit does: each step is a command one could type, run for real in a
temporary folder with a store of its own, a key file and a cleaned environment. Your
own stores, keyring and settings are not touched, and nothing is left behind.`,
		Example: "  tacit demo",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

// demoValue is no one's key.
const demoValue = "sk-demo-4f1c9a7e2b"

// demoStep is one command of the demonstration.
type demoStep struct {
	says    string
	shown   string   // as one would type it
	argv    []string // what is run
	stdin   string   // the file it reads
	agent   bool     // run as an agent's command
	code    int      // the exit code expected
	prepare func(dir string) error
}

func demoSteps() []demoStep {
	return []demoStep{
		{says: "a store of its own, encrypted, with an audit log", shown: "tacit init", argv: []string{"init", "--key-file"}},
		{
			says: "a secret goes in from stdin, never as an argument", shown: "tacit put claude/api#claude_api_key --declare ANTHROPIC_API_KEY < key",
			argv: []string{"put", "claude/api#claude_api_key", "--declare", "ANTHROPIC_API_KEY"}, stdin: "key", prepare: writeKey,
		},
		{
			says: "a process uses it; what it prints of it is replaced", shown: `tacit run -- sh -c 'echo "key: $ANTHROPIC_API_KEY"'`,
			argv: []string{"run", "--", "sh", "-c", `echo "key: $ANTHROPIC_API_KEY"`},
		},
		{
			says: "an agent that asks for the value is refused", shown: "CLAUDECODE=1 tacit get claude/api",
			argv: []string{"get", "claude/api"}, agent: true, code: exitDenied,
		},
		{says: "every access is on record", shown: "tacit audit list", argv: []string{"audit", "list"}},
		{says: "and the record can be proven whole", shown: "tacit audit verify", argv: []string{"audit", "verify"}},
		{
			says: "one bit flipped in a copy of the log is found", shown: "tacit audit verify --log copy",
			argv: []string{"audit", "verify", "--log", "copy"}, code: exitFailed, prepare: copyAndFlip,
		},
	}
}

func (a *app) demo(ctx context.Context) (err error) {
	self, err := os.Executable()
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "this program cannot find itself: %s", err)
	}
	dir, err := os.MkdirTemp("", "tacit-demo-")
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "no temporary folder: %s", reason(err))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.MkdirAll(filepath.Join(dir, "demo"), 0o700); err != nil {
		return secret.Errorf(secret.Unavailable, "", "no temporary folder: %s", reason(err))
	}
	for i, s := range demoSteps() {
		if err := a.demoStep(ctx, self, dir, s); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if a.flags.json {
		return nil
	}
	return a.print("\nnext: in a project of your own,  tacit init\n")
}

// demoJSON is what demo prints of each step with --json.
type demoJSON struct {
	Says    string `json:"says"`
	Command string `json:"command"`
	Output  string `json:"output"`
	Code    int    `json:"code"`
}

// demoStep shows a step, runs it and compares what came of it.
func (a *app) demoStep(ctx context.Context, self, dir string, s demoStep) error {
	if s.prepare != nil {
		if err := s.prepare(dir); err != nil {
			return err
		}
	}
	if !a.flags.json {
		if err := a.print("\n# " + s.says + "\n$ " + s.shown + "\n"); err != nil {
			return err
		}
	}
	out, code, err := a.runStep(ctx, self, filepath.Join(dir, "demo"), s)
	switch {
	case err != nil:
		return secret.Errorf(secret.Unavailable, "", "the step cannot be run: %s", err)
	case bytes.Contains(out, []byte(demoValue)):
		return secret.Errorf(secret.Corrupt, "", "the value was shown")
	case a.flags.json:
		err = a.object(demoJSON{s.says, s.shown, string(out), code})
	default:
		err = a.print(string(out))
	}
	if err == nil && code != s.code {
		err = secret.Errorf(secret.Corrupt, "", "the exit code is %d, and %d was expected", code, s.code)
	}
	return err
}

// runStep runs the command of a step, as one would have typed it.
func (a *app) runStep(ctx context.Context, self, dir string, s demoStep) (out []byte, code int, err error) {
	c := exec.CommandContext(ctx, self, s.argv...) //nolint:gosec // this program, with arguments from above
	c.Dir, c.Env = dir, demoEnv(a.sys.Var("PATH"), filepath.Dir(dir), s.agent)
	if s.stdin != "" {
		f, err := os.Open(filepath.Join(dir, s.stdin)) //nolint:gosec // a name from above
		if err != nil {
			return nil, 0, err
		}
		defer func() { _ = f.Close() }()
		c.Stdin = f
	}
	out, err = c.CombinedOutput()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.Exited() {
		return out, e.ExitCode(), nil
	}
	return out, 0, err
}

// demoEnv is all that a step sees of the environment.
func demoEnv(path, dir string, agent bool) []string {
	out := []string{"PATH=" + path, "HOME=" + dir, "LANG=C.UTF-8", "NO_COLOR=1"}
	if agent {
		out = append(out, "CLAUDECODE=1")
	}
	return out
}

// writeKey writes the file that the secret comes from.
func writeKey(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "demo", "key"), []byte(demoValue), 0o600); err != nil {
		return secret.Errorf(secret.Unavailable, "", "the key cannot be written: %s", reason(err))
	}
	return nil
}

// copyAndFlip copies the log of the demonstration and flips one bit of it.
func copyAndFlip(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, ".local", "state", "tacit", "*", "audit"))
	if err != nil || len(logs) != 1 {
		return secret.Errorf(secret.NotFound, "", "the log of the demonstration is not where it should be")
	}
	to := filepath.Join(dir, "demo", "copy")
	if err := os.CopyFS(to, os.DirFS(logs[0])); err != nil {
		return secret.Errorf(secret.Unavailable, "", "the log cannot be copied: %s", reason(err))
	}
	path := filepath.Join(to, "00000001.jsonl")
	b, err := os.ReadFile(path) //nolint:gosec // made above
	if err == nil {
		b[len(b)/2] ^= 1
		err = os.WriteFile(path, b, 0o600) //nolint:gosec // made above
	}
	if err != nil {
		return secret.Errorf(secret.Unavailable, "", "the copy cannot be changed: %s", reason(err))
	}
	return nil
}
