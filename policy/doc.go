// Package policy decides who may do what, and explains it. Policies are
// written in Cedar (https://www.cedarpolicy.com); [AddGrant] writes them for
// people who do not want to.
//
// Principals are User, Agent and App; actions are the verbs of package secret;
// resources are secrets and the folders that contain them, by environment:
//
//	Secret::"dev:claude/api" in Folder::"dev:claude" in Folder::"dev:"
//
// A request is denied unless something permits it and nothing forbids it. An
// error while deciding is a denial. Two rules are built in: "owner" permits the
// user whose store it is everything that no policy forbids, and "protected"
// refuses agents every change in a protected environment until someone
// approved it.
//
// A text has at most [MaxBytes] and [MaxPolicies]; a policy at most 64 KiB, 64
// brackets within brackets and 16 attributes or signs in a row, because what
// reads Cedar is recursive and slow on more. Besides the schema, which
// [SchemaText] gives, names must be ones that a request can have, hosts lower
// case and methods upper case: a forbid that can never match is an error, not a
// comfort.
//
// In a path of a grant ** stands for anything, "/" included. Cedar cannot
// express a wildcard that stops at "/", so a single * is refused and not widened.
// Paths are compared as they come: who asks has already resolved "..", and
// hosts and methods are compared without regard to case.
//
// The package does no I/O, keeps no state besides the policies, and knows
// nothing of which secrets exist: a decision rests on the request alone.
package policy
