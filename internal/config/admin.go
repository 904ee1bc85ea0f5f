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
	if x.trustsEdits() {
		s := x.sealed
		s.Policy = files.policyHash()
		if err := s.save(ctx, dbRows{x.db}, x.Root, files); err != nil {
			return err
		}
		x.sealed = s
	}
	if err := WriteFile(path, after, 0o644); err != nil {
		return err
	}
	x.files = files
	return nil
}

// trustsEdits reports whether an edit of trusted files is trusted, too: not
// that of an agent, and not in a worktree that borrows another folder's trust.
func (x *Opened) trustsEdits() bool { return !x.Caller.Principal.IsAgent() && x.Root == x.bindRoot }

// CanDeclare refuses what Declare would refuse, before anything is written.
func (x *Opened) CanDeclare(variable string) error {
	if !isVariable(variable) {
		return secret.Errorf(secret.Invalid, "", "%q is no name of a variable: it has letters, digits and _, and no digit first", variable)
	}
	f, err := ParseFile(FileName, x.files[FileName])
	if err != nil {
		return err
	}
	if _, ok := f.Secrets[variable]; ok {
		return secret.Errorf(secret.Conflict, "", "%s declares %s already", FileName, variable)
	}
	return nil
}

// Declare adds a variable to tacit.toml, in front of which nothing is changed.
// It needs the verb put on what is declared, and is recorded under it. trusted
// tells whether the edit is trusted.
func (x *Opened) Declare(ctx context.Context, variable string, r secret.Ref) (trusted bool, err error) {
	if err := x.CanDeclare(variable); err != nil {
		return false, err
	}
	r.At = secret.At{}
	if r.Env == x.Project.DefaultEnv && x.Standing == Trusted {
		r.Env = ""
	}
	old := x.files[FileName]
	text := slices.Clone(old)
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	text = fmt.Appendf(text, "\n[secrets.%s]\nref = %s\n", variable, quoteTOML(r.String()))
	if _, err := ParseFile(FileName, text); err != nil {
		return false, err
	}
	a := broker.Action{Verb: secret.Put, Env: cmp.Or(r.Env, x.Project.DefaultEnv), Name: r.Name, For: "declare " + variable}
	err = x.Broker.Do(ctx, x.Caller, a, func(ctx context.Context) error {
		if x.Standing < Trusted {
			return WriteFile(filepath.Join(x.Root, FileName), text, 0o644)
		}
		trusted = x.trustsEdits()
		return x.replace(ctx, FileName, text)
	})
	return trusted && err == nil, err
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
