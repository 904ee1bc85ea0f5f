package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// An Effective is a setting as it stands: its value, and where that is from.
type Effective struct {
	Setting string // as in the file, or the variable's name
	Value   string
	Source  string // "default", a file, "environment", or the flag
}

// Effectives tells every setting that has a value here, and where it is from.
// flags holds the flags that were given, by name. No store is opened, and no
// file has to be trusted: it is shown, and nothing is done by it.
func Effectives(s System, dir string, flags map[string]string) ([]Effective, error) {
	out := variables(s, flags)
	u, err := readUser(s)
	if err != nil {
		return nil, err
	}
	out = append(out, userSettings(s, u)...)
	root, ok, err := findRoot(cmp.Or(dir, s.Dir), s.Home)
	if err != nil || !ok {
		return out, err
	}
	files, err := readSnapshot(root, s.owners(u))
	if err != nil {
		return nil, err
	}
	return projectSettings(out, root, files)
}

// variables tells the settings that have a variable or a flag, or both.
func variables(s System, flags map[string]string) []Effective {
	var out []Effective
	for _, x := range Settings() {
		if x.Var == "" {
			continue
		}
		e := Effective{Setting: x.Var, Value: s.Var(x.Var), Source: "environment"}
		if v, ok := flags[x.Flag]; ok && x.Flag != "" {
			e.Value, e.Source = v, "flag --"+x.Flag
		}
		if e.Value == "" {
			e.Source = "default"
		}
		out = append(out, e)
	}
	return out
}

// userSettings tells what the user's own file says.
func userSettings(s System, u User) []Effective {
	path := filepath.Join(s.configDir(), UserFileName)
	owners := make([]string, len(u.Owners))
	for i, uid := range u.Owners {
		owners[i] = strconv.Itoa(uid)
	}
	out := []Effective{
		{Setting: "owners", Value: strings.Join(owners, " ")},
		{Setting: "plain_http", Value: strings.Join(u.PlainHTTP, " ")},
		{Setting: "audit.dir", Value: u.Audit.Dir},
		{Setting: "audit.sink", Value: u.Audit.Sink},
		{Setting: "offline.protected", Value: map[bool]string{true: "true"}[u.Offline.Protected]},
		{Setting: "run.keep", Value: strings.Join(u.Run.Keep, " ")},
		{Setting: "unlock.identities", Value: strings.Join(u.Unlock.Identities, " ")},
		{Setting: "unlock.credential", Value: u.Unlock.Credential},
		{Setting: "unlock.command", Value: strings.Join(u.Unlock.Command, " ")},
	}
	for i := range out {
		out[i].Source = path
		if out[i].Value == "" {
			out[i].Source = "default"
		}
	}
	return out
}

// projectSettings adds what the project's files say of the project and its
// environments; declared secrets are what check lists.
func projectSettings(out []Effective, root string, files snapshot) ([]Effective, error) {
	main, err := ParseFile(FileName, files[FileName])
	if err != nil {
		return nil, err
	}
	var local *File
	if text, ok := files[LocalName]; ok {
		f, err := ParseFile(LocalName, text)
		if err != nil {
			return nil, err
		}
		local = &f
	}
	p, err := NewProject(filepath.Base(root), main, local)
	if err != nil {
		return nil, err
	}
	if local == nil {
		local = &File{}
	}
	from := func(inLocal, inMain bool) string {
		switch {
		case inLocal:
			return LocalName
		case inMain:
			return FileName
		default:
			return "default"
		}
	}
	out = append(
		out,
		Effective{"project", p.Name, from(local.Project != "", main.Project != "")},
		Effective{"default_env", p.DefaultEnv, from(local.DefaultEnv != "", main.DefaultEnv != "")},
	)
	for _, name := range p.EnvNames() {
		e := p.envs[name]
		sources := map[string]string{}
		for _, f := range []struct {
			name string
			env  Env
		}{{FileName, main.Env[name]}, {LocalName, local.Env[name]}} {
			for _, s := range f.env.said() {
				sources[s.Name] = f.name
			}
		}
		said := []Said{
			{"backend", e.Backend}, {"address", e.Address}, {"mount", e.Mount}, {"prefix", e.Prefix}, {"protected", fmt.Sprint(e.Protected)},
		}
		for _, s := range append(said, e.Settings()...) {
			if s.Value != "" {
				out = append(out, Effective{"env." + name + "." + s.Name, s.Value, cmp.Or(sources[s.Name], "default")})
			}
		}
	}
	return out, nil
}
