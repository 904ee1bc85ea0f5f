package policy

import (
	_ "embed"

	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"github.com/tacit-secrets/tacit/secret"
)

//go:embed schema.cedarschema
var schemaText string

// SchemaText returns the built-in schema: the types, actions and attributes
// that policies may name.
func SchemaText() string { return schemaText }

// validator checks policies against the built-in schema.
func validator() (*validate.Validator, error) {
	var s schema.Schema
	if err := s.UnmarshalCedar([]byte(schemaText)); err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "the built-in schema cannot be read: %s", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, secret.Errorf(secret.Corrupt, "", "the built-in schema does not hold together: %s", err)
	}
	return validate.New(resolved), nil
}
