package foreign

import (
	"net/url"
	"strings"
)

// vals reads ref+SCHEME://PATH[?PARAMETERS][#/FIELD][+].
func (r *reading) vals(l leaf) {
	rest, ok := strings.CutPrefix(l.text, "secretref+")
	if !ok {
		rest, ok = strings.CutPrefix(l.text, "ref+")
	}
	switch {
	case !ok && strings.Contains(l.text, "ref+"):
		r.problem(l, "is a text with a reference in it\n    declare the reference, and a compose that is made of it")
		return
	case !ok:
		r.problem(l, "has a value, and no reference")
		return
	case l.list:
		r.problem(l, "lies in a list, and no variable can be made of it")
		return
	}
	rest = strings.TrimSuffix(rest, "+")
	scheme, rest, ok := strings.Cut(rest, "://")
	if !ok || strings.ContainsAny(rest, "+ \t\r\n\",") {
		r.problem(l, "is no single reference of vals")
		return
	}
	u := valsURL{}
	rest, u.fragment, _ = strings.Cut(rest, "#")
	u.fragment = strings.TrimPrefix(u.fragment, "/")
	path, query, _ := strings.Cut(rest, "?")
	var err error
	if u.query, err = url.ParseQuery(query); err == nil {
		u.path, err = url.PathUnescape(path)
	}
	if err != nil {
		r.problem(l, "is no reference that can be read")
		return
	}
	e, why := u.entry(scheme)
	if why != "" {
		r.problem(l, "%s", why)
		return
	}
	r.add(l, e)
}

// valsURL is what stands behind the scheme.
type valsURL struct {
	path, fragment string
	query          url.Values
}

func (u valsURL) entry(scheme string) (e Entry, why string) {
	switch scheme {
	case Vault:
		e, why = u.vault()
	case "awssecrets":
		e, why = u.aws()
	case "azurekeyvault":
		e, why = u.azure()
	default:
		return e, "lies in a kind of store that tacit does not know"
	}
	switch {
	case why != "":
	case strings.Contains(e.Field, "/"):
		why = "reaches more than one level into the value: a reference has one field"
	case u.query.Get("version") != "" || u.query.Get("version_id") != "" || u.query.Get("version_stage") != "":
		why = pinned
	default:
		why = u.unknown(e.Store)
	}
	return e, why
}

const pinned = "points at a version, and a declaration follows the current one"

// unknown names a parameter that changes what is read. Those about logging in
// belong to an environment's settings.
func (u valsURL) unknown(store string) string {
	known := map[string]string{
		Vault: " address namespace auth_method token_env token_file role_id secret_id secret_id_env secret_id_file username username_env username_file password_env password_file role_id_env role_id_file ",
		AWS:   " region profile role_arn ",
		Azure: " ",
	}
	for k := range u.query {
		if !strings.Contains(known[store], " "+k+" ") {
			return "has the parameter " + plainWord(k) + ", which changes what is read"
		}
	}
	return ""
}

// plainWord repeats the name of a parameter only if it looks like one.
func plainWord(s string) string {
	if len(s) > 16 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "of an odd name"
	}
	return s
}

// vault: without a fragment the last part of the path is the field.
func (u valsURL) vault() (Entry, string) {
	e := Entry{Store: Vault, Name: u.path, Field: u.fragment, Address: u.query.Get("address"), Where: u.query.Get("address") + " " + u.query.Get("namespace")}
	if e.Field == "" {
		i := strings.LastIndexByte(e.Name, '/')
		if i < 0 {
			return e, "names no field"
		}
		e.Name, e.Field = e.Name[:i], e.Name[i+1:]
	}
	mount, name, ok := strings.Cut(e.Name, "/")
	switch {
	case !ok || mount == "" || name == "" || e.Field == "":
		return e, "names no mount, secret and field"
	case strings.HasPrefix(name, "data/"):
		return e, "has data/ after its mount, which the API of Vault puts there, or a name may have\n    write it as vault kv get takes it"
	default:
		return e, ""
	}
}

func (u valsURL) aws() (Entry, string) {
	e := Entry{Store: AWS, Name: u.path, Field: u.fragment, Where: u.query.Get("region") + " " + u.query.Get("profile") + " " + u.query.Get("role_arn")}
	switch {
	case strings.Contains(u.path, ":"):
		return e, "is an ARN, which names an account\n    write the secret's name"
	case u.path == "" || u.path[0] == '/' || strings.HasSuffix(u.path, "/"):
		return e, "has a slash where the name begins or ends, and whether it belongs to the name is not told"
	default:
		return e, ""
	}
}

func (u valsURL) azure() (Entry, string) {
	vault, name, ok := strings.Cut(u.path, "/")
	e := Entry{Store: Azure, Name: name, Field: u.fragment, Where: vault}
	switch {
	case !ok || vault == "" || name == "":
		return e, "names no vault and secret"
	case strings.Contains(name, "/"):
		return e, pinned
	}
	host := vault
	if !strings.Contains(host, ".") {
		host += ".vault.azure.net"
	}
	e.Address = "https://" + host
	return e, ""
}
