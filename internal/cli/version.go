package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what version prints with --json.
type versionInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of tacit",
		Example: "  tacit version",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.version() },
	}
}

func (a *app) version() error {
	info, _ := debug.ReadBuildInfo()
	v := versionInfo{Version: versionOf(info), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if a.flags.json {
		return a.object(v)
	}
	return a.line("tacit " + v.Version + " " + v.Platform)
}

// versionOf returns the version that a build was made as.
func versionOf(info *debug.BuildInfo) string {
	if info == nil || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
