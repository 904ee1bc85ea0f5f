// Package fault stands between a client and a real server, on loopback, and
// breaks at the wire what its rules say: it throttles, resets, cuts off,
// answers with other things. It is for tests alone.
//
// What no rule names is passed on as it is, the Host header included, so that
// signatures stay valid.
package fault

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// TB is what a proxy needs of a test.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
	TempDir() string
}

// A Proxy speaks TLS before a server and breaks what its rules say.
type Proxy struct {
	Address string // https://127.0.0.1:port
	CACert  string // PEM file of the authority that signed the proxy's certificate

	pass  http.Handler
	mu    sync.Mutex
	rules []*Rule
	seen  []Request
}

// A Rule breaks some of the requests that it is on.
type Rule struct {
	On    func(r *http.Request) bool // nil: all
	After int                        // so many are passed on first
	Times int                        // so many are broken; 0: all from then on
	Do    Fault

	met int
}

// A Fault answers a request instead of the server, or asks the server by pass
// and changes what it answered.
type Fault func(w http.ResponseWriter, r *http.Request, pass http.Handler)

// A Request is what a client sent.
type Request struct {
	Method, URI string
	Header      http.Header
	At          time.Time
	Broken      bool
}

// New starts a proxy before target, which ends with the test. The file caCert
// says which authorities the target's certificate may be of; empty: the
// system's, or the target speaks no TLS.
func New(t TB, target, caCert string) *Proxy {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatalf("the target: %v", err)
	}
	p := &Proxy{}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool(t, caCert)}}
	p.pass = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
		ErrorLog: log.New(quiet{}, "", 0),
	}
	server := httptest.NewUnstartedServer(p)
	server.Config.ErrorLog = log.New(quiet{}, "", 0) // handshakes that clients refuse are what some tests want
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	p.Address = server.URL
	p.CACert = filepath.Join(t.TempDir(), "proxy.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(p.CACert, text, 0o600); err != nil {
		t.Fatalf("the certificate: %v", err)
	}
	return p
}

func pool(t TB, caCert string) *x509.CertPool {
	t.Helper()
	if caCert == "" {
		return nil
	}
	text, err := os.ReadFile(caCert) //nolint:gosec // a file of the test
	if err != nil {
		t.Fatalf("the target's authorities: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", caCert)
	}
	return pool
}

// quiet drops what is logged.
type quiet struct{}

func (quiet) Write(b []byte) (int, error) { return len(b), nil }

// Set replaces the rules, and forgets what was seen. The first rule that is on
// a request and not used up breaks it.
func (p *Proxy) Set(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules, p.seen = nil, nil
	for _, r := range rules {
		p.rules = append(p.rules, &r)
	}
}

// Seen returns the requests since the rules were set.
func (p *Proxy) Seen() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// Broken returns those that were broken.
func (p *Proxy) Broken() []Request {
	return slices.DeleteFunc(p.Seen(), func(r Request) bool { return !r.Broken })
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if do := p.look(r); do != nil {
		do(w, r, p.pass)
		return
	}
	p.pass.ServeHTTP(w, r)
}

func (p *Proxy) look(r *http.Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	var do Fault
	for _, rule := range p.rules {
		if rule.On != nil && !rule.On(r) {
			continue
		}
		rule.met++
		if n := rule.met - rule.After; n > 0 && (rule.Times == 0 || n <= rule.Times) {
			do = rule.Do
			break
		}
	}
	p.seen = append(p.seen, Request{Method: r.Method, URI: r.RequestURI, Header: r.Header.Clone(), At: time.Now(), Broken: do != nil})
	return do
}
