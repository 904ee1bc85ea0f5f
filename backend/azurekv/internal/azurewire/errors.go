package azurewire

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// A Fault is an answer that is no success.
type Fault struct {
	Status  int
	Code    string
	Inner   string // empty: no inner error
	Message string
	Header  http.Header
}

// WriteTo answers with the fault as the service writes it.
func (f Fault) WriteTo(w http.ResponseWriter) {
	type inner struct {
		Code string `json:"code"`
	}
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Inner   *inner `json:"innererror,omitempty"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message = f.Code, f.Message
	if f.Inner != "" {
		body.Error.Inner = &inner{f.Inner}
	}
	for k, v := range f.Header {
		w.Header()[k] = v
	}
	write(w, f.Status, body)
}

func write(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("x-ms-keyvault-region", "westeurope")
	h.Set("x-ms-keyvault-service-version", "1.9.3130.1")
	h.Set("x-ms-request-id", uuid())
	if body == nil {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // the client went away
}

func uuid() string {
	b := random(16)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Forbidden is the recorded answer to a caller without the role, who is told by
// name in it.
func Forbidden(action, name string) Fault {
	return Fault{403, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource.\r\n" +
		"If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n" +
		"Caller: appid=8b2f6f4e-caller;oid=5d1e6b3c-caller;iss=https://sts.windows.net/7f1d-tenant/\r\n" +
		"Action: 'Microsoft.KeyVault/vaults/secrets/" + action + "'\r\n" +
		"Resource: '/subscriptions/3f6a-subscription/resourcegroups/rg/providers/microsoft.keyvault/vaults/kv/secrets/" + name + "'\r\n" +
		"Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: kv;location=westeurope\r\n", nil}
}

// Throttled is the answer beyond the limits; seconds is what Retry-After says.
func Throttled(seconds string) Fault {
	return Fault{429, "Throttled", "", "Request was not processed because too many requests were received.", http.Header{"Retry-After": {seconds}}}
}

func notFound(name string) Fault {
	return Fault{404, "SecretNotFound", "", "A secret with (name/id) " + name + " was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182", nil}
}

func deletedNotFound(name string) Fault {
	return Fault{404, "SecretNotFound", "", "Deleted Secret not found: " + name, nil}
}

func badParameter(message string) Fault {
	return Fault{400, "BadParameter", "", message, nil}
}

// inTheWay is the conflict of a name that is not free.
func inTheWay(st state, name string) Fault {
	switch st {
	case deleting:
		return Fault{409, "Conflict", "ObjectIsBeingDeleted", "Secret is currently being deleted.", nil}
	case recovering:
		return Fault{409, "Conflict", "ObjectIsBeingRecovered", "Secret " + name + " is currently being recovered and cannot be re-created; retry later.", nil}
	case purging: // not recorded: told as a deletion under way
		return Fault{409, "Conflict", "ObjectIsBeingDeleted", "Secret is currently being deleted.", nil}
	default:
		return Fault{409, "Conflict", "ObjectIsDeletedButRecoverable", "Secret " + name + " is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.", nil}
	}
}
