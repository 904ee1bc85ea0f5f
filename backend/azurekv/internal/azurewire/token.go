package azurewire

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// client is an application that may ask for tokens.
type client struct {
	secret  string         // of a client secret; empty: none
	key     *rsa.PublicKey // of its certificate, or of the issuer of its federated tokens
	issuer  string         // of its federated tokens; empty: it signs by its own certificate
	subject string
}

// Federation is the audience of federated tokens.
const Federation = "api://AzureADTokenExchange"

// Allow lets an application sign in with a secret.
func (s *Server) Allow(id, secret string) { s.register(id, client{secret: secret}) }

// AllowCertificate lets an application sign in with assertions by its key.
func (s *Server) AllowCertificate(id string, key *rsa.PublicKey) { s.register(id, client{key: key}) }

// Federate lets an application sign in with an issuer's tokens for a subject:
// what a federated credential says.
func (s *Server) Federate(id, issuer, subject string, key *rsa.PublicKey) {
	s.register(id, client{key: key, issuer: issuer, subject: subject})
}

func (s *Server) register(id string, c client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[id] = c
}

// Revoke refuses all tokens made so far by a claims challenge, as after a
// change of the account.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued++
}

// header is what a managed identity shows instead of a secret.
func (s *Server) header() string { return hexOf(s.mac("identity header")) }

// IdentityHeader is what IDENTITY_HEADER is set to.
func (s *Server) IdentityHeader() string { return s.header() }

func hexOf(b []byte) string { return fmt.Sprintf("%x", b) }

func (s *Server) mac(text string) []byte {
	m := hmac.New(sha256.New, s.signing)
	m.Write([]byte(text))
	return m.Sum(nil)
}

type claims struct {
	Audience string `json:"aud"`
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Tenant   string `json:"tid,omitempty"`
	Object   string `json:"oid,omitempty"`
	Expires  int64  `json:"exp"`
	Issued   int64  `json:"iat,omitempty"`
	Round    int    `json:"rnd,omitempty"`
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// token makes a bearer token for an audience.
func (s *Server) token(audience, subject string) string {
	now := s.now()
	text := encode(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." +
		encode(claims{audience, s.Authority + s.opts.Tenant, subject, s.opts.Tenant, subject, now.Add(s.opts.TokenLife).Unix(), now.Unix(), s.round()})
	return text + "." + base64.RawURLEncoding.EncodeToString(s.mac(text))
}

func (s *Server) round() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

// authorised answers 401 unless there is a token for this vault.
func (s *Server) authorised(w http.ResponseWriter, r *http.Request) bool {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		s.count("challenge")
		s.challenge(w, r, "AKV10000: Request is missing a Bearer or PoP token.")
		return false
	}
	text, mac := cutLast(bearer)
	sum, err := base64.RawURLEncoding.DecodeString(mac)
	var c claims
	if err != nil || !hmac.Equal(sum, s.mac(text)) || !payload(text, &c) {
		s.challenge(w, r, "AKV10022: Invalid audience or signature.")
		return false
	}
	switch {
	case c.Audience != s.resource(r) && c.Audience != s.resource(r)+"/":
		s.challenge(w, r, "AKV10022: Invalid audience.")
	case s.now().Unix() >= c.Expires:
		s.count("expired")
		s.challenge(w, r, "AKV10035: Token is expired.")
	case c.Round < s.round():
		s.count("revoked")
		demand := base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"nbf":{"essential":true,"value":"1"}}}`))
		w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="`+s.base(r)+`/`+s.opts.Tenant+`", error="insufficient_claims", claims="`+demand+`"`)
		Fault{401, "Unauthorized", "", "Continuous access evaluation resulted in a claims challenge.", nil}.WriteTo(w)
	default:
		return true
	}
	return false
}

func (s *Server) challenge(w http.ResponseWriter, r *http.Request, message string) {
	w.Header().Set("WWW-Authenticate", `Bearer authorization="`+s.base(r)+`/`+s.opts.Tenant+`", resource="`+s.resource(r)+`"`)
	Fault{401, "Unauthorized", "", message, nil}.WriteTo(w)
}

// cutLast cuts a token before its last part.
func cutLast(s string) (before, after string) {
	i := strings.LastIndex(s, ".")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// payload reads the middle of a token.
func payload(text string, into *claims) bool {
	_, middle := cutLast(text)
	b, err := base64.RawURLEncoding.DecodeString(middle)
	return err == nil && json.Unmarshal(b, into) == nil
}

// authority answers as the authority that clients ask for tokens: as AD FS
// does, and as Entra does for any other tenant.
func (s *Server) authority(w http.ResponseWriter, r *http.Request) bool {
	path := strings.TrimPrefix(r.URL.Path, "/")
	tenant, rest, _ := strings.Cut(path, "/")
	switch {
	case strings.HasSuffix(rest, ".well-known/openid-configuration"):
		issuer := s.base(r) + "/" + tenant
		base := issuer + "/oauth2"
		if tenant != "adfs" {
			base += "/v2.0"
		}
		write(w, 200, map[string]string{"issuer": issuer, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token"})
	case r.Method == http.MethodPost && (rest == "oauth2/token" || rest == "oauth2/v2.0/token"):
		s.grant(w, r)
	case path == "subscriptions": // az asks for them when it signs in; there are none
		write(w, 200, map[string]any{"value": []string{}})
	default:
		return false
	}
	return true
}

func (s *Server) grant(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	refuse := func(code, text string) {
		s.count("refused token")
		write(w, 401, map[string]any{"error": code, "error_description": text, "error_codes": []int{7000215}, "correlation_id": uuid()})
	}
	if r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		refuse("unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.")
		return
	}
	id := r.PostForm.Get("client_id")
	s.mu.Lock()
	c, known := s.clients[id]
	s.mu.Unlock()
	switch assertion := r.PostForm.Get("client_assertion"); {
	case !known:
		refuse("unauthorized_client", "AADSTS700016: Application with identifier '"+id+"' was not found in the directory.")
		return
	case assertion != "":
		if err := s.asserted(c, id, assertion); err != nil {
			refuse("invalid_client", "AADSTS700213: "+err.Error())
			return
		}
	case c.secret == "" || !hmac.Equal([]byte(c.secret), []byte(r.PostForm.Get("client_secret"))):
		refuse("invalid_client", "AADSTS7000215: Invalid client secret provided. Trace ID: "+uuid())
		return
	}
	s.count("token")
	var audience string
	for scope := range strings.FieldsSeq(r.PostForm.Get("scope")) {
		if a, ok := strings.CutSuffix(scope, "/.default"); ok {
			audience = a
		}
	}
	write(w, 200, map[string]any{"token_type": "Bearer", "expires_in": int(s.opts.TokenLife / time.Second), "access_token": s.token(audience, id)})
}

// asserted checks an assertion: a federated token of the issuer, or one that
// the application signed by its certificate.
func (s *Server) asserted(c client, id, assertion string) error {
	if c.issuer != "" {
		if err := c.federated(assertion); err != nil {
			return fmt.Errorf("no matching federated identity record found for the presented assertion: %w", err)
		}
		return nil
	}
	if c.key == nil {
		return errors.New("the application has no certificate")
	}
	_, err := jwt.Parse(assertion, func(*jwt.Token) (any, error) { return c.key, nil },
		jwt.WithValidMethods([]string{"RS256", "PS256"}), jwt.WithIssuer(id), jwt.WithSubject(id), jwt.WithExpirationRequired())
	return err
}

// identity answers as the token endpoint of App Service.
func (s *Server) identity(w http.ResponseWriter, r *http.Request) {
	if s.intercepted(w, r) {
		return
	}
	if r.URL.Path != "/msi/token" || !hmac.Equal([]byte(r.Header.Get("X-IDENTITY-HEADER")), []byte(s.header())) {
		write(w, 401, map[string]string{"message": "the identity header is wrong"})
		return
	}
	s.count("token")
	q := r.URL.Query()
	subject := q.Get("client_id")
	if subject == "" {
		subject = "system-assigned"
	}
	write(w, 200, map[string]string{
		"access_token": s.token(strings.TrimSuffix(q.Get("resource"), "/"), subject), "resource": q.Get("resource"), "token_type": "Bearer",
		"expires_on": strconv.FormatInt(s.now().Add(s.opts.TokenLife).Unix(), 10),
	})
}
