package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"text/template"
	"time"
)

// patience bounds how long a server may take to answer.
const patience = 2 * time.Minute

type server struct {
	dir, home              string // DIR and DIR/openbao
	plain, tls             string // host:port of the listeners
	cluster, clusterTLS    string // and of what servers tell each other there
	process                *os.Process
	token                  string
	CACert, Cert, Key, Log string
}

func newServer(dir string) (*server, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, home: filepath.Join(dir, "openbao")}
	if _, err := os.Stat(s.home); err == nil {
		return nil, fmt.Errorf("%s holds a former server: take a fresh folder", s.home)
	}
	if err := os.MkdirAll(filepath.Join(s.home, "data"), 0o700); err != nil {
		return nil, err
	}
	for _, address := range []*string{&s.plain, &s.tls, &s.cluster, &s.clusterTLS} {
		if *address, err = free(); err != nil {
			return nil, err
		}
	}
	s.CACert, s.Cert, s.Key = s.file("ca.pem"), s.file("server.pem"), s.file("server.key")
	s.Log = s.file("server.log")
	return s, writeCertificates(s.CACert, s.Cert, s.Key)
}

func (s *server) file(name string) string { return filepath.Join(s.home, name) }

// free returns an address nobody listens on.
func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// The storage is the one that companies run, because its limits are theirs.
const configuration = `
storage "raft" {
  path    = {{printf "%q" .Data}}
  node_id = "test"
}
listener "tcp" {
  address         = {{printf "%q" .Plain}}
  cluster_address = {{printf "%q" .Cluster}}
  tls_disable     = true
}
listener "tcp" {
  address         = {{printf "%q" .TLS}}
  cluster_address = {{printf "%q" .ClusterTLS}}
  tls_cert_file   = {{printf "%q" .Cert}}
  tls_key_file    = {{printf "%q" .Key}}
}
audit "file" "file" {
  options { file_path = {{printf "%q" .Audit}} }
}
api_addr     = "http://{{.Plain}}"
cluster_addr = "https://{{.Cluster}}"
log_level    = "warn"
unsafe_allow_api_audit_creation = true
`

// launch starts this program as a server that outlives it.
func (s *server) launch() error {
	var text bytes.Buffer
	if err := template.Must(template.New("").Parse(configuration)).Execute(&text, map[string]string{
		"Data": s.file("data"), "Plain": s.plain, "TLS": s.tls, "Cluster": s.cluster, "ClusterTLS": s.clusterTLS,
		"Cert": s.Cert, "Key": s.Key, "Audit": s.file("audit.log"),
	}); err != nil {
		return err
	}
	if err := os.WriteFile(s.file("server.hcl"), text.Bytes(), 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, "server", "-config", s.file("server.hcl"))
	c.Stdout, c.Stderr, c.Dir = log, log, s.home
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	s.process = c.Process
	return os.WriteFile(filepath.Join(s.dir, "openbao.pid"), fmt.Appendln(nil, c.Process.Pid), 0o600)
}

func (s *server) kill() error {
	return errors.Join(s.process.Kill(), fmt.Errorf("its log is %s", s.Log))
}

// prepare initialises and unseals the server, and mounts secret/.
func (s *server) prepare() error {
	if err := s.until("answers", func() (bool, error) { return s.call("GET", "sys/init", nil, nil) == nil, nil }); err != nil {
		return err
	}
	var made struct {
		Keys  []string `json:"keys_base64"`
		Token string   `json:"root_token"`
	}
	if err := s.call("PUT", "sys/init", map[string]int{"secret_shares": 1, "secret_threshold": 1}, &made); err != nil {
		return err
	}
	if err := s.call("PUT", "sys/unseal", map[string]string{"key": made.Keys[0]}, nil); err != nil {
		return err
	}
	s.token = made.Token
	if err := s.until("is active", func() (bool, error) { return s.call("GET", "sys/health", nil, nil) == nil, nil }); err != nil {
		return err
	}
	if err := s.call("POST", "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}}, nil); err != nil {
		return err
	}
	// The engine upgrades itself for a moment, and refuses meanwhile.
	return s.until("has its engine", func() (bool, error) { return s.call("GET", "secret/config", nil, nil) == nil, nil })
}

func (s *server) until(what string, done func() (bool, error)) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if s.process.Signal(syscall.Signal(0)) != nil {
			return errors.New("the server ended")
		}
	}
	return fmt.Errorf("the server never %s", what)
}

// call sends one request to the server.
func (s *server) call(method, path string, body, answer any) error {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequest(method, "http://"+s.plain+"/v1/"+path, &b)
	if err != nil {
		return err
	}
	r.Header.Set("X-Vault-Token", s.token)
	got, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return err
	}
	if got.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s %s", method, path, got.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// tell appends to DIR/env what tests need.
func (s *server) tell() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "env"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, `export TACIT_TEST_VAULT_ADDR=http://%s
export TACIT_TEST_VAULT_TLS_ADDR=https://%s
export TACIT_TEST_VAULT_CACERT='%s'
export TACIT_TEST_VAULT_TOKEN=%s
export TACIT_TEST_VAULT_AUDIT='%s'
export TACIT_TEST_BAO='%s'
`, s.plain, s.tls, s.CACert, s.token, s.file("audit.log"), self)
	return errors.Join(err, f.Close())
}
