package awswire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	stampForm = "20060102T150405Z"
	// skew is how far a request's date may be off: five minutes here, fifteen
	// elsewhere in AWS.
	skew = 5 * time.Minute
)

// credential is the form of an Authorization header.
func credential() *regexp.Regexp {
	return regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/ ,]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9]+)/aws4_request, *SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})$`)
}

// verify checks the signature of a request by Signature Version 4, for a
// service and with the headers that must be signed, and returns the key and the
// region that it was made for.
func (s *Server) verify(r *http.Request, body []byte, service string, must ...string) (Key, string, error) {
	all := r.Header.Values("Authorization")
	if len(all) == 0 {
		return Key{}, "", front("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	m := credential().FindStringSubmatch(all[0])
	if m == nil || len(all) != 1 || r.URL.RawQuery != "" {
		return Key{}, "", front("IncompleteSignatureException", "the Authorization header is not one of AWS4-HMAC-SHA256")
	}
	id, date, region, scoped, signed, signature := m[1], m[2], m[3], m[4], strings.Split(m[5], ";"), m[6]
	stamp := r.Header.Get("X-Amz-Date")
	if err := s.checkDate(stamp, date); err != nil {
		return Key{}, "", err
	}
	if scoped != service {
		return Key{}, "", invalidSignature("Credential should be scoped to correct service: '" + service + "'.")
	}
	key, err := s.key(id, r.Header.Get("X-Amz-Security-Token"), signed, must)
	if err != nil {
		return Key{}, "", err
	}
	scope := strings.Join([]string{date, region, service, "aws4_request"}, "/")
	hashed := sha256.Sum256([]byte(canonical(r, signed, body)))
	toSign := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(hashed[:])
	mac := []byte("AWS4" + key.Secret)
	for _, part := range append(strings.Split(scope, "/"), toSign) {
		mac = sum(mac, part)
	}
	if want, _ := hex.DecodeString(signature); !hmac.Equal(mac, want) {
		return Key{}, "", invalidSignature("The request signature we calculated does not match the signature you provided.")
	}
	return key, region, nil
}

// key returns a key that may be used with a session token, if the request
// signs what it has to.
func (s *Server) key(id, session string, signed, must []string) (Key, error) {
	if session != "" {
		must = append(must, "x-amz-security-token")
	}
	for _, h := range must {
		if !slices.Contains(signed, h) {
			return Key{}, invalidSignature("'" + h + "' must be a signed header.")
		}
	}
	key, known := s.keys[id]
	if !known || session != key.Session {
		return Key{}, front("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if !key.Expires.IsZero() && time.Now().After(key.Expires) {
		return Key{}, front("ExpiredTokenException", "The security token included in the request is expired")
	}
	return key, nil
}

func invalidSignature(message string) error { return front("InvalidSignatureException", message) }

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (s *Server) checkDate(stamp, date string) error {
	at, err := time.Parse(stampForm, stamp)
	if err != nil || !strings.HasPrefix(stamp, date) {
		return front("IncompleteSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
	}
	now := time.Now() // signatures are made by the clock of the machine, whatever the store's is
	switch {
	case now.Sub(at) > skew:
		return invalidSignature("Signature expired: " + stamp + " is now earlier than " + now.Add(-skew).UTC().Format(stampForm) + " (" + now.UTC().Format(stampForm) + " - 5 min.)")
	case at.Sub(now) > skew:
		return invalidSignature("Signature not yet current: " + stamp + " is still later than " + now.Add(skew).UTC().Format(stampForm) + " (" + now.UTC().Format(stampForm) + " + 5 min.)")
	default:
		return nil
	}
}

// canonical is the text of a request that is signed.
func canonical(r *http.Request, signed []string, body []byte) string {
	var b strings.Builder
	b.WriteString(r.Method + "\n" + r.URL.EscapedPath() + "\n\n")
	for _, h := range signed {
		var values []string
		switch h {
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		default:
			for _, v := range r.Header.Values(h) {
				values = append(values, strings.Join(strings.Fields(v), " "))
			}
		}
		b.WriteString(h + ":" + strings.Join(values, ",") + "\n")
	}
	hashed := sha256.Sum256(body)
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + hex.EncodeToString(hashed[:]))
	return b.String()
}
