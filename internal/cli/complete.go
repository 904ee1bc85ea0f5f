package cli

import (
	"bytes"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/secret"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a script that completes tacit's commands in a shell",
		Long: `Print a script for bash, zsh, fish or powershell, to be loaded by that shell: it completes
commands, flags, environments, and the names and variables that tacit.toml declares. No
store is opened for it.`,
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
				err = bashCompletion(c.Root(), &b)
			case "zsh":
				err = zshCompletion(c.Root(), &b)
			case "fish":
				err = fishCompletion(c.Root(), &b)
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

// bashAlone stands in for the functions of the package bash-completion that
// the script needs, where that is not installed. And for bash a word ends at :,
// = and @, too: what stands before the last of them is not to come twice.
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
if ! declare -F _filedir >/dev/null; then
    _filedir() {
        local kind=-f
        [[ ${1-} == -d ]] && kind=-d
        compopt -o filenames 2>/dev/null
        local IFS=$'\n'
        COMPREPLY=($(compgen "$kind" -- "$cur"))
    }
fi
__tacit_last_word() {
    local breaks= c i
    for c in @ : =; do
        [[ $COMP_WORDBREAKS == *$c* ]] && breaks+=$c
    done
    [[ -n $breaks && $1 == *[$breaks]* ]] || return 0
    local before=${1%"${1##*[$breaks]}"}
    before=${before%@} # which bash takes for the beginning of a word
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=${COMPREPLY[i]#"$before"}
    done
}

`

// bashCompletion, zshCompletion and fishCompletion write cobra's scripts with
// what references need. A test tries them in the shells.

func bashCompletion(root *cobra.Command, to *bytes.Buffer) error {
	to.WriteString(bashAlone)
	return changed(to, func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) },
		"init_completion -n =:", "init_completion -n =:@",
		"    __tacit_handle_special_char \"$cur\" :\n    __tacit_handle_special_char \"$cur\" =\n", "    __tacit_last_word \"$cur\"\n")
}

// zshCompletion keeps zsh from taking # for a pattern while it completes.
func zshCompletion(root *cobra.Command, to *bytes.Buffer) error {
	return changed(to, func(b *bytes.Buffer) error { return root.GenZshCompletion(b) }, "$(eval ${requestComp}", "$(eval noglob ${requestComp}")
}

// fishCompletion gives what was typed before to eval as it was quoted: what
// stands between quotes must not run.
func fishCompletion(root *cobra.Command, to *bytes.Buffer) error {
	return changed(to, func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) },
		"set -l args (commandline -opc)", "set -l args (string escape -- (commandline -opc))")
}

// changed writes a script with texts replaced, in pairs.
func changed(to *bytes.Buffer, script func(*bytes.Buffer) error, pairs ...string) error {
	var b bytes.Buffer
	if err := script(&b); err != nil {
		return err
	}
	to.WriteString(strings.NewReplacer(pairs...).Replace(b.String()))
	return nil
}
