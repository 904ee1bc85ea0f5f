package config

import (
	"os"
	"path/filepath"
	"strings"
)

// mainCheckout returns the folder, within the main checkout, that root is in a
// linked git worktree of; ok is false if root is in no such worktree.
//
// The worktree's .git file names the main checkout, and anyone can write one:
// so the main checkout's own list must name this worktree too.
func mainCheckout(root string) (folder string, ok bool) {
	for top := root; ; top = filepath.Dir(top) {
		info, err := os.Lstat(filepath.Join(top, ".git"))
		if err == nil && info.Mode().IsRegular() {
			return linkedFrom(top, root)
		}
		if err == nil || filepath.Dir(top) == top {
			return "", false
		}
	}
}

func linkedFrom(top, root string) (string, bool) {
	gitDir, ok := readPath(filepath.Join(top, ".git"), "gitdir: ")
	if !ok {
		return "", false
	}
	back, ok := readPath(filepath.Join(gitDir, "gitdir"), "")
	if !ok || filepath.Clean(back) != filepath.Join(top, ".git") {
		return "", false
	}
	// …/main/.git/worktrees/NAME
	common := filepath.Dir(filepath.Dir(gitDir))
	if filepath.Base(filepath.Dir(gitDir)) != "worktrees" || filepath.Base(common) != ".git" {
		return "", false
	}
	below, err := filepath.Rel(top, root)
	if err != nil {
		return "", false
	}
	main, err := filepath.EvalSymlinks(filepath.Join(filepath.Dir(common), below))
	return main, err == nil
}

// readPath reads a small file that holds one path after a prefix.
func readPath(file, prefix string) (string, bool) {
	b, err := os.ReadFile(file) //nolint:gosec // what it says is checked from both sides
	if err != nil || len(b) > 8192 {
		return "", false
	}
	path, ok := strings.CutPrefix(strings.TrimRight(string(b), "\r\n"), prefix)
	if !ok || path == "" {
		return "", false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(file), path)
	}
	return path, true
}
