package config

import (
	"net"
	"net/url"
	"path"
	"strings"
	"time"
)

// BackendLocal is the embedded store; the others are the stores that teams
// run.
const (
	BackendLocal = "local"
	BackendVault = "vault"
	BackendAWS   = "awssm"
	BackendAzure = "azurekv"
)

// Backends lists the kinds of store.
func Backends() []string { return []string{BackendLocal, BackendVault, BackendAWS, BackendAzure} }

// Clouds of Azure: the suffix of a vault's host and where one signs in.
const (
	cloudPublic = "public"
	cloudUSGov  = "usgov"
	cloudChina  = "china"
)

func clouds() []string { return []string{cloudPublic, cloudUSGov, cloudChina} }

// azureCloud returns the suffix of the vaults of a cloud, and its authority;
// empty for the public one, which is the default of the client.
func azureCloud(name string) (suffix, authority string) {
	switch name {
	case cloudUSGov:
		return "vault.usgovcloudapi.net", "https://login.microsoftonline.us/"
	case cloudChina:
		return "vault.azure.cn", "https://login.chinacloudapi.cn/"
	default:
		return "vault.azure.net", ""
	}
}

// An Environment is one environment of a project, as its files say.
type Environment struct {
	Name      string
	Backend   string
	Address   string // of the store, as far as the files say
	Mount     string
	Prefix    string
	Protected bool
	Offline   time.Duration // how old a last known value may be; 0: none is kept
	said      Env

	LeasePrefix string // put before the names of leases
}

// environment fills in what a file does not say. Environments of the embedded
// store all lie in the project's one store: each has a prefix of its own there,
// or they would be one place with two names and two sets of rules.
func environment(name string, e Env) Environment {
	out := Environment{
		Name: name, Backend: deref(e.Backend, BackendLocal), Address: deref(e.Address, ""), Mount: deref(e.Mount, ""),
		Prefix: deref(e.Prefix, ""), Protected: deref(e.Protected, false), said: e,
		LeasePrefix: deref(e.LeasePrefix, ""),
	}
	if e.Prefix == nil && out.Backend == BackendLocal {
		out.Prefix = name + "/"
	}
	out.Offline, _ = ParseSpan(deref(e.Offline, "0s")) // the file was checked
	if e.Vault != nil {
		suffix, _ := azureCloud(deref(e.Cloud, cloudPublic))
		out.Address = "https://" + strings.ToLower(*e.Vault) + "." + suffix
	}
	return out
}

// Settings lists what the files say of the store and how to sign in, besides
// the fields of the Environment, in the order of the documents.
func (e Environment) Settings() []Said {
	var out []Said
	for _, s := range e.said.said() {
		switch s.Name {
		case "backend", "address", "mount", "prefix", "protected":
		default:
			if s.Name == "ca_cert" && isPEM(s.Value) {
				s.Value = "(certificates in the file)"
			}
			out = append(out, s.Said)
		}
	}
	return out
}

// overlaps reports whether two environments share secrets: what one of them
// forbids, the other could permit. What the files leave open counts as equal.
func (e Environment) overlaps(f Environment) bool {
	if e.Backend != f.Backend {
		return false
	}
	switch e.Backend {
	case BackendVault:
		if !sameAddress(e.Address, f.Address) {
			return false
		}
		a, b := e.vaultPath(), f.vaultPath()
		if a != b { // an engine within an engine there is none: it is the same one by another path
			return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
		}
	case BackendAWS:
		if !sameAddress(e.Address, f.Address) || differ(e.said.Region, f.said.Region) || e.account() != f.account() {
			return false
		}
	case BackendAzure:
		if !sameAddress(e.Address, f.Address) {
			return false
		}
	}
	return strings.HasPrefix(e.Prefix, f.Prefix) || strings.HasPrefix(f.Prefix, e.Prefix)
}

// vaultPath is where the engine lies below the address: a namespace may be
// said as such, or stand before the mount.
func (e Environment) vaultPath() string {
	mount := strings.Trim(e.Mount, "/")
	if mount == "" {
		mount = defaultMount
	}
	if ns := strings.Trim(deref(e.said.Namespace, ""), "/"); ns != "" {
		mount = ns + "/" + mount
	}
	return mount + "/"
}

// defaultMount is where Vault's development server has its KV engine.
const defaultMount = "secret"

// account tells the AWS account: that of the role, or whatever the profile
// leads to.
func (e Environment) account() string {
	if a := accountOf(deref(e.said.RoleARN, "")); a != "" {
		return a
	}
	return "profile " + deref(e.said.Profile, "")
}

// accountOf returns the account of a role's ARN; empty if it is none.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || len(parts[4]) != 12 || !strings.HasPrefix(parts[5], "role/") {
		return ""
	}
	return parts[4]
}

// differ reports whether two settings are both set, and not to the same.
func differ(a, b *string) bool { return a != nil && b != nil && *a != *b }

// sameAddress compares addresses as clients take them.
func sameAddress(a, b string) bool { return normalAddress(a) == normalAddress(b) }

func normalAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return s
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return net.JoinHostPort(host, port) + strings.TrimRight(path.Clean("/"+u.Path), "/") // as the clients join it
}
