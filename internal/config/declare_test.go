package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// 10,000 declarations are one edit, and trusted like any of the commands' own.
func TestDeclareAll(t *testing.T) {
	s := victim(t, trustedDev)
	x := s.open(t)
	word := "x\"y\n"
	all := []Declaring{{Var: "FULL", Ref: mustRef(t, "other:app/db#f"), Description: "for\ntwo", Default: &word, Optional: true}}
	all[0].Ref.Env = "dev"
	for i := range 10_000 {
		all = append(all, Declaring{Var: fmt.Sprintf("VARIABLE_%05d", i), Ref: secret.Ref{Env: "dev", Name: secret.Name(fmt.Sprintf("n%05d", i)), At: secret.At{Number: 3}}})
	}
	trusted, err := x.DeclareAll(t.Context(), all)
	if err != nil || !trusted {
		t.Fatal(trusted, err)
	}
	closeIt(t, x)
	x = s.open(t)
	defer closeIt(t, x)
	got, err := x.Declarations()
	if err != nil || len(got) != len(all) || x.Standing != Trusted {
		t.Fatal(len(got), x.Standing, err)
	}
	if d := got[0]; d.Var != "FULL" || d.Ref.Field != "f" || d.Required || *d.Default != word || d.Description != "for\ntwo" {
		t.Errorf("got %+v", d)
	}
	if d := got[1]; d.Ref != (secret.Ref{Env: "dev", Name: "n00000"}) {
		t.Errorf("got %+v", d.Ref)
	}
}

// One that cannot be declared leaves the file as it was.
func TestDeclareAllOrNothing(t *testing.T) {
	s := victim(t, trustedDev+"[secrets.THERE]\nref = \"a\"\n")
	x := s.open(t)
	defer closeIt(t, x)
	good := Declaring{Var: "GOOD", Ref: secret.Ref{Env: "dev", Name: "a"}}
	huge := strings.Repeat("x", MaxFileBytes)
	for name, bad := range map[string]Declaring{
		"there":    {Var: "THERE", Ref: good.Ref},
		"twice":    good,
		"no name":  {Var: "A-B", Ref: good.Ref},
		"too long": {Var: "LONG", Ref: good.Ref, Default: &huge},
	} {
		if _, err := x.DeclareAll(t.Context(), []Declaring{good, bad}); err == nil {
			t.Errorf("%s: it was declared", name)
		}
		if text, err := os.ReadFile(filepath.Join(s.dir, FileName)); err != nil || strings.Contains(string(text), "GOOD") {
			t.Errorf("%s: the file was changed: %v", name, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(s.dir, ".tacit-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// An agent's edit is written, and not trusted.
func TestDeclareAllByAgent(t *testing.T) {
	s := victim(t, trustedDev)
	one := []Declaring{{Var: "A", Ref: secret.Ref{Env: "dev", Name: "a"}}}
	x := s.open(t)
	x.Caller = agent
	if _, err := x.DeclareAll(t.Context(), one); secret.KindOf(err) != secret.Denied {
		t.Errorf("without put on what it declares: %v", err)
	}
	closeIt(t, x)
	s.write(t, PolicyName, `permit (principal == Agent::"reviewer", action == Action::"put", resource);`)
	s.trust(t, "")
	x = s.open(t)
	x.Caller = agent
	trusted, err := x.DeclareAll(t.Context(), one)
	if err != nil || trusted {
		t.Fatal(trusted, err)
	}
	closeIt(t, x)
	x = s.open(t)
	defer closeIt(t, x)
	if x.Standing == Trusted {
		t.Error("it is trusted")
	}
}

func TestStaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := Stage(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.Write([]byte("new ")); err != nil {
			t.Fatal(err)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("before it is committed: %q", b)
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "new new new " {
		t.Errorf("after it is committed: %q", b)
	}
	if err := s.Discard(); err != nil { // too late
		t.Fatal(err)
	}
	if s, err = Stage(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if err := s.Discard(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("there is %v, %v", entries, err)
	}
	for _, bad := range []string{dir, os.DevNull} {
		if _, err := Stage(bad, 0o600); secret.KindOf(err) != secret.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := Stage(filepath.Join(dir, "none", "f"), 0o600); secret.KindOf(err) != secret.Unavailable {
		t.Errorf("got %v", err)
	}
}
