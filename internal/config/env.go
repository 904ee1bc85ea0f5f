package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Env declares one environment. The tag store lists the kinds of store that a
// setting belongs to; without it, it belongs to all. A setting with the tag
// personal says who signs in, not where: it is each person's own.
type Env struct {
	Backend   *string `toml:"backend" json:"backend,omitempty" jsonschema:"the kind of store: local, vault, awssm or azurekv"`
	Address   *string `toml:"address" json:"address,omitempty" store:"vault awssm azurekv" jsonschema:"the store's URL; of vault: otherwise VAULT_ADDR; of awssm: the region's own unless said otherwise"`
	Prefix    *string `toml:"prefix" json:"prefix,omitempty" jsonschema:"put before every name in the store; it ends in /; in the embedded store the environment's name and / unless said otherwise"`
	Protected *bool   `toml:"protected" json:"protected,omitempty" jsonschema:"writes ask first, and agents are refused until someone approves"`
	Offline   *string `toml:"offline" json:"offline,omitempty" store:"vault awssm azurekv" jsonschema:"how long a value that tacit run was given may be given again while the store cannot be reached: 24h; never unless said"`
	CACert    *string `toml:"ca_cert" json:"ca_cert,omitempty" store:"vault awssm azurekv" jsonschema:"the authorities that are believed: a PEM file outside of the project, or the PEM text itself"`

	ServerName  *string `toml:"server_name" json:"server_name,omitempty" store:"vault" jsonschema:"the name in the server's certificate, where it is not the host's"`
	ClientCert  *string `toml:"client_cert" json:"client_cert,omitempty" store:"vault" personal:"yes" jsonschema:"the PEM file of the certificate shown to the server"`
	ClientKey   *string `toml:"client_key" json:"client_key,omitempty" store:"vault" personal:"yes" jsonschema:"the PEM file of its key"`
	Mount       *string `toml:"mount" json:"mount,omitempty" store:"vault" jsonschema:"where the KV engine is mounted; secret unless said otherwise"`
	Namespace   *string `toml:"namespace" json:"namespace,omitempty" store:"vault" jsonschema:"the namespace; otherwise VAULT_NAMESPACE"`
	LeasePrefix *string `toml:"lease_prefix" json:"lease_prefix,omitempty" store:"vault" jsonschema:"put before the name of every lease; where two environments share a store, each needs its own"`
	KVVersion   *int    `toml:"kv_version" json:"kv_version,omitempty" store:"vault" jsonschema:"1 or 2: the version of the KV engine; asked of the store unless said"`
	Auth        *Auth   `toml:"auth" json:"auth,omitempty" store:"vault" personal:"yes" jsonschema:"how to sign in to Vault or OpenBao; a token unless said otherwise"`

	Region         *string `toml:"region" json:"region,omitempty" store:"awssm" jsonschema:"the region; otherwise AWS_REGION or that of the profile"`
	Profile        *string `toml:"profile" json:"profile,omitempty" store:"awssm" jsonschema:"the profile of the AWS configuration; otherwise AWS_PROFILE"`
	RoleARN        *string `toml:"role_arn" json:"role_arn,omitempty" store:"awssm" jsonschema:"a role that is assumed"`
	ExternalID     *string `toml:"external_id" json:"external_id,omitempty" store:"awssm" jsonschema:"the external id that the role asks for; no secret"`
	SessionName    *string `toml:"session_name" json:"session_name,omitempty" store:"awssm" personal:"yes" jsonschema:"the name of the role's session, as CloudTrail shows it; tacit unless said otherwise"`
	KMSKey         *string `toml:"kms_key" json:"kms_key,omitempty" store:"awssm" jsonschema:"the KMS key of new secrets; the account's default unless said otherwise"`
	RecoveryWindow *string `toml:"recovery_window" json:"recovery_window,omitempty" store:"awssm" jsonschema:"how long a deleted secret can be restored: 7d to 30d"`

	Vault      *string `toml:"vault" json:"vault,omitempty" store:"azurekv" jsonschema:"the name of the vault, instead of its address"`
	Cloud      *string `toml:"cloud" json:"cloud,omitempty" store:"azurekv" jsonschema:"public (the default), usgov or china"`
	Authority  *string `toml:"authority" json:"authority,omitempty" store:"azurekv" jsonschema:"where Entra ID signs in, where that is not the cloud's own"`
	Credential *string `toml:"credential" json:"credential,omitempty" store:"azurekv" personal:"yes" jsonschema:"default, env, workload, managed, cli, azd, pipelines or cert"`
	TenantID   *string `toml:"tenant_id" json:"tenant_id,omitempty" store:"azurekv" personal:"yes" jsonschema:"the tenant; otherwise what the vault or AZURE_TENANT_ID says"`
	ClientID   *string `toml:"client_id" json:"client_id,omitempty" store:"azurekv" personal:"yes" jsonschema:"of a managed or federated identity, or of an application"`
	CertFile   *string `toml:"cert_file" json:"cert_file,omitempty" store:"azurekv" personal:"yes" jsonschema:"with credential = cert: a PEM or PKCS#12 file"`
	TokenFile  *string `toml:"token_file" json:"token_file,omitempty" store:"azurekv" personal:"yes" jsonschema:"with credential = workload: the file of the federated token; otherwise AZURE_FEDERATED_TOKEN_FILE, or GitHub Actions is asked"`
	Audience   *string `toml:"audience" json:"audience,omitempty" store:"azurekv" personal:"yes" jsonschema:"with credential = workload: the audience of the token that GitHub Actions is asked for; api://AzureADTokenExchange unless said otherwise"`
	Connection *string `toml:"service_connection" json:"service_connection,omitempty" store:"azurekv" personal:"yes" jsonschema:"with credential = pipelines: the id of the service connection"`

	Secrets map[string]Secret `toml:"secrets" json:"secrets,omitempty" jsonschema:"what is declared differently in this environment"`
}

// Auth says how to sign in to Vault or OpenBao. The tag method lists the
// methods that a setting belongs to.
type Auth struct {
	Method       *string `toml:"method" json:"method,omitempty" jsonschema:"token (the default), approle, kubernetes, jwt, userpass, cert or aws"`
	Mount        *string `toml:"mount" json:"mount,omitempty" method:"approle kubernetes jwt userpass cert aws" jsonschema:"where the method is mounted; its name unless said otherwise"`
	Namespace    *string `toml:"namespace" json:"namespace,omitempty" method:"approle kubernetes jwt userpass cert aws" jsonschema:"the namespace of the method, where it is another one"`
	Role         *string `toml:"role" json:"role,omitempty" method:"kubernetes jwt cert aws" jsonschema:"the role to sign in as"`
	TokenFile    *string `toml:"token_file" json:"token_file,omitempty" method:"token userpass" jsonschema:"the file of the token; otherwise VAULT_TOKEN, then ~/.vault-token"`
	RoleID       *string `toml:"role_id" json:"role_id,omitempty" method:"approle" jsonschema:"the role id; otherwise VAULT_ROLE_ID"`
	SecretIDFile *string `toml:"secret_id_file" json:"secret_id_file,omitempty" method:"approle" jsonschema:"the file of the secret id; otherwise VAULT_SECRET_ID"`
	Wrapped      *bool   `toml:"wrapped" json:"wrapped,omitempty" method:"approle" jsonschema:"the secret id is a wrapping token, which is unwrapped once"`
	JWTFile      *string `toml:"jwt_file" json:"jwt_file,omitempty" method:"jwt kubernetes" jsonschema:"the file of the token; of kubernetes, the service account's unless said otherwise"`
	JWTVariable  *string `toml:"jwt_variable" json:"jwt_variable,omitempty" method:"jwt" jsonschema:"the variable that holds the token, as in GitLab; GitHub Actions is asked where neither is said"`
	Audience     *string `toml:"audience" json:"audience,omitempty" method:"jwt" jsonschema:"the audience of the token that GitHub Actions is asked for"`
	Username     *string `toml:"username" json:"username,omitempty" method:"userpass" jsonschema:"the user's name"`
	PasswordFile *string `toml:"password_file" json:"password_file,omitempty" method:"userpass" jsonschema:"the file of the password; asked for on a terminal unless said"`
	Region       *string `toml:"region" json:"region,omitempty" method:"aws" jsonschema:"the region of STS"`
	ServerID     *string `toml:"server_id" json:"server_id,omitempty" method:"aws" jsonschema:"the value of X-Vault-AWS-IAM-Server-ID, where the method asks for it"`
}

// A Said is a setting of an environment that its files set.
type Said struct {
	Name  string // as in the file: "auth.mount"
	Value string
}

// marked is a Said with what its tags tell.
type marked struct {
	Said
	stores, methods []string // empty: all
	personal        bool
}

func (s *marked) key() []string { return strings.Split(s.Name, ".") }

// said lists what is set, in the order of the documents; the declared secrets
// aside.
func (e *Env) said() []marked { return saidIn(reflect.ValueOf(e).Elem(), "") }

func saidIn(v reflect.Value, prefix string) []marked {
	var out []marked
	for i := range v.NumField() {
		f, tag := v.Field(i), v.Type().Field(i).Tag
		if f.Kind() != reflect.Pointer || f.IsNil() {
			continue
		}
		s := marked{
			Said:   Said{Name: prefix + tag.Get("toml")},
			stores: strings.Fields(tag.Get("store")), methods: strings.Fields(tag.Get("method")), personal: tag.Get("personal") != "",
		}
		if f.Elem().Kind() != reflect.Struct {
			s.Value = fmt.Sprint(f.Elem().Interface())
			out = append(out, s)
			continue
		}
		for _, below := range saidIn(f.Elem(), s.Name+".") {
			below.stores, below.personal = s.stores, s.personal
			out = append(out, below)
		}
	}
	return out
}

// laidOver returns base with what over sets.
func (e Env) laidOver(over Env) Env {
	if over.Backend != nil && deref(over.Backend, "") != deref(e.Backend, BackendLocal) {
		// What belongs to the other kind of store says nothing about this one.
		e.keep(func(s marked) bool { return len(s.stores) == 0 })
	}
	if e.Auth != nil && over.Auth != nil && over.Auth.Method != nil && *over.Auth.Method != deref(e.Auth.Method, methodToken) {
		e.Auth = nil
	}
	secrets := overlaySecrets(e.Secrets, over.Secrets)
	e = laidOver(e, over)
	e.Secrets = secrets
	return e
}

// keep drops the settings that f does not want; an Auth goes as a whole.
func (e *Env) keep(f func(marked) bool) {
	for _, s := range e.said() {
		if !f(s) {
			field := reflect.ValueOf(e).Elem().FieldByIndex(fieldOf(reflect.TypeFor[Env](), s.key()[0]))
			field.SetZero()
		}
	}
}

func fieldOf(t reflect.Type, toml string) []int {
	for f := range t.Fields() {
		if f.Tag.Get("toml") == toml {
			return f.Index
		}
	}
	return nil
}

// laidOver returns base with the pointers that are set in over, into structs
// too.
func laidOver[T any](base, over T) T {
	to, from := reflect.ValueOf(&base).Elem(), reflect.ValueOf(over)
	layOver(to, from)
	return base
}

func layOver(to, from reflect.Value) {
	for i := range from.NumField() {
		f := from.Field(i)
		switch {
		case f.Kind() != reflect.Pointer || f.IsNil():
		case f.Elem().Kind() == reflect.Struct && !to.Field(i).IsNil():
			both := reflect.New(f.Type().Elem()) // what was given is not changed
			both.Elem().Set(to.Field(i).Elem())
			layOver(both.Elem(), f.Elem())
			to.Field(i).Set(both)
		default:
			to.Field(i).Set(f)
		}
	}
}

// belongs reports whether a setting is one of this kind of store and this
// method of signing in; if not, whose it is.
func (s *marked) belongs(backend, method string) (whose []string, ok bool) {
	if len(s.stores) > 0 && !slices.Contains(s.stores, backend) {
		return s.stores, false
	}
	if len(s.methods) > 0 && !slices.Contains(s.methods, method) {
		return s.methods, false
	}
	return nil, true
}
