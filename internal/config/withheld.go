package config

import (
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/internal/child"
	"github.com/tacit-secrets/tacit/secret"
)

// What the clients of the stores sign in with, where it stands in a variable. A
// file that a variable names is not among them: it stays within reach anyway.
// The keys of AWS go together, since half of them is an error to its clients.
const (
	vaultSignIn = "TOKEN SECRET_ID" // behind VAULT_ and BAO_
	awsSignIn   = "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY AWS_SECRET_KEY AWS_SESSION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN"
	azureSignIn = "AZURE_CLIENT_SECRET AZURE_CLIENT_CERTIFICATE_PASSWORD AZURE_PASSWORD IDENTITY_HEADER MSI_SECRET SYSTEM_ACCESSTOKEN"
	jobSignIn   = "ACTIONS_ID_TOKEN_REQUEST_TOKEN" // of a job, to any of them
)

// Withhold takes the variables out of environ that environments of this project
// sign in with, and returns their names: an agent that has them needs no grant.
// What the user's own settings say run.keep of stays.
func (x *Opened) Withhold(environ []string) (rest, names []string) {
	signIn := x.signInVars()
	return child.Without(environ, func(name string) bool {
		return slices.Contains(signIn, name) && !slices.Contains(x.user.Run.Keep, name)
	})
}

// signInVars lists the variables that hold what the project's environments may
// sign in with, whichever of them is asked in the end.
func (x *Opened) signInVars() []string {
	var out []string
	for _, name := range x.Project.EnvNames() {
		e := x.Project.envs[name]
		switch e.Backend {
		case BackendVault:
			out = append(out, x.vaultSignInVars(e)...)
		case BackendAWS:
			out = append(out, strings.Fields(awsSignIn)...)
		case BackendAzure:
			out = append(out, strings.Fields(azureSignIn)...)
		}
		if e.Backend != BackendLocal {
			out = append(out, strings.Fields(jobSignIn)...)
		}
	}
	return out
}

// vaultSignInVars leaves alone what is for another server, as vaultSettings does.
func (x *Opened) vaultSignInVars(e Environment) (out []string) {
	if said := deref(e.said.Auth, Auth{}); said.JWTVariable != nil {
		out = append(out, *said.JWTVariable)
	}
	if addr := x.sys.vaultVar("ADDR"); e.Address != "" && addr != "" && !sameAddress(e.Address, addr) {
		return out
	}
	for _, v := range strings.Fields(vaultSignIn) {
		out = append(out, "VAULT_"+v, "BAO_"+v)
	}
	return out
}

// checkKeep finds what run.keep cannot mean.
func checkKeep(path string, names []string) error {
	for _, n := range names {
		if child.CheckName(n) != nil {
			return secret.Errorf(secret.Invalid, "", "%s: run.keep lists names of variables", path)
		}
	}
	return nil
}
