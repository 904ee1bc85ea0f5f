package cli

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes tacit's commands in a shell",
		Long: `Print a script for bash, zsh, fish or powershell, to be loaded by that shell: it completes
commands, flags, and the names of secrets that tacit.toml declares. No store is opened
for it.`,
		Example: `  source <(tacit completion bash)
  tacit completion zsh > "${fpath[1]}/_tacit"
  tacit completion fish > ~/.config/fish/completions/tacit.fish
  tacit completion powershell | Out-String | Invoke-Expression`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "fish", "powershell", "zsh"},
		RunE: func(c *cobra.Command, args []string) error {
			var b bytes.Buffer
			var err error
			switch args[0] {
			case "bash":
				b.WriteString(bashAlone)
				err = c.Root().GenBashCompletionV2(&b, true)
			case "zsh":
				err = c.Root().GenZshCompletion(&b)
			case "fish":
				err = c.Root().GenFishCompletion(&b, true)
			case "powershell":
				err = c.Root().GenPowerShellCompletionWithDesc(&b)
			default:
				return secret.Errorf(secret.Invalid, "", "there is no completion for %q\n  it is made for bash, zsh, fish and powershell", args[0])
			}
			if err != nil {
				return secret.Errorf(secret.Unavailable, "", "the script cannot be made: %s", err)
			}
			return a.print(b.String())
		},
	}
}

// bashAlone stands in for the one function of the package bash-completion that
// the script needs, where that is not installed.
const bashAlone = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        local line="${COMP_LINE:0:COMP_POINT}"
        read -ra words <<<"$line"
        [[ $line == *[[:space:]] ]] && words+=("")
        cword=$((${#words[@]} - 1))
        cur=${words[cword]}
        prev=${words[cword - 1]}
    }
fi

`

// completeFlags says what stands behind the flags that several commands know.
func (a *app) completeFlags(c *cobra.Command) {
	fixed := map[string][]string{"generate": generators(), "stage": {string(secret.Current), string(secret.Previous)}}
	for name, values := range fixed {
		if c.Flags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for _, name := range []string{"file", "log"} {
		if c.Flags().Lookup(name) != nil {
			_ = c.MarkFlagFilename(name)
		}
	}
	if c.PersistentFlags().Lookup("dir") != nil {
		_ = c.MarkPersistentFlagDirname("dir")
		_ = c.RegisterFlagCompletionFunc("environment", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return config.DeclaredEnvs(a.sys, a.flags.dir), cobra.ShellCompDirectiveNoFileComp
		})
	}
	for _, sub := range c.Commands() {
		a.completeFlags(sub)
	}
}

// completeNames offers the names that tacit.toml declares. It opens no store:
// completion must be fast, must not ask for a passphrase, and must not reveal
// names that are not in plain sight anyway.
func (a *app) completeNames(_ *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, n := range config.DeclaredNames(a.sys, a.flags.dir, a.flags.env) {
		if strings.HasPrefix(n, toComplete) {
			out = append(out, n)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
