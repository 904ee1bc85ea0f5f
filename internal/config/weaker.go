package config

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// refuseWeaker refuses what tacit.local.toml, which no colleague and no review
// of a change sees, may not take away or turn: that an environment is
// protected, where a protected one lies, and where a value may be used.
func refuseWeaker(main, local File) error {
	for _, name := range slices.Sorted(maps.Keys(local.Env)) {
		e, was := local.Env[name], main.Env[name]
		if deref(was.Protected, false) {
			if setting := moves(was, e); setting != "" {
				return weaker("env." + name + "." + setting)
			}
		}
		if v := otherUse(overlaySecrets(main.Secrets, was.Secrets), e.Secrets); v != "" {
			return weaker("env." + name + ".secrets." + v + ".use")
		}
	}
	if v := otherUse(main.Secrets, local.Secrets); v != "" {
		return weaker("secrets." + v + ".use")
	}
	return nil
}

// moves returns the first setting of over that would take the protection away,
// or say that the environment lies elsewhere. Who signs in is one's own.
func moves(was, over Env) string {
	before := map[string]string{"backend": BackendLocal, "protected": "false"}
	for _, s := range was.said() {
		before[s.Name] = s.Value
	}
	for _, s := range over.said() {
		if !s.personal && s.Value != before[s.Name] {
			return s.Name
		}
	}
	return ""
}

// otherUse returns the first variable whose use section would be another.
func otherUse(was, now map[string]Secret) string {
	for _, v := range slices.Sorted(maps.Keys(now)) {
		if u := was[v].Use; u != nil && now[v].Use != nil && !reflect.DeepEqual(u, now[v].Use) {
			return v
		}
	}
	return ""
}

func weaker(setting string) error {
	return secret.Errorf(secret.Invalid, "", "%s: %s may not be changed here\n  change it in %s", LocalName, setting, FileName)
}

// weakened lists what the files protected before and do not any more. Both are
// what counts: tacit.toml with tacit.local.toml laid over it.
func weakened(before, now *Project) []string {
	var out []string
	for _, name := range before.EnvNames() {
		was, is := before.envs[name], now.envs[name]
		if was.Protected && !is.Protected {
			out = append(out, "env."+name+" is no longer protected")
		}
		if _, still := now.envs[name]; still && was.Backend != BackendLocal && !sameAddress(was.Address, is.Address) {
			out = append(out, "env."+name+" lies elsewhere: "+cmp.Or(was.Address, "nowhere")+" becomes "+cmp.Or(is.Address, "nowhere"))
		}
		if is.Offline > was.Offline {
			out = append(out, "env."+name+" keeps last known values, for "+spanText(is.Offline))
		}
		out = append(out, usesWeakened(before, now, name)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// usesWeakened compares what may only be used with what would be handed over.
func usesWeakened(before, now *Project, env string) []string {
	was, errBefore := before.Declarations(env)
	is, errNow := now.Declarations(env)
	if errBefore != nil || errNow != nil { // the environment is gone
		return nil
	}
	var out []string
	for _, d := range was {
		if d.Use == nil {
			continue
		}
		for _, n := range is {
			switch {
			case n.Var == d.Var && n.Use == nil:
				out = append(out, d.Var+" loses its use section: it would be handed over")
			case n.Var == d.Var && !reflect.DeepEqual(d.Use, n.Use):
				out = append(out, d.Var+" may be used elsewhere: "+useWords(d.Use)+" becomes "+useWords(n.Use))
			case n.Var != d.Var && n.Use == nil && handsOver(n, is, d.Ref):
				out = append(out, n.Var+" would hand over "+string(d.Ref.Name)+", which "+d.Var+" only uses")
			}
		}
	}
	return out
}

// handsOver reports whether a declaration puts the secret that r points at, or
// a part of it, into a child's environment.
func handsOver(d Declaration, all []Declaration, r secret.Ref) bool {
	return slices.ContainsFunc(RefsOf(d, all), func(o secret.Ref) bool { return o.Env == r.Env && o.Name == r.Name })
}

func useWords(u *Use) string {
	words := []string{cmp.Or(strings.Join(u.Methods, ","), "any method"), u.Host, cmp.Or(strings.Join(u.Paths, ","), "any path")}
	if u.Header != "" {
		words = append(words, "in "+u.Header)
	}
	return strings.Join(words, " ")
}
