package config

import (
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/tacit-secrets/tacit/secret"
)

// Schema returns the JSON Schema of tacit.toml and tacit.local.toml, for
// editors. It is made from the types that read the file, so that the two
// cannot differ.
func Schema() ([]byte, error) {
	s, err := jsonschema.For[File](nil)
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "the schema cannot be made: %s", err)
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = FileName
	withoutNull(s)
	env := s.Properties["env"].AdditionalProperties
	for name, values := range map[string][]string{"backend": Backends(), "credential": azureCredentials(), "cloud": clouds()} {
		env.Properties[name].Enum = enum(values)
	}
	env.Properties["kv_version"].Enum = []any{1, 2}
	env.Properties["auth"].Properties["method"].Enum = enum(authMethods())
	env.Properties["prefix"].Pattern = "^(|.*/)$"
	for _, secrets := range []*jsonschema.Schema{s.Properties["secrets"], env.Properties["secrets"]} {
		secrets.PropertyNames = &jsonschema.Schema{Pattern: "^[A-Za-z_][A-Za-z0-9_]*$"}
		secrets.AdditionalProperties.Properties["as"].Enum = []any{"env", "file"}
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "the schema cannot be written: %s", err)
	}
	return append(out, '\n'), nil
}

func enum(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// withoutNull drops the null that a pointer may be: TOML has none.
func withoutNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	for _, below := range s.Properties {
		withoutNull(below)
	}
	withoutNull(s.AdditionalProperties)
	withoutNull(s.Items)
}
