package policy

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cedar-policy/cedar-go"

	"github.com/tacit-secrets/tacit/secret"
)

// manyPolicies are 1,001, of which the last is about agent:x.
func manyPolicies() []byte {
	var text bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&text, "permit (principal == Agent::\"a%d\", action == Action::\"get\", resource in Folder::\"dev:f%d\");\n", i, i)
	}
	text.WriteString("permit (principal == Agent::\"x\", action == Action::\"get\", resource in Folder::\"dev:x\");\n")
	return text.Bytes()
}

func benchmarkDecide(b *testing.B, more string, choose func(*Set) func(cedar.Request) rules) {
	s := set(b, string(manyPolicies())+more)
	r := request("agent:x", secret.Get, "dev:x/y")
	for b.Loop() {
		if !s.decide(r, choose(s)).Allowed {
			b.Fatal("denied")
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func BenchmarkDecideNarrowed(b *testing.B) {
	benchmarkDecide(b, "", func(s *Set) func(cedar.Request) rules { return s.narrowed })
}

func BenchmarkDecideNarrowedWithCondition(b *testing.B) {
	more := `permit (principal == Agent::"x", action, resource) when { context.host == "api.example.com" };`
	benchmarkDecide(b, more, func(s *Set) func(cedar.Request) rules { return s.narrowed })
}

func BenchmarkDecideFull(b *testing.B) {
	benchmarkDecide(b, "", func(s *Set) func(cedar.Request) rules { return s.full })
}

// BenchmarkParse is what each command pays for its policy.
func BenchmarkParse(b *testing.B) {
	for name, text := range map[string][]byte{"4": []byte(grants), "1001": manyPolicies()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse("policy.cedar", text); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
		})
	}
}
