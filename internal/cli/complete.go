package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tacit-secrets/tacit/internal/config"
)

// completeNames offers the names that tacit.toml declares. It opens no store:
// completion must be fast, must not ask for a passphrase, and must not reveal
// names that are not in plain sight anyway.
func (a *app) completeNames(_ *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, n := range config.DeclaredNames(a.sys, a.flags.dir) {
		if strings.HasPrefix(n, toComplete) {
			out = append(out, n)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
