package wire

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// MaxBodyBytes bounds an answer of a store: the largest value that is read,
// 8 MiB, in base64 and with its envelope.
const MaxBodyBytes = 16 << 20

// maxHeaderBytes bounds the headers of an answer.
const maxHeaderBytes = 1 << 20

// ViaHeader marks tacit's requests and answers. A server that finds it in a
// request, or a client that finds it in an answer, talks to tacit itself.
const ViaHeader = "Tacit-Via"

// TLS says which servers are believed, and what is shown to them. The zero TLS
// believes what the system believes.
type TLS struct {
	CACert     string // PEM file, or the PEM text itself; only these authorities are believed
	ServerName string // the name in the server's certificate, if it is not the host's
	ClientCert string // PEM files of the certificate shown to the server
	ClientKey  string
}

// NewTransport returns a transport with time limits, connections kept for
// [broker.InFlight] requests at once, and answers bounded by [MaxBodyBytes], headers by a MiB. It
// marks each request by [ViaHeader] and refuses answers with that mark. The
// error is Invalid: a file cannot be read or is no PEM.
func NewTransport(t TLS) (http.RoundTripper, error) {
	conf, err := t.config()
	if err != nil {
		return nil, err
	}
	return &transport{&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       conf,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       90 * time.Second,

		MaxResponseHeaderBytes: maxHeaderBytes,

		MaxIdleConns:        64,
		MaxIdleConnsPerHost: 64,
		ForceAttemptHTTP2:   true,
	}}, nil
}

// Loopback reports whether a host is this machine itself, so that what is sent
// to it crosses no network.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Client returns a client over a transport that follows no redirect: a
// redirected request would carry its credential to another address.
func Client(rt http.RoundTripper) *http.Client {
	return &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (t TLS) config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CACert != "" {
		pem, from := []byte(t.CACert), "the text of certificate authorities"
		if !strings.HasPrefix(strings.TrimSpace(t.CACert), "-----BEGIN ") {
			var err error
			from = t.CACert
			if pem, err = ReadCertificates(t.CACert); err != nil {
				return nil, &secret.Error{Kind: secret.Invalid, Text: "the file of certificate authorities: " + err.Error(), Err: err}
			}
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, secret.Errorf(secret.Invalid, "", "%s holds no certificate in PEM form", from)
		}
	}
	if t.ClientCert != "" || t.ClientKey != "" {
		pair, err := clientPair(t.ClientCert, t.ClientKey)
		if err != nil {
			return nil, &secret.Error{Kind: secret.Invalid, Text: "the client certificate: " + err.Error(), Err: err}
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

func clientPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := ReadCertificates(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ReadCertificates(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

type transport struct{ next *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(ViaHeader, "1")
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if answer.Header.Get(ViaHeader) != "" {
		_ = answer.Body.Close()
		return nil, ErrLoop
	}
	answer.Body = &bounded{answer.Body, MaxBodyBytes}
	return answer, nil
}

// CloseIdleConnections lets go of connections that wait.
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// ErrLoop says that a store's address is tacit's own. Of kind Invalid.
var ErrLoop error = &secret.Error{
	Kind: secret.Invalid,
	Text: "the store's address is tacit itself\n  set the address of the store, not the one that tacit serves",
}

// bounded fails, instead of ending, where an answer is too long.
type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, ErrTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
