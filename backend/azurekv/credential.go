package azurekv

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// certificate is how an application signs in without a secret.
type certificate struct {
	chain []*x509.Certificate
	key   crypto.PrivateKey
}

// ways are the ways to sign in.
func ways() []string {
	return []string{"default", "env", "workload", "managed", "cli", "azd", "pipelines", "cert"}
}

// checkCredential checks what can be told without the network, and reads the
// certificate.
func (b *Backend) checkCredential() error {
	s := &b.settings
	if way, id, found := strings.Cut(s.Credential, ":"); found && way == "managed" && id != "" && (s.ClientID == "" || s.ClientID == id) {
		s.Credential, s.ClientID = way, id
	}
	s.Credential = cmp.Or(s.Credential, "default")
	if !slices.Contains(ways(), s.Credential) {
		return secret.Errorf(secret.Invalid, "", "%q is no way to sign in to Azure\n  one of: %s", s.Credential, strings.Join(ways(), ", "))
	}
	if missing := s.missing(); missing != "" {
		return secret.Errorf(secret.Invalid, "", "to sign in to Azure by %s needs %s", s.Credential, missing)
	}
	if s.Credential == "cert" {
		return b.readCertificate()
	}
	return s.GitHub.Check()
}

// missing says what a way to sign in needs besides; empty if it is there.
func (s *Settings) missing() string {
	application := s.TenantID != "" && s.ClientID != ""
	switch {
	case s.Credential == "pipelines" && (!application || s.Pipelines.Connection == "" || s.Pipelines.Token.Len() == 0):
		return "tenant_id, client_id, service_connection and SYSTEM_ACCESSTOKEN"
	case s.Credential == "cert" && (!application || s.CertFile == ""):
		return "tenant_id, client_id and cert_file"
	case s.GitHub.URL != "" && (s.Credential != "workload" || !application || s.GitHub.Token.Len() == 0):
		return `tenant_id, client_id and the job's token, and is of credential = "workload" alone`
	default:
		return ""
	}
}

func (b *Backend) readCertificate() error {
	text, err := wire.ReadCertificates(b.settings.CertFile)
	if err != nil {
		return &secret.Error{Kind: secret.Invalid, Text: "the certificate to sign in to Azure: " + err.Error(), Err: err}
	}
	chain, key, err := azidentity.ParseCertificates(text, nil)
	if err != nil {
		return secret.Errorf(secret.Invalid, "", "%s holds no certificate with its key, in PEM form or PKCS#12 without a password", b.settings.CertFile)
	}
	b.cert = &certificate{chain, key}
	return nil
}

// clientOptions are those of a credential: the same transport, and the cloud.
func (b *Backend) clientOptions() azcore.ClientOptions {
	o := azcore.ClientOptions{
		Transport: b.http,
		Retry:     policy.RetryOptions{MaxRetries: 3, RetryDelay: b.tune.retryDelay, MaxRetryDelay: maxRetryDelay, ShouldRetry: worthRetry},
		Telemetry: policy.TelemetryOptions{ApplicationID: "tacit"},
	}
	switch host, _, _ := strings.Cut(b.host, ":"); {
	case b.settings.Authority != "":
		o.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: b.settings.Authority}
	case strings.HasSuffix(host, ".vault.usgovcloudapi.net"):
		o.Cloud = cloud.AzureGovernment
	case strings.HasSuffix(host, ".vault.azure.cn"):
		o.Cloud = cloud.AzureChina
	}
	return o
}

// discovered tells the authorities that Microsoft's own directory of them
// knows. Of any other it would say that there is none, and be told of it.
func discovered(authority string) bool {
	u, err := url.Parse(authority)
	if authority == "" || err != nil {
		return true
	}
	switch host := strings.ToLower(u.Hostname()); host {
	case "login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn", "login.windows.net":
		return true
	default:
		return strings.HasPrefix(host, "login.sovcloud-identity.")
	}
}

// credential makes what signs in.
func (b *Backend) credential() (azcore.TokenCredential, error) {
	cred, err := b.newCredential()
	if err != nil {
		remedy := b.remedy("")
		if b.settings.Credential == "workload" {
			remedy = "\n  set tenant_id, client_id and token_file, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE"
		}
		return nil, &secret.Error{Kind: secret.Unauthenticated, Text: "Key Vault " + b.vault + ": there is nothing to sign in with (" + firstLine(err) + ")" + remedy}
	}
	return cred, nil
}

func (b *Backend) newCredential() (azcore.TokenCredential, error) {
	s, o, alone := b.settings, b.clientOptions(), !discovered(b.settings.Authority)
	switch s.Credential {
	case "env":
		return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: alone})
	case "workload":
		if s.GitHub.URL != "" {
			return azidentity.NewClientAssertionCredential(s.TenantID, s.ClientID, b.githubToken, &azidentity.ClientAssertionCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: alone})
		}
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: o, DisableInstanceDiscovery: alone, ClientID: s.ClientID, TenantID: s.TenantID, TokenFilePath: s.TokenFile,
		})
	case "managed":
		m := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}
		if s.ClientID != "" {
			m.ID = azidentity.ClientID(s.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(m)
	case "cli":
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: s.TenantID})
	case "azd":
		return azidentity.NewAzureDeveloperCLICredential(&azidentity.AzureDeveloperCLICredentialOptions{TenantID: s.TenantID})
	case "pipelines":
		return azidentity.NewAzurePipelinesCredential(s.TenantID, s.ClientID, s.Pipelines.Connection, string(s.Pipelines.Token.Reveal()),
			&azidentity.AzurePipelinesCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: alone})
	case "cert":
		return azidentity.NewClientCertificateCredential(s.TenantID, s.ClientID, b.cert.chain, b.cert.key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: alone})
	default:
		return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: alone, TenantID: s.TenantID})
	}
}

// githubToken asks GitHub Actions who the job is. The identity library turns
// errors into text, so this one is kept aside.
func (b *Backend) githubToken(ctx context.Context) (string, error) {
	g := b.settings.GitHub
	g.Audience = cmp.Or(g.Audience, "api://AzureADTokenExchange")
	token, err := g.Identity(ctx)
	e, _ := errors.AsType[*secret.Error](err)
	b.job.Store(e)
	return token, err
}

// signIn tells what went wrong in tacit's words. What the identity library says
// repeats answers, with the ids of who asked.
type signIn struct {
	b    *Backend
	mu   sync.Mutex
	cred azcore.TokenCredential
	last string
}

// GetToken implements azcore.TokenCredential. It is asked again while a token
// is good only if the vault refused that token. The credential would go on
// giving it out, since by this machine's clock it has not ended: a new one asks
// anew.
func (s *signIn) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.cred.GetToken(ctx, o)
	if err == nil && t.Token == s.last {
		if s.cred, err = s.b.credential(); err == nil {
			t, err = s.cred.GetToken(ctx, o)
		}
	}
	if err == nil {
		s.last = t.Token
		s.b.gate.pass(true)
	}
	if err == nil || ctx.Err() != nil {
		return t, err
	}
	return t, s.b.refused(err, o.TenantID)
}

// refused classifies an error of a credential.
func (b *Backend) refused(err error, tenant string) error {
	if e := b.job.Load(); e != nil {
		return e
	}
	e := &secret.Error{Kind: secret.Unauthenticated}
	var failed *azidentity.AuthenticationFailedError
	var own *secret.Error
	isOwn := errors.As(err, &own)
	isFailed := errors.As(err, &failed)
	switch {
	case isOwn:
		return own
	case strings.Contains(err.Error(), "AdditionallyAllowedTenants"), strings.Contains(err.Error(), "ADFS doesn't support tenants"):
		e.Text = "Key Vault " + b.vault + " belongs to tenant " + printable(tenant) + ", and the sign-in is of another" +
			"\n  set the vault's:  tenant_id = \"" + printable(tenant) + "\""
		return e
	case isFailed && failed.RawResponse != nil:
		if c := failed.RawResponse.StatusCode; c == http.StatusTooManyRequests || c >= 500 {
			e.Kind, e.Text = secret.Unavailable, "the authority that signs in to Key Vault "+b.vault+" does not answer now ("+strconv.Itoa(c)+")"+b.health()
			return e
		}
		e.Text = "Key Vault " + b.vault + ": the sign-in by " + b.settings.Credential + " was refused" + aadsts(err) + b.remedy(tenant)
		return e
	case networked(err):
		return b.network(err, "", "the authority of Key Vault "+b.vault)
	case strings.Contains(err.Error(), "executable not found on path"): // of az or azd
		e.Text = "Key Vault " + b.vault + ": the sign-in by " + b.settings.Credential + " needs a program that is not installed here\n  install it, or sign in another way:  credential = \"…\""
		return e
	default:
		e.Text = "Key Vault " + b.vault + ": the sign-in by " + b.settings.Credential + " failed" + aadsts(err) + b.remedy(tenant)
		return e
	}
}

// aadsts is the code by which Entra says what it refused; empty if there is
// none.
func aadsts(err error) string {
	if code := regexp.MustCompile(`AADSTS\d{2,9}`).FindString(err.Error()); code != "" {
		return " (" + code + ")"
	}
	return ""
}

// remedy is what to do about a sign-in, on a line of its own.
func (b *Backend) remedy(tenant string) string {
	if b.settings.TenantID != "" {
		tenant = b.settings.TenantID
	}
	login := "az login"
	if tenant = printable(tenant); tenant != "" && tenant != "adfs" {
		login += " --tenant " + tenant
	}
	switch b.settings.Credential {
	case "env":
		return "\n  set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or a certificate) anew"
	case "workload":
		return "\n  compare the issuer, subject and audience of the federated credential:  az ad app federated-credential list --id CLIENT-ID"
	case "managed":
		return "\n  is there an identity on this machine, and is it the one meant?  client_id = \"CLIENT-ID\""
	case "azd":
		return "\n  azd auth login"
	case "pipelines":
		return "\n  pass the job's token:  SYSTEM_ACCESSTOKEN: $(System.AccessToken)"
	case "cert":
		return "\n  is the certificate known and in time?  az ad app credential list --cert --id CLIENT-ID"
	default:
		return "\n  " + login
	}
}

// printable is text of an answer, if it is of the plain sort that ids are of.
func printable(s string) string {
	if !regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`).MatchString(s) {
		return ""
	}
	return s
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return line[:min(len(line), 200)]
}
