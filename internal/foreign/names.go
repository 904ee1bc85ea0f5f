package foreign

import (
	"strings"

	"github.com/tacit-secrets/tacit/internal/envfmt"
)

// op reads op://vault/item[/section]/field, also within {{ }}. The vault does
// not become a part of the name: it is often a variable, and tells
// environments apart. 1Password does not tell letters' case apart either.
func (r *reading) op(l leaf) {
	s := strings.TrimSpace(l.text)
	if inner, ok := strings.CutPrefix(s, "{{"); ok && strings.HasSuffix(inner, "}}") {
		s = strings.TrimSpace(strings.TrimSuffix(inner, "}}"))
	}
	rest, ok := strings.CutPrefix(s, "op://")
	switch {
	case !ok && strings.Contains(s, "op://"):
		r.problem(l, "is a text with a reference in it\n    declare the reference, and a compose that is made of it")
		return
	case !ok:
		r.problem(l, "has a value, and no reference")
		return
	case l.list:
		r.problem(l, "lies in a list, and no variable can be made of it")
		return
	case strings.Contains(rest, "?"):
		r.problem(l, "asks for an attribute of its field, which only 1Password has")
		return
	}
	where := strings.ToLower(rest)
	parts := strings.Split(rest, "/")
	if len(parts) != 3 && len(parts) != 4 {
		r.problem(l, "is not op://vault/item/field or op://vault/item/section/field")
		return
	}
	for i, p := range parts[1:] {
		if parts[i+1] = opWord(p); parts[i+1] == "" {
			r.problem(l, "has a part that 1Password takes in no reference: letters, digits, - _ . and spaces")
			return
		}
	}
	last := len(parts) - 1
	r.add(l, Entry{Where: where, Name: strings.Join(parts[1:last], "/"), Field: parts[last]})
}

// opWord writes a part of a reference as a name has it; empty if it is none.
func opWord(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	for _, c := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_. ", c) {
			return ""
		}
	}
	return strings.Join(strings.Fields(s), "-")
}

// sops reads the keys of an encrypted file. What lies in objects is one secret
// for each object, with fields.
func (r *reading) sops(entries []envfmt.Entry) {
	var own []envfmt.Entry
	found := false
	for _, e := range entries {
		metadata := e.Name == "sops" || r.format.Variables() && strings.HasPrefix(e.Name, "sops_")
		if found = found || metadata; !metadata {
			own = append(own, e)
		}
	}
	if !found {
		r.problems = append(r.problems, Problem{Text: "it has no metadata of sops, so it is not encrypted\n    import its values:  tacit import FILE"})
		return
	}
	r.leaves(own, func(l leaf) {
		switch {
		case !strings.HasPrefix(l.text, "ENC[") || !strings.HasSuffix(l.text, "]"):
			r.problem(l, "is not encrypted, so it is no secret")
		case l.list:
			r.problem(l, "lies in a list, and no variable can be made of it")
		default:
			r.add(l, r.sopsEntry(l))
		}
	})
}

func (r *reading) sopsEntry(l leaf) Entry {
	e := Entry{Where: strings.Join(l.path, "\x00"), Name: l.path[0]}
	last := len(l.path) - 1
	switch {
	case r.format.Variables():
		e.Name = kebab(e.Name)
	case last > 0:
		e.Name, e.Field = strings.Join(l.path[:last], "/"), l.path[last]
	}
	return e
}

// kebab is what import calls the secret of a variable.
func kebab(variable string) string {
	return strings.ReplaceAll(strings.ToLower(variable), "_", "-")
}

// chamberPlaceholder is what chamber exec --strict replaces, unless told
// another word.
const chamberPlaceholder = "chamberme"

// chamber reads the variables that chamber exec --strict fills. In AWS Secrets
// Manager a service is one secret, and its keys are fields. The file does not
// name the service, so Name is left empty.
func (r *reading) chamber(l leaf) {
	switch {
	case l.text != chamberPlaceholder:
		r.problem(l, "has a value, and not the word %s", chamberPlaceholder)
	case l.list || len(l.path) > 1:
		r.problem(l, "is no variable of its own")
	default:
		r.add(l, Entry{Store: AWS, Field: strings.ToLower(l.path[0])})
	}
}
