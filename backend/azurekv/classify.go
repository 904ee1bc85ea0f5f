package azurekv

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// The actions of Key Vault that a role allows or not.
const (
	actGet      = "getSecret"
	actMetadata = "readMetadata"
	actSet      = "setSecret"
	actUpdate   = "update"
	actDelete   = "delete"
	actRecover  = "recover"
	actPurge    = "purge"
	actBackup   = "backup"
	actRestore  = "restore"
)

// dataAction is what role definitions call an action.
func dataAction(act string) string {
	if act == actDelete {
		return "Microsoft.KeyVault/vaults/secrets/delete"
	}
	return "Microsoft.KeyVault/vaults/secrets/" + act + "/action"
}

// classify turns an error of the client into one of a kind. It tells codes and
// nothing else of an answer, which may repeat what was sent and who sent it.
func (c call) classify(ctx context.Context, err error, act string) error {
	var own *secret.Error
	var answer *azcore.ResponseError
	var plain *secret.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return c.late()
	case ctx.Err() != nil:
		return interrupted(ctx, c.n)
	case errors.As(err, &own):
		named := *own
		named.Name = c.n
		return &named
	case errors.As(err, &answer):
		plain = c.answered(answer, act)
	case errors.Is(err, context.DeadlineExceeded):
		return c.late()
	case isNoVault(err):
		plain = c.noVault("")
	case strings.Contains(err.Error(), "challenge resource") || strings.Contains(err.Error(), "WWW-Authenticate"):
		plain = noChallenge(c.n, c.b.host)
	default:
		return c.b.network(err, c.n, "Key Vault "+c.b.vault)
	}
	return plain
}

// late is the error of a call whose time is over: what the vault said last is
// why, if it said anything.
func (c call) late() error {
	e := secret.Errorf(secret.Unavailable, c.n, "Key Vault %s did not answer in time%s", c.b.vault, c.b.health())
	if last := int(c.b.limits.last.Load()); last == http.StatusTooManyRequests || last >= http.StatusInternalServerError {
		e = c.answered(&azcore.ResponseError{StatusCode: last}, "")
	}
	e.Err = context.DeadlineExceeded
	return e
}

// answered classifies an answer that is no success.
func (c call) answered(r *azcore.ResponseError, act string) *secret.Error {
	code := innermost(r)
	kv := "Key Vault " + c.b.vault
	switch r.StatusCode {
	case http.StatusBadRequest:
		return secret.Errorf(secret.Invalid, c.n, "%s refuses the request (%s)\n  is a name, a tag or the value beyond what Key Vault takes?  docs/azure.md tells its limits", kv, code)
	case http.StatusUnauthorized:
		return secret.Errorf(secret.Unauthenticated, c.n, "%s does not accept the token it was shown%s", kv, c.b.remedy(""))
	case http.StatusForbidden:
		return c.forbidden(code, act)
	case http.StatusNotFound:
		return secret.Errorf(secret.NotFound, c.n, "there is no such secret in %s", kv)
	case http.StatusConflict:
		return c.conflict(code)
	case http.StatusRequestEntityTooLarge:
		return secret.Errorf(secret.Invalid, c.n, "%s takes values of at most %d bytes", kv, MaxValueBytes)
	case http.StatusTooManyRequests:
		return secret.Errorf(secret.Unavailable, c.n, "%s refuses for too many requests, and still did after the last try\n  it takes 300 new versions and 4,000 other requests in ten seconds, from all who ask", kv)
	}
	if broken(r.StatusCode) {
		return secret.Errorf(secret.Unavailable, c.n, "%s does not answer now (%d)%s", kv, r.StatusCode, c.b.health())
	}
	return c.noVault(" (" + strconv.Itoa(r.StatusCode) + ")")
}

// errNoVault is an answer of success that is none.
const errNoVault = noVault("the answer is not that of a vault")

type noVault string

func (e noVault) Error() string { return string(e) }

// isNoVault tells answers that the client could not read.
func isNoVault(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.Is(err, errNoVault) || errors.As(err, &syntax) || errors.As(err, &kind) || strings.HasPrefix(err.Error(), "unmarshalling type")
}

func (c call) noVault(status string) *secret.Error {
	return secret.Errorf(secret.Invalid, c.n, "Key Vault %s gives an answer that no vault gives%s\n  is https://%s the address of a vault, and does nothing stand in between?", c.b.vault, status, c.b.host)
}

func (c call) forbidden(code, act string) *secret.Error {
	kv := "Key Vault " + c.b.vault
	e := &secret.Error{Kind: secret.Denied, Name: c.n}
	switch code {
	case "SecretDisabled":
		e.State = secret.Disabled
		e.Text = "the version is disabled in " + kv
	case "ForbiddenByFirewall":
		e.Text = kv + " lets nobody in from this network\n  allow it:  az keyvault network-rule add --name " + c.b.vault + " --ip-address ADDRESS"
	case "ForbiddenByConnection":
		e.Text = kv + " is reached by private links alone"
	case "ForbiddenByPolicy":
		if act == actPurge {
			return c.protected("")
		}
		e.Text = kv + " forbids it by a policy"
	case "AccessDenied":
		e.Text = kv + " has access policies, and none allows it\n  az keyvault set-policy --name " + c.b.vault + " --secret-permissions " + permission(act) + " --object-id OBJECT-ID"
	default:
		scope := `"$(az keyvault show --name ` + c.b.vault + ` --query id --output tsv)`
		if c.az != "" && act != actRestore {
			scope += "/secrets/" + c.az
		}
		e.Text = "no role allows " + dataAction(act) + " in " + kv +
			"\n  az role assignment create --role \"" + role(act) + "\" --assignee OBJECT-ID --scope " + scope + `"` +
			"\n  (a new assignment takes up to five minutes)"
	}
	return e
}

// role is the least of the roles that Azure has which allows an action.
func role(act string) string {
	switch act {
	case actGet:
		return "Key Vault Secrets User"
	case actMetadata:
		return "Key Vault Reader"
	default: // "Key Vault Purge Operator" is about vaults, not secrets
		return "Key Vault Secrets Officer"
	}
}

// permission is what access policies call an action.
func permission(act string) string {
	switch act {
	case actGet:
		return "get"
	case actMetadata:
		return "list"
	case actSet, actUpdate:
		return "set"
	default:
		return act
	}
}

// protected is the error of a secret that must wait for its end.
func (c call) protected(until string) *secret.Error {
	e := secret.Errorf(secret.Unsupported, c.n, "Key Vault %s has purge protection, so that nobody can destroy a secret", c.b.vault)
	if until != "" {
		e.Text += "\n  it is deleted, and ends by itself on " + until
	} else {
		e.Text += "\n  delete it instead:  tacit delete " + string(c.n)
	}
	return e
}

func (c call) conflict(code string) *secret.Error {
	e := &secret.Error{Kind: secret.Conflict, Name: c.n}
	switch code {
	case "ObjectIsDeletedButRecoverable":
		e.State = secret.Deleted
		e.Text = "it is deleted, and Key Vault " + c.b.vault + " keeps its name\n  bring it back first:  tacit undelete " + string(c.n) + "\n  or write over it:  tacit put " + string(c.n) + " --recover"
	case "ObjectIsBeingDeleted", "ObjectIsBeingRecovered":
		e.Kind = secret.Unavailable
		e.Text = "Key Vault " + c.b.vault + " is still deleting or recovering it\n  try again in a minute"
	default:
		e.Text = "Key Vault " + c.b.vault + " says that it is in the way (" + code + ")"
	}
	return e
}

// moving reports a conflict that ends by itself.
func moving(err error) bool {
	var r *azcore.ResponseError
	if !errors.As(err, &r) || r.StatusCode != http.StatusConflict {
		return false
	}
	switch innermost(r) {
	case "ObjectIsBeingDeleted", "ObjectIsBeingRecovered":
		return true
	default:
		return false
	}
}

// status is that of an answer which is no success; zero if there is none.
func status(err error) int {
	var r *azcore.ResponseError
	if errors.As(err, &r) {
		return r.StatusCode
	}
	return 0
}

// innermost is the code that says most: that of the innermost inner error, of a
// plain sort of text.
func innermost(r *azcore.ResponseError) string {
	type level struct {
		Code  string `json:"code"`
		Inner *level `json:"innererror"`
	}
	var body struct {
		Error level `json:"error"`
	}
	code := r.ErrorCode
	if r.RawResponse != nil {
		if b, err := runtime.Payload(r.RawResponse); err == nil && json.Unmarshal(b, &body) == nil {
			for l := &body.Error; l != nil; l = l.Inner {
				if l.Code != "" {
					code = l.Code
				}
			}
		}
	}
	if code = printable(code); code == "" {
		code = "no code"
	}
	return code
}

// network classifies an error below HTTP.
func (b *Backend) network(err error, n secret.Name, who string) *secret.Error {
	kind, text := wire.Failure(err)
	remedy := b.health()
	switch {
	case kind == secret.Invalid:
		remedy = "\n  if the authority that signed it is your own, set its file:  ca_cert = \"FILE\""
	case unknownHost(err):
		remedy = "\n  is the name right, and does the network work?  az keyvault list --query '[].properties.vaultUri'"
	}
	return secret.Errorf(kind, n, "%s: %s%s", who, text, remedy)
}

// health is how a person looks whether a vault is there, on a line of its own.
func (b *Backend) health() string {
	return "\n  look whether it is there:  curl -i https://" + b.host + "/healthstatus"
}

func unknownHost(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound
}

// networked tells errors of the network from others.
func networked(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	kind, _ := wire.Failure(err)
	return ok || unknownHost(err) || kind == secret.Invalid
}
