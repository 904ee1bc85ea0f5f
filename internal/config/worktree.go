package config

import (
	"os"
	"path/filepath"
	"strings"
)

// maxGitFile bounds the files of git that are read: each holds one path.
const maxGitFile = 8 << 10

// mainCheckout returns the folder, within the main checkout, that root is in a
// linked git worktree of; ok is false if root is in no such worktree.
//
// The worktree's .git file names the main checkout, and anyone can write one:
// so a file that lies in the main checkout must name this worktree too. Where
// it lies is asked of the file system and not read off the path, since a link
// among its folders could lead from a stranger's files to another project.
func (o owners) mainCheckout(root string) (folder string, ok bool) {
	for top := root; ; top = filepath.Dir(top) {
		info, err := os.Lstat(filepath.Join(top, ".git"))
		if err == nil && info.Mode().IsRegular() {
			return o.linkedFrom(top, root)
		}
		if err == nil || filepath.Dir(top) == top {
			return "", false
		}
	}
}

func (o owners) linkedFrom(top, root string) (string, bool) {
	named, ok := o.readPath(filepath.Join(top, ".git"), "gitdir: ")
	if !ok {
		return "", false
	}
	gitDir, err := filepath.EvalSymlinks(named)
	if err != nil {
		return "", false
	}
	back, ok := o.readPath(filepath.Join(gitDir, "gitdir"), "")
	if !ok || back != filepath.Join(top, ".git") {
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
	main := filepath.Join(filepath.Dir(common), below)
	lies, err := filepath.EvalSymlinks(main)
	return main, err == nil && lies == main
}

// readPath reads a small file that holds one path after a prefix.
func (o owners) readPath(file, prefix string) (string, bool) {
	b, err := readOwned(file, o, maxGitFile)
	if err != nil {
		return "", false
	}
	path, ok := strings.CutPrefix(strings.TrimRight(string(b), "\r\n"), prefix)
	if !ok || path == "" {
		return "", false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(file), path)
	}
	return filepath.Clean(path), true
}
