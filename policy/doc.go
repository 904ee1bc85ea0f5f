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
// The package does no I/O, keeps no state besides the policies, and knows
// nothing of which secrets exist: a decision rests on the request alone.
package policy
