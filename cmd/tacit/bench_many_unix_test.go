//go:build unix

package main

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
)

// many is how many secrets the commands work on that take all of them.
const many = 10_000

// lines makes many secrets as put --batch reads them.
func lines() string {
	var in strings.Builder
	for i := range many {
		fmt.Fprintf(&in, `{"name":"team-%02d/service-%04d/key","value":"value-%026d","tags":{"owner":"team-%02d"}}`+"\n", i%100, i, i, i%100)
	}
	return in.String()
}

// BenchmarkMany runs the commands that take a whole environment, of 10,000
// secrets, as processes: time and the most memory that they had. Audit is on.
// For copy the budget is 2,000/s, and its memory does not grow with the tree.
func BenchmarkMany(b *testing.B) {
	h := newHome(b, built(b))
	h.ok("", "env", "add", "staging")
	h.ok(lines(), "put", "--batch")
	h.ok("", "copy", "-r", "dev:", "staging:same/")
	targets := 0
	for _, c := range []struct {
		name string
		args func() []string
		in   string
	}{
		{name: "list", args: fixed("list")},
		{name: "list-long", args: fixed("list", "--long")},
		{name: "list-tree", args: fixed("list", "--tree")},
		{name: "search", args: fixed("search", "owner=team-42")},
		{name: "diff", args: fixed("diff", "dev:", "staging:same/")},
		{name: "copy-again", args: fixed("copy", "-r", "dev:", "staging:same/")},
		{name: "copy", args: func() []string {
			targets++
			return []string{"copy", "-r", "dev:", fmt.Sprintf("staging:copy-%d/", targets)}
		}},
		{name: "put-batch", args: fixed("put", "--batch", "-e", "staging"), in: lines()},
	} {
		b.Run(c.name, func(b *testing.B) { h.measure(b, c.args, c.in) })
	}
}

func fixed(args ...string) func() []string { return func() []string { return args } }

// measure runs a command again and again.
func (h *home) measure(b *testing.B, args func() []string, in string) {
	b.Helper()
	var most int64
	for b.Loop() {
		cmd := h.command(args()...)
		cmd.Stdin, cmd.Stdout = strings.NewReader(in), io.Discard
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			most = max(most, u.Maxrss)
		}
	}
	b.ReportMetric(float64(many)*float64(b.N)/b.Elapsed().Seconds(), "secrets/s")
	b.ReportMetric(float64(most)/1024, "peak-MB")
}
