package awswire

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// STS hands out keys of a [Server], as AWS STS does.
type STS struct {
	Server *Server
	// Issuer, Audience and Subject are what the role trusts; Key verifies the
	// tokens of the issuer.
	Issuer, Audience, Subject string
	Key                       *rsa.PublicKey
	// ExternalID is demanded of those who assume a role; empty: none.
	ExternalID string

	mu       sync.Mutex
	sessions []string // the names of sessions that were begun
}

// Sessions names the sessions that were begun.
func (s *STS) Sessions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.sessions...)
}

// ServeHTTP implements http.Handler.
func (s *STS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	form, bad := url.ParseQuery(string(body))
	if err != nil || bad != nil {
		err = front("MalformedInput", "")
	} else {
		err = s.check(r, body, form)
	}
	w.Header().Set("Content-Type", "text/xml")
	if e, failed := errors.AsType[*Error](err); failed {
		w.WriteHeader(http.StatusBadRequest)
		_ = xml.NewEncoder(w).Encode(struct {
			XMLName struct{} `xml:"ErrorResponse"`
			Code    string   `xml:"Error>Code"`
			Message string   `xml:"Error>Message"`
		}{Code: e.Code, Message: e.Message})
		return
	}
	s.grant(w, form)
}

func (s *STS) check(r *http.Request, body []byte, form url.Values) error {
	switch form.Get("Action") {
	case "AssumeRoleWithWebIdentity":
		return s.token(form.Get("WebIdentityToken"))
	case "AssumeRole":
		s.Server.mu.Lock()
		_, _, err := s.Server.verify(r, body, "sts", "host", "x-amz-date")
		s.Server.mu.Unlock()
		if err == nil && form.Get("ExternalId") != s.ExternalID {
			err = front("AccessDenied", "User: "+Root().ARN+" is not authorized to perform: sts:AssumeRole on resource: "+form.Get("RoleArn"))
		}
		return err
	default:
		return front("InvalidAction", "")
	}
}

// token verifies an identity token.
func (s *STS) token(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || s.Key == nil {
		return front("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	hashed := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(s.Key, crypto.SHA256, hashed[:], signature) != nil {
		return front("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Iss, Aud, Sub string
		Exp           int64
	}
	switch {
	case err != nil || json.Unmarshal(text, &claims) != nil:
		return front("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
	case time.Now().After(time.Unix(claims.Exp, 0)):
		return front("ExpiredTokenException", "Token expired")
	case claims.Iss != s.Issuer:
		return front("InvalidIdentityToken", "No OpenIDConnect provider found in your account for "+claims.Iss)
	case claims.Aud != s.Audience:
		return front("InvalidIdentityToken", "Incorrect token audience")
	case claims.Sub != s.Subject:
		return front("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	default:
		return nil
	}
}

// grant makes a key for the role that is asked for.
func (s *STS) grant(w http.ResponseWriter, form url.Values) {
	role, name := form.Get("RoleArn"), form.Get("RoleSessionName")
	arn := strings.Replace(strings.Replace(role, ":iam:", ":sts:", 1), ":role/", ":assumed-role/", 1) + "/" + name
	account := ""
	if parts := strings.Split(role, ":"); len(parts) > 4 {
		account = parts[4]
	}
	k := Key{ID: "ASIA" + rand.Text()[:16], Secret: rand.Text(), Session: rand.Text(), Account: account, ARN: arn, Expires: time.Now().Add(time.Hour)}
	s.Server.AddKey(k)
	s.mu.Lock()
	s.sessions = append(s.sessions, name)
	s.mu.Unlock()
	type credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	type result struct {
		Credentials credentials
		Role        string `xml:"AssumedRoleUser>Arn"`
		RoleID      string `xml:"AssumedRoleUser>AssumedRoleId"`
	}
	action := form.Get("Action")
	out := result{credentials{k.ID, k.Secret, k.Session, k.Expires.UTC().Format(time.RFC3339)}, arn, "AROA:" + name}
	e := xml.NewEncoder(w)
	response := xml.StartElement{Name: xml.Name{Local: action + "Response"}}
	_ = e.EncodeToken(response)
	_ = e.EncodeElement(out, xml.StartElement{Name: xml.Name{Local: action + "Result"}})
	_ = e.EncodeToken(response.End())
	_ = e.Flush()
}
