// Command slow stands before a store and makes each of its answers take longer,
// as one on a network does. It counts what is asked of it.
//
//	slow -to URL [-ca FILE] [-delay 50ms] [-dir DIR]
//
// It listens on a free port of the loopback, over TLS if the store does, and
// prints two addresses: its own, and one that answers with the number of
// requests since it was last asked. With TLS it writes DIR/ca.pem, the authority
// to be believed. It ends when its standard input does.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("slow: ")
	to := flag.String("to", "", "the store's `URL`")
	ca := flag.String("ca", "", "`file` of the authority that the store's certificate is from")
	delay := flag.Duration("delay", 50*time.Millisecond, "how long each answer takes at least")
	dir := flag.String("dir", ".", "`folder` for ca.pem")
	flag.Parse()
	store, err := url.Parse(*to)
	if err != nil || store.Host == "" {
		log.Fatal("-to names no URL")
	}
	if err := run(store, *ca, *delay, *dir); err != nil {
		log.Fatal(err)
	}
}

func run(store *url.URL, ca string, delay time.Duration, dir string) error {
	var asked atomic.Int64
	forward, err := proxy(store, ca)
	if err != nil {
		return err
	}
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		time.Sleep(delay)
		forward.ServeHTTP(w, r)
	})
	count := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, asked.Swap(0)) })
	front, err := listen()
	if err != nil {
		return err
	}
	counter, err := listen()
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	server := &http.Server{Handler: slow, ReadHeaderTimeout: 10 * time.Second}
	if store.Scheme == "https" {
		if server.TLSConfig, err = certificate(filepath.Join(dir, "ca.pem")); err != nil {
			return err
		}
		go func() { failed <- server.ServeTLS(front, "", "") }()
	} else {
		go func() { failed <- server.Serve(front) }()
	}
	go func() { failed <- (&http.Server{Handler: count, ReadHeaderTimeout: 10 * time.Second}).Serve(counter) }()
	fmt.Printf("%s://%s http://%s\n", store.Scheme, front.Addr(), counter.Addr())
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err
	}()
	return <-failed
}

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// proxy passes everything on, the Host header too: some requests are signed with it.
func proxy(store *url.URL, ca string) (http.Handler, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New(ca + " holds no certificate")
		}
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = store.Scheme, store.Host
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{TLSClientConfig: conf, MaxIdleConnsPerHost: 64},
	}, nil
}

// certificate makes one that is its own authority, good for the loopback.
func certificate(file string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}
