// Package azurewire is a Key Vault on the loopback for tests: the secrets API
// as the service was recorded to speak it, with its challenge, its states of
// deletion, its paging and its errors, and the two token endpoints that
// unmodified clients of Azure agree to talk to.
//
// It keeps values in memory, knows no roles but what a test forbids, and is no
// store for anything else. Where the recordings do not tell, it says so beside
// the code.
package azurewire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options are what can be told of a vault. The zero Options are those of a new
// vault of the service, but that nothing takes time.
type Options struct {
	Now           func() time.Time // nil: time.Now
	Deleting      time.Duration    // how long a deletion, a recovery and a purge take
	Recovering    time.Duration
	Purging       time.Duration
	RetentionDays int           // 0: 90
	Protected     bool          // purge protection
	TokenLife     time.Duration // 0: an hour
	Tenant        string        // that the challenge names; empty: adfs, of which clients ask no directory
	EmptyPages    bool          // each page is followed by an empty one
	Backups       []byte        // 32 bytes: the key of backups, the same for vaults of one subscription; nil: its own
}

// A Server is one vault, with the authority that its challenge names.
type Server struct {
	Address   string // of the vault: https://127.0.0.1:port
	Authority string // of the token endpoints: https://127.0.0.1:port/
	Identity  string // what IDENTITY_ENDPOINT is set to: http://127.0.0.1:port/msi/token
	CA        []byte // PEM

	opts    Options
	http    []*http.Server
	mu      sync.Mutex
	address string             // by which clients know it
	secrets map[string]*record // by lower-case name
	signing []byte             // of tokens
	issued  int                // generation of tokens
	clients map[string]client
	before  func(w http.ResponseWriter, r *http.Request) bool
	counts  map[string]int
}

// Start starts a vault.
func Start(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.RetentionDays == 0 {
		o.RetentionDays = 90
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.Tenant == "" {
		o.Tenant = "adfs"
	}
	if o.Backups == nil {
		o.Backups = random(32)
	}
	s := &Server{opts: o, secrets: map[string]*record{}, signing: random(32), clients: map[string]client{}, counts: map[string]int{}}
	cert, ca, err := certificate()
	if err != nil {
		return nil, err
	}
	s.CA = ca
	address, err := s.serve(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}, http.HandlerFunc(s.vault))
	if err != nil {
		return nil, err
	}
	identity, err := s.serve(nil, http.HandlerFunc(s.identity))
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Address, s.Authority, s.Identity = "https://"+address, "https://"+address+"/", "http://"+identity+"/msi/token"
	return s, nil
}

// Close ends the server at once.
func (s *Server) Close() error {
	var errs []error
	for _, h := range s.http {
		errs = append(errs, h.Close())
	}
	return errors.Join(errs...)
}

// base is the vault's address as a client knows it, which may reach it through
// a proxy on another port.
func (s *Server) base(r *http.Request) string {
	if strings.HasPrefix(r.Host, "127.0.0.1:") {
		return "https://" + r.Host
	}
	return s.Address
}

// resource is what the challenge names: clients demand that the vault's host
// ends in "." and the resource's host. Without names that resolve, an address
// is taken apart: 127.0.0.1 ends in .0.0.1.
func (s *Server) resource(r *http.Request) string {
	return "https://" + strings.TrimPrefix(s.base(r), "https://127.")
}

// Reset empties the vault.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.secrets)
}

func (s *Server) serve(conf *tls.Config, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, TLSConfig: conf}
	s.http = append(s.http, server)
	if conf != nil {
		go func() { _ = server.ServeTLS(l, "", "") }()
	} else {
		go func() { _ = server.Serve(l) }()
	}
	return l.Addr().String(), nil
}

// Before lets a test answer in the vault's stead: f is called with each request
// to the vault or a token endpoint, and tells whether it answered.
func (s *Server) Before(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// Count tells how many requests of a kind there were: "challenge", "token",
// or a method and a path with {name} and {version} in it.
func (s *Server) Count(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[kind]
}

// Requests tells how many requests to the vault there were.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for kind, c := range s.counts {
		if strings.Contains(kind, " /") || kind == "challenge" {
			n += c
		}
	}
	return n
}

func (s *Server) count(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[kind]++
}

func (s *Server) intercepted(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	f := s.before
	s.mu.Unlock()
	return f != nil && f(w, r)
}

// random returns n bytes.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// certificate makes an authority and what it says of 127.0.0.1.
func certificate() (pair tls.Certificate, ca []byte, err error) {
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "azurewire"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, nil, err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	if err != nil {
		return pair, nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), caKey)
	if err != nil {
		return pair, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), nil
}

// String names the vault.
func (s *Server) String() string { return fmt.Sprintf("azurewire at %s", s.Address) }
