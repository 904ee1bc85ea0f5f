package config

import (
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/tacit-secrets/tacit/secret"
)

// Schema returns the JSON Schema of tacit.toml, for editors. It is made from
// the types that read the file, so that the two cannot differ.
func Schema() ([]byte, error) {
	s, err := jsonschema.For[File](nil)
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "the schema cannot be made: %s", err)
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = FileName
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "the schema cannot be written: %s", err)
	}
	return append(out, '\n'), nil
}
