package config

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// EditPolicy changes policy.cedar by a function of its text. The verb grant is
// decided for what the change is about, and the change is recorded. If the
// files were trusted, and the caller is no agent, the edit is trusted too;
// files that are not trusted are not edited: Denied.
func (x *Opened) EditPolicy(ctx context.Context, about policy.Grant, what string, edit func(text []byte) ([]byte, error)) error {
	if x.Standing < Trusted {
		return secret.Errorf(secret.Denied, "", "the files here are not trusted, so they are not edited\n  read them, then:  tacit trust")
	}
	if x.Root != x.bindRoot {
		return secret.Errorf(secret.Denied, "", "%s shares the trust of %s: edit the policy there", x.Root, x.bindRoot)
	}
	a := broker.Action{Verb: secret.Grant, Env: about.Env, Name: about.Name, For: what}
	if about.Folder && about.Name != "" {
		a.Name += "/*" // what lies in the folder, since its rules are about that
	}
	return x.Broker.Do(ctx, x.Caller, a, func(ctx context.Context) error {
		after, err := edit(x.files[PolicyName])
		if err != nil {
			return err
		}
		return x.replace(ctx, PolicyName, after)
	})
}

// replace writes a trusted file, and trusts the new bytes where it may. The
// store is told first: killed in between, the file is the old one and its
// owner is asked to look.
func (x *Opened) replace(ctx context.Context, name string, after []byte) error {
	path := filepath.Join(x.Root, name)
	now, err := readSnapshot(x.Root, x.sys.owners(x.user))
	if err != nil {
		return err
	}
	if !now.equal(x.files) {
		return secret.Errorf(secret.Conflict, "", "%s: changed meanwhile: nothing was written", path)
	}
	files := x.files.with(name, after)
	// Written first, so that between what the store trusts and what lies in the
	// folder there is no more than a rename.
	staged, err := Stage(path, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = staged.Discard() }()
	if _, err := staged.Write(after); err != nil {
		return err
	}
	if err := staged.Flush(); err != nil {
		return err
	}
	if x.trustsEdits() {
		s := x.sealed
		s.Policy = files.policyHash()
		if err := s.save(ctx, dbRows{x.db}, x.Root, files); err != nil {
			return err
		}
		x.sealed = s
	}
	if err := staged.Commit(); err != nil {
		return err
	}
	x.files = files
	return nil
}

// trustsEdits reports whether an edit of trusted files is trusted, too: not
// that of an agent, and not in a worktree that borrows another folder's trust.
func (x *Opened) trustsEdits() bool { return !x.Caller.Principal.IsAgent() && x.Root == x.bindRoot }

// CanDeclare refuses what Declare would refuse, before anything is written.
func (x *Opened) CanDeclare(variables ...string) error {
	f, err := ParseFile(FileName, x.files[FileName])
	if err != nil {
		return err
	}
	for _, v := range variables {
		if !isVariable(v) {
			return secret.Errorf(secret.Invalid, "", "%q is no name of a variable: it has letters, digits and _, and no digit first", v)
		}
		if _, ok := f.Secrets[v]; ok {
			return secret.Errorf(secret.Conflict, "", "%s declares %s already", FileName, v)
		}
		f.Secrets = with(f.Secrets, v) // each variable once
	}
	return nil
}

func with(m map[string]Secret, variable string) map[string]Secret {
	if m == nil {
		m = map[string]Secret{}
	}
	m[variable] = Secret{}
	return m
}

// Declare adds a variable to tacit.toml, in front of which nothing is changed.
// It needs the verb put on what is declared, and is recorded under it. trusted
// tells whether the edit is trusted.
func (x *Opened) Declare(ctx context.Context, variable string, r secret.Ref) (trusted bool, err error) {
	return x.DeclareAll(ctx, []Declaring{{Var: variable, Ref: r}})
}

// A Declaring is a variable that is to be declared, and what it points at.
type Declaring struct {
	Var         string
	Ref         secret.Ref // its version is left out: a declaration follows the current one
	Description string
	Default     *string
	Optional    bool
}

// text is the declaration as tacit.toml has it, with what it points at.
func (d *Declaring) text(ref secret.Ref) string {
	out := fmt.Sprintf("\n[secrets.%s]\nref = %s\n", d.Var, quoteTOML(ref.String()))
	if d.Description != "" {
		out += "description = " + quoteTOML(d.Description) + "\n"
	}
	if d.Default != nil {
		out += "default = " + quoteTOML(*d.Default) + "\n"
	}
	if d.Optional {
		out += "required = false\n"
	}
	return out
}

// DeclareAll is Declare for many variables, in one edit: all of them or none.
// Invalid if the file would grow larger than tacit reads.
func (x *Opened) DeclareAll(ctx context.Context, all []Declaring) (trusted bool, err error) {
	text, err := x.Declared(all)
	if err != nil || len(all) == 0 {
		return false, err
	}
	act := x.declaring(all[0])
	for _, d := range all { // one that is denied is recorded as itself, and ends it
		r := policy.Request{Caller: x.Caller, Verb: secret.Put, Env: x.declaring(d).Env, Name: d.Ref.Name, Time: x.opts.now()()}
		if !x.Broker.Explain(r).Allowed {
			act = x.declaring(d)
			break
		}
	}
	act.For = declareText(all)
	err = x.Broker.Do(ctx, x.Caller, act, func(ctx context.Context) error {
		if x.Standing < Trusted {
			return WriteFile(filepath.Join(x.Root, FileName), text, 0o644)
		}
		trusted = x.trustsEdits()
		return x.replace(ctx, FileName, text)
	})
	return trusted && err == nil, err
}

func (x *Opened) declaring(d Declaring) broker.Action {
	return broker.Action{Verb: secret.Put, Env: cmp.Or(d.Ref.Env, x.Project.DefaultEnv), Name: d.Ref.Name}
}

// declareText tells what is declared, as far as a record holds it.
func declareText(all []Declaring) string {
	const limit = 900 // of 1 KiB
	text := "declare " + all[0].Var
	for i, d := range all[1:] {
		if len(text)+len(d.Var) > limit {
			return fmt.Sprintf("%s and %d more", text, len(all)-1-i)
		}
		text += ", " + d.Var
	}
	return text
}

// Declared is the text of tacit.toml as DeclareAll would write it, for those
// who ask before. The error is that of DeclareAll.
func (x *Opened) Declared(all []Declaring) ([]byte, error) {
	variables := make([]string, len(all))
	for i, d := range all {
		variables[i] = d.Var
	}
	if err := x.CanDeclare(variables...); err != nil {
		return nil, err
	}
	text := slices.Clone(x.files[FileName])
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	for _, d := range all {
		r := d.Ref
		r.At = secret.At{}
		if r.Env == x.Project.DefaultEnv && x.Standing == Trusted {
			r.Env = ""
		}
		text = append(text, d.text(r)...)
	}
	if _, err := ParseFile(FileName, text); err != nil {
		return nil, err
	}
	return text, nil
}

// Grants lists the grants of the policy as it stands, and how many policies
// are none.
func (x *Opened) Grants() (all []policy.Stated, others int, err error) {
	text := x.files[PolicyName]
	all, err = policy.Grants(text)
	if err != nil {
		return nil, 0, err
	}
	src, err := policy.Parse(PolicyName, text)
	if err != nil {
		return nil, 0, err
	}
	return all, src.Len() - len(all), nil
}

// PolicyText returns the policy as it stands, for checks.
func (x *Opened) PolicyText() []byte { return x.files[PolicyName] }

// ReadLog decides and records that the log is read, and calls f with its
// folder. The verb is verify, of every environment: one log holds the records
// of all.
func (x *Opened) ReadLog(ctx context.Context, what string, f func(dir string) error) error {
	if x.log == nil {
		return secret.Errorf(secret.Unsupported, "", "records are sent to %s, and not kept here", x.user.Audit.Sink)
	}
	about := broker.Action{Verb: secret.Verify, Env: x.Env, For: "audit " + what}
	if env, _ := x.unreadable(x.Broker.Explain); env != "" {
		about.Env = env // which the Broker denies, and records
	}
	return x.Broker.Do(ctx, x.Caller, about, func(context.Context) error {
		if env, d := x.unreadable(x.Broker.Explain); env != "" {
			return x.mayNotRead(env, d)
		}
		return f(x.LogDir())
	})
}

// MayReadLog decides whether the caller may read the log, without opening or
// recording: before a log that may be damaged is looked at.
func (x *Opened) MayReadLog() error {
	decider, err := x.settle()
	if err != nil {
		return err
	}
	if env, d := x.unreadable(decider.Decide); env != "" {
		return x.mayNotRead(env, d)
	}
	return nil
}

// unreadable returns the first environment whose records the caller may not
// read, the one that is meant before the others; empty if there is none.
func (x *Opened) unreadable(decide func(policy.Request) policy.Decision) (string, policy.Decision) {
	for _, env := range append([]string{x.Env}, x.Project.EnvNames()...) {
		d := decide(policy.Request{Caller: x.Caller, Verb: secret.Verify, Env: env, Time: x.opts.now()()})
		if !d.Allowed {
			return env, d
		}
	}
	return "", policy.Decision{}
}

func (x *Opened) mayNotRead(env string, d policy.Decision) error {
	return secret.Errorf(secret.Denied, "", "%s may not %s %s:\n  %s", x.Caller.Principal, secret.Verify, env, d.Reason)
}

// LogHead returns what the store remembers of the log, and the log's first
// key: what an audit verify compares with.
func (x *Opened) LogHead() (audit.Head, string) { return anchor{x.db}.LogHead(), x.sealed.AuditKey }

// LogKeyDir is the folder of the log's lock, for those who read what others
// may be writing.
func (x *Opened) LogKeyDir() string { return x.sys.storeDir(x.StoreID) }

// Owner returns the user whose store it is.
func (x *Opened) Owner() secret.Principal { return x.sealed.Owner }

// Summary words what a review shows in one line.
func (r *Review) Summary() string {
	return cmp.Or(r.files.asks(r.Root), "they ask for nothing more than a store")
}
