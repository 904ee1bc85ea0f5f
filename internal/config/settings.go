package config

import (
	"maps"
	"reflect"

	"github.com/tacit-secrets/tacit/internal/identity"
)

// A Setting is one thing that can be set, and from where. The documents, the
// flags and a test that walks the list are made from it.
type Setting struct {
	Name    string // in the user's config.toml; empty if it does not stand there
	Var     string // environment variable; empty if none
	Flag    string // flag of the commands; empty if none
	Weakens bool   // it can weaken something: the user's own file is the only place
	Doc     string
}

// Environment variables that tacit reads.
const (
	VarDir    = "TACIT_DIR"
	VarEnv    = "TACIT_ENV"
	VarReason = "TACIT_REASON"
	VarStatus = "TACIT_RUN_STATUS"
	VarSocket = "TACIT_SOCKET"
)

// VarGitHubEnv names the file in which a step of GitHub Actions leaves
// variables for the next ones. It is the runner's own, and no setting.
const VarGitHubEnv = "GITHUB_ENV"

// Settings lists every setting besides those of tacit.toml.
func Settings() []Setting {
	return []Setting{
		{Var: VarDir, Flag: "dir", Doc: "the folder to begin in, instead of the working folder"},
		{Var: VarEnv, Flag: "environment", Doc: "the environment that is meant when a reference names none"},
		{Var: VarReason, Flag: "reason", Doc: "why, in your own words, for the audit log"},
		{Var: VarStatus, Doc: "a file that tacit run writes its outcome to"},
		{Var: identity.VarSession, Doc: "agent:NAME/SESSION, set for what an agent runs: whoever asks is that agent"},
		{Var: VarSocket, Doc: "the socket of an agent's session; refused until sessions are built"},
		{Name: "owners", Weakens: true, Doc: "uids whose project files are read as your own"},
		{Name: "plain_http", Weakens: true, Doc: "addresses of stores (http://host:port) that are used without TLS: anyone on the way sees every secret"},
		{Name: "audit.dir", Weakens: true, Doc: "the folder of the audit log"},
		{Name: "audit.sink", Weakens: true, Doc: "stderr or unix:/path: send records there instead of keeping them in files"},
		{Name: "offline.protected", Weakens: true, Doc: "keep last known values of protected environments too, where tacit.toml says offline"},
		{Name: "run.keep", Weakens: true, Doc: "variables that an agent's command keeps although an environment signs in with them"},
		{Name: "unlock.identities", Weakens: true, Doc: "age identity files and SSH key files that unlock stores"},
		{Name: "unlock.credential", Weakens: true, Doc: "the systemd credential that unlocks stores"},
		{Name: "unlock.command", Weakens: true, Doc: "a command that prints the key of a store"},
	}
}

// FileSettings lists what tacit.toml and tacit.local.toml may say, with * for
// a name of one's own choice, as the types that read them do.
func FileSettings() []Setting {
	var out []Setting
	docs := descriptions(reflect.TypeOf(File{}), "")
	for _, name := range knownSettings(File{}) {
		if doc, ok := docs[name]; ok {
			out = append(out, Setting{Name: name, Doc: doc})
		}
	}
	return out
}

// descriptions returns the description of each setting that a type decodes.
func descriptions(t reflect.Type, prefix string) map[string]string {
	out := map[string]string{}
	for f := range t.Fields() {
		name := prefix + f.Tag.Get("toml")
		out[name] = f.Tag.Get("jsonschema")
		below := f.Type
		for below.Kind() == reflect.Pointer || below.Kind() == reflect.Map {
			if below.Kind() == reflect.Map {
				name += ".*"
			}
			below = below.Elem()
		}
		if below.Kind() == reflect.Struct {
			maps.Copy(out, descriptions(below, name+"."))
		}
	}
	return out
}
