package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/tacit-secrets/tacit/secret"
)

// Failure classifies an error that came instead of a whole answer: the kind
// and a text without address, name or remedy, which the backend adds. An error
// that has a kind already keeps it. What is not known here is Unavailable: no
// answer is worth a retry, unless the certificate or the address is wrong.
//
// A write that fails so may have been made all the same; [Unsent] tells where
// it cannot have been.
func Failure(err error) (secret.Kind, string) {
	if e, ok := errors.AsType[*secret.Error](err); ok {
		return e.Kind, e.Text
	}
	if e, ok := proxied(err); ok {
		kind, text := Failure(e.Err)
		return kind, "the proxy that HTTPS_PROXY or HTTP_PROXY names: " + text
	}
	if text := distrust(err); text != "" {
		return secret.Invalid, text
	}
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return secret.Unavailable, "interrupted"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return secret.Unavailable, "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return secret.Unavailable, "nothing answers at that address: connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE):
		return secret.Unavailable, "the connection broke off"
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return secret.Unavailable, "the host " + e.Name + " is not known"
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return secret.Unavailable, "the address cannot be reached"
	}
	return secret.Unavailable, "no answer"
}

// proxied returns the error of a proxy that was not reached: the store was not
// even asked for.
func proxied(err error) (*net.OpError, bool) {
	e, ok := errors.AsType[*net.OpError](err)
	return e, ok && e.Op == "proxyconnect"
}

// distrust says why a server is not believed; empty if that is not the error.
// It never quotes more of a certificate than the names that it is for.
func distrust(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the server's certificate is signed by an authority that is not trusted here"
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the server's certificate is not for " + e.Host
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return "the server's certificate has expired, or this machine's clock is wrong"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the server's certificate is not valid"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return "the server does not speak TLS at that address"
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return "the server refused the connection: " + e.Error()
	}
	return ""
}

// Unsent tells that a request cannot have reached the store: there was no
// connection to it.
func Unsent(err error) bool {
	if distrust(err) != "" || errors.Is(err, syscall.ECONNREFUSED) {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	e, ok := errors.AsType[*net.OpError](err)
	return ok && (e.Op == "dial" || e.Op == "proxyconnect")
}

// ErrTooLong says that an answer is longer than [MaxBodyBytes]. Of kind
// Corrupt.
var ErrTooLong error = &secret.Error{Kind: secret.Corrupt, Text: fmt.Sprintf("the store's answer is longer than %d bytes", MaxBodyBytes)}
