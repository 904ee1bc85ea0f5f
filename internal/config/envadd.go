package config

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/tacit-secrets/tacit/backend/local"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/policy"
	"github.com/tacit-secrets/tacit/secret"
)

// A NewEnv is an environment that is to be added to tacit.toml.
type NewEnv struct {
	Name      string
	Backend   string  // one of those in tacit.toml
	Prefix    *string // nil: the backend's own
	Protected bool
	Settings  []Said // of the store and of signing in, as in tacit.toml
}

// EnvSettings lists what an environment may say besides backend, prefix and
// protected: where its store is, and how to sign in. Stores tells which kinds
// of store a setting belongs to.
func EnvSettings() []EnvSetting { return settingsIn(reflect.TypeFor[Env](), "", nil) }

// An EnvSetting is a setting of an environment, as in tacit.toml.
type EnvSetting struct {
	Name   string // "auth.role_id"
	Doc    string
	Stores []string
	Bool   bool // true or false; otherwise a text or a number
}

func settingsIn(t reflect.Type, prefix string, stores []string) []EnvSetting {
	var out []EnvSetting
	for f := range t.Fields() {
		if own := strings.Fields(f.Tag.Get("store")); len(own) > 0 {
			stores = own
		} else if prefix == "" {
			continue
		}
		s := EnvSetting{Name: prefix + f.Tag.Get("toml"), Doc: f.Tag.Get("jsonschema"), Stores: stores, Bool: f.Type.Elem().Kind() == reflect.Bool}
		if f.Type.Elem().Kind() == reflect.Struct {
			out = append(out, settingsIn(f.Type.Elem(), s.Name+".", stores)...)
			continue
		}
		out = append(out, s)
	}
	return out
}

// CheckNewEnv refuses what AddEnv would refuse, before anybody is asked for
// more: a bad or taken name (Invalid, Conflict), settings that do not fit
// (Invalid), files that are not trusted (Denied).
func (x *Opened) CheckNewEnv(e NewEnv) error {
	if x.Standing < Trusted {
		return secret.Errorf(secret.Denied, "", "the files here are not trusted, so they are not edited\n  read them, then:  tacit trust")
	}
	if err := secret.CheckEnv(e.Name); err != nil {
		return err
	}
	if slices.Contains(x.Project.EnvNames(), e.Name) {
		return secret.Errorf(secret.Conflict, "", "environment %s is declared already\n  look at it:  tacit env show %s", e.Name, e.Name)
	}
	if text := noneOf(e.Backend, Backends()); text != "" {
		return secret.Errorf(secret.Invalid, "", "%s", text)
	}
	return nil
}

// Preview returns the environment as it would be, after all the checks that
// tacit.toml goes through.
func (x *Opened) Preview(e NewEnv) (Environment, error) {
	_, p, err := x.added(e)
	if err != nil {
		return Environment{}, err
	}
	return p.Environment(e.Name)
}

// added returns the text of tacit.toml with the environment at its end, and
// what the files would say then.
func (x *Opened) added(e NewEnv) ([]byte, *Project, error) {
	if err := x.CheckNewEnv(e); err != nil {
		return nil, nil, err
	}
	text := slices.Clone(x.files[FileName])
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	own, err := e.text()
	if err != nil {
		return nil, nil, err
	}
	text = append(text, own...)
	p, err := x.files.with(FileName, text).project(x.Root)
	return text, p, err
}

// Try returns a Broker that knows the environment alone, before it is added,
// and lets the store's user list there and nothing else. Close gives back what
// it took, but not the Broker's Opened.
func (x *Opened) Try(e NewEnv) (b *broker.Broker, closeIt func(context.Context) error, err error) {
	env, err := x.Preview(e)
	if err != nil {
		return nil, nil, err
	}
	embedded, err := local.New(x.db, &local.Options{Now: x.opts.Now})
	if err != nil {
		return nil, nil, err
	}
	b, err = broker.New(broker.Config{
		Envs:   map[string]broker.Env{e.Name: x.brokerEnv(env, embedded)},
		Policy: policy.Locked(x.sealed.Owner, "only "+string(x.sealed.Owner)+" may", secret.List), Log: x.appender, Now: x.opts.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	return b, b.Close, nil
}

// AddEnv adds an environment at the end of tacit.toml, whose text before it
// stays as it is, and trusts that edit. Only the store's user may; it is
// recorded.
func (x *Opened) AddEnv(ctx context.Context, e NewEnv) error {
	text, _, err := x.added(e)
	if err != nil {
		return err
	}
	return x.record(ctx, x.Caller, "env add "+e.Name, func(ctx context.Context) error {
		return x.replace(ctx, FileName, text)
	})
}

// text writes the environment as tacit.toml has it.
func (e NewEnv) text() ([]byte, error) {
	name := e.Name
	if strings.Contains(name, ".") {
		name = quoteTOML(name)
	}
	out := fmt.Appendf(nil, "\n[env.%s]\nbackend = %s\n", name, quoteTOML(e.Backend))
	var auth []byte
	for _, s := range e.Settings {
		value, err := valueTOML(s)
		if err != nil {
			return nil, err
		}
		if below, ok := strings.CutPrefix(s.Name, "auth."); ok {
			auth = fmt.Appendf(auth, "%s = %s\n", below, value)
			continue
		}
		out = fmt.Appendf(out, "%s = %s\n", s.Name, value)
	}
	if e.Prefix != nil {
		out = fmt.Appendf(out, "prefix = %s\n", quoteTOML(*e.Prefix))
	}
	if e.Protected {
		out = append(out, "protected = true\n"...)
	}
	if auth != nil {
		out = append(fmt.Appendf(out, "\n[env.%s.auth]\n", name), auth...)
	}
	return out, nil
}

// valueTOML writes the value of a setting, by the type that it has.
func valueTOML(s Said) (string, error) {
	t := reflect.TypeFor[Env]()
	for _, part := range strings.Split(s.Name, ".") {
		i := fieldOf(t, part)
		if i == nil {
			return "", secret.Errorf(secret.Invalid, "", "%q is no setting of an environment", s.Name)
		}
		t = t.FieldByIndex(i).Type.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return quoteTOML(s.Value), nil
	case reflect.Bool:
		if b, err := strconv.ParseBool(s.Value); err == nil {
			return strconv.FormatBool(b), nil
		}
	case reflect.Int:
		if n, err := strconv.Atoi(s.Value); err == nil {
			return strconv.Itoa(n), nil
		}
	default: // no setting is of another type
	}
	return "", secret.Errorf(secret.Invalid, "", "%s: %q is not what it takes", s.Name, s.Value)
}
