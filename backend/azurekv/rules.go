package azurekv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// secretsUser is the id of the role "Key Vault Secrets User", which allows
// reading values and metadata, and nothing else.
const secretsUser = "4633458b-17de-408a-b874-0445c86b69e6" //nolint:gosec // the same in every tenant, and no secret

// actions are what a verb needs of a vault. A version is found, and a deleted
// secret told from a missing one, by the metadata; a put needs it to carry
// along what is the secret's, and to notice other writers.
func actions(v secret.Verb) []string {
	switch v {
	case secret.Get, secret.Use:
		return []string{actGet, actMetadata}
	case secret.List:
		return []string{actMetadata}
	case secret.Put:
		return []string{actMetadata, actSet, actUpdate}
	case secret.Rotate:
		return []string{actGet, actMetadata, actSet, actUpdate}
	case secret.Delete:
		return []string{actMetadata, actDelete}
	case secret.Undelete:
		return []string{actMetadata, actRecover}
	case secret.Destroy:
		return []string{actMetadata, actDelete, actPurge}
	default:
		return nil
	}
}

// Rules returns role assignments for exactly the names, as az commands and as
// Bicep, each secret a scope of its own. Where the verbs are those of a role
// that Azure has, it is that one; else a role is defined with what they need.
func (b *Backend) Rules(names []secret.Name, verbs ...secret.Verb) ([]secret.Rule, error) {
	encoded, err := encodedNames(names)
	if err != nil {
		return nil, err
	}
	var need []string
	for _, v := range verbs {
		acts := actions(v)
		if acts == nil {
			return nil, secret.Errorf(secret.Unsupported, "", "Key Vault has no role for %q", v)
		}
		need = append(need, acts...)
	}
	if len(encoded) == 0 || len(need) == 0 {
		return nil, nil
	}
	slices.Sort(need)
	g := grants{vault: b.vaultName(), names: encoded, actions: slices.Compact(need), list: slices.Contains(verbs, secret.List)}
	return []secret.Rule{{Language: "sh", Text: g.shell()}, {Language: "bicep", Text: g.bicep()}}, nil
}

// encodedNames are names as they stand in the vault: of letters, digits and
// "-", so that nothing in them is read as part of a command.
func encodedNames(names []secret.Name) ([]string, error) {
	var out []string
	for _, n := range names {
		if err := n.Check(); err != nil {
			return nil, err
		}
		az, _ := wire.AzureName(string(n))
		out = append(out, az)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// vaultName is the vault's name where it is one; else a name to be filled in.
func (b *Backend) vaultName() string {
	if strings.Trim(b.vault, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return "VAULT"
	}
	return b.vault
}

type grants struct {
	vault          string
	names, actions []string
	list           bool
}

// head says in a comment what is allowed, and what is not.
func (g grants) head(comment string) string {
	s := fmt.Sprintf("%s %s of %d in Key Vault %s, and nothing else\n", comment, strings.Join(g.actions, ", "), len(g.names), g.vault)
	if g.list {
		s += comment + " (to list names takes readMetadata on the vault itself, which shows all that it has: it is not given here)\n"
	}
	return s
}

// builtin reports whether Azure's own role for readers is what is needed.
func (g grants) builtin() bool { return slices.Equal(g.actions, []string{actGet, actMetadata}) }

// role is the name of a role that is defined for these actions. Names of roles
// are one in a whole tenant and those of vaults one in the world: rules for two
// vaults are not in each other's way.
func (g grants) role() string {
	return "tacit " + g.vault + " " + strings.Join(g.actions, " ")
}

func (g grants) dataActions() []string {
	var out []string
	for _, a := range g.actions {
		out = append(out, dataAction(a))
	}
	return out
}

// shell writes az commands. Who, and in which subscription and group, is said
// by variables that must be set.
func (g grants) shell() string {
	var w strings.Builder
	w.WriteString(g.head("#"))
	fmt.Fprintf(&w, `: "${SUBSCRIPTION:?the id of the subscription}" "${GROUP:?the resource group of the vault}" "${PRINCIPAL:?the object id of who is allowed}"
VAULT="/subscriptions/$SUBSCRIPTION/resourceGroups/$GROUP/providers/Microsoft.KeyVault/vaults/%s"
`, g.vault)
	role := secretsUser
	if !g.builtin() {
		role = g.role()
		quoted := make([]string, 0, len(g.actions))
		for _, a := range g.dataActions() {
			quoted = append(quoted, `"`+a+`"`)
		}
		fmt.Fprintf(&w, `az role definition create --role-definition '{
  "Name": "%s", "Description": "what tacit needs of a secret, written by tacit policy export", "Actions": [],
  "DataActions": [%s],
  "AssignableScopes": ["/subscriptions/'"$SUBSCRIPTION"'/resourceGroups/'"$GROUP"'"]
}'
`, role, strings.Join(quoted, ", "))
	}
	for _, n := range g.names {
		fmt.Fprintf(&w, "az role assignment create --role '%s' --assignee-object-id \"$PRINCIPAL\" --assignee-principal-type ServicePrincipal --scope \"$VAULT/secrets/%s\"\n", role, n)
	}
	return w.String()
}

// bicep writes the same as a template.
func (g grants) bicep() string {
	var w strings.Builder
	w.WriteString(g.head("//"))
	fmt.Fprintf(&w, `param principalId string
param principalType string = 'ServicePrincipal'
param vaultName string = '%s'
var secretNames = [
  '%s'
]
`, g.vault, strings.Join(g.names, "'\n  '"))
	role := `subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '` + secretsUser + `')`
	if !g.builtin() {
		role = "writer.id"
		fmt.Fprintf(&w, `resource writer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, '%s')
  properties: {
    roleName: '%s'
    description: 'what tacit needs of a secret, written by tacit policy export'
    type: 'CustomRole'
    permissions: [
      {
        actions: []
        dataActions: [
          '%s'
        ]
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}
`, g.role(), g.role(), strings.Join(g.dataActions(), "'\n          '"))
	}
	fmt.Fprintf(&w, `resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}
resource kept 'Microsoft.KeyVault/vaults/secrets@2026-02-01' existing = [for name in secretNames: {
  parent: vault
  name: name
}]
resource allowed 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (name, i) in secretNames: {
  name: guid(kept[i].id, principalId, '%s')
  scope: kept[i]
  properties: {
    roleDefinitionId: %s
    principalId: principalId
    principalType: principalType
  }
}]
`, g.role(), role)
	return w.String()
}
