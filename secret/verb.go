package secret

// A Verb is what a caller wants to do: what a grant allows, what the policy
// decides and what an audit record says.
type Verb string

// The verbs. Get means that the value leaves tacit; Use, that it does not.
// Destroy is what no one can take back.
const (
	Get      Verb = "get"
	Use      Verb = "use"
	Put      Verb = "put"
	Delete   Verb = "delete"
	Undelete Verb = "undelete"
	Destroy  Verb = "destroy"
	List     Verb = "list"
	Rotate   Verb = "rotate"
	Grant    Verb = "grant"
	Verify   Verb = "verify"
	Issue    Verb = "issue"
	Renew    Verb = "renew"
	Revoke   Verb = "revoke"
)

// Verbs returns all verbs.
func Verbs() []Verb {
	return []Verb{Get, Use, Put, Delete, Undelete, Destroy, List, Rotate, Grant, Verify, Issue, Renew, Revoke}
}

// Known reports whether v is one of the verbs.
func (v Verb) Known() bool {
	for _, w := range Verbs() {
		if v == w {
			return true
		}
	}
	return false
}

// Changes reports whether v changes a store, so that it is recorded before it
// begins and again when it ended.
func (v Verb) Changes() bool {
	switch v {
	case Get, Use, List, Verify:
		return false
	default:
		return true
	}
}
