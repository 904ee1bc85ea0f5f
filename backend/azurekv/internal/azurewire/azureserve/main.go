// Command azureserve runs a vault of package azurewire for the tests of others:
// test/stores/keyvault.sh starts it. It writes what its clients need below the
// folder that is its argument, makes an empty vault for whoever asks for one by
// POST, and runs until it is told to stop.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/tacit-secrets/tacit/backend/azurekv/internal/azurewire"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: azureserve DIR")
	}
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s, err := azurewire.Start(azurewire.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	secret := rand.Text()
	s.Allow("tacit-tests", secret)
	more, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	another := &http.Server{Handler: http.HandlerFunc(newVault), ReadHeaderTimeout: 10 * time.Second}
	defer func() { _ = another.Close() }()
	go func() { _ = another.Serve(more) }()
	if err := tell(dir, s, secret, "http://"+more.Addr().String()+"/"); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// newVault starts an empty vault, which runs as long as this process, and tells
// how to reach it. The request may name the tenant, and an application with its
// federated credential.
func newVault(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST makes a vault", http.StatusMethodNotAllowed)
		return
	}
	var want struct{ Tenant, Client, Issuer, Subject string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&want); err != nil && !errors.Is(err, io.EOF) {
		http.Error(w, "the request is no JSON", http.StatusBadRequest)
		return
	}
	s, err := azurewire.Start(azurewire.Options{Tenant: want.Tenant})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if want.Client != "" {
		s.Trust(want.Client, want.Issuer, want.Subject)
	}
	_ = json.NewEncoder(w).Encode(map[string]string{
		"address": s.Address, "ca": string(s.CA), "authority": s.Authority, "identity_endpoint": s.Identity, "identity_header": s.IdentityHeader(),
	})
}

// tell writes the authority's certificate, the variables and, last, the process
// that serves: whoever finds it finds all.
func tell(dir string, s *azurewire.Server, secret, another string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	const ca = "keyvault-ca.pem"
	if err := root.WriteFile(ca, s.CA, 0o600); err != nil {
		return err
	}
	env, err := root.OpenFile("env", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, v := range [][2]string{
		{"ADDR", s.Address},
		{"CACERT", filepath.Join(dir, ca)},
		{"AUTHORITY", s.Authority},
		{"TENANT", "adfs"},
		{"CLIENT_ID", "tacit-tests"},
		{"CLIENT_SECRET", secret},
		{"IDENTITY_ENDPOINT", s.Identity},
		{"IDENTITY_HEADER", s.IdentityHeader()},
		{"NEW", another},
	} {
		if _, err := fmt.Fprintf(env, "export TACIT_TEST_AZURE_%s='%s'\n", v[0], v[1]); err != nil {
			return err
		}
	}
	if err := env.Close(); err != nil {
		return err
	}
	const pid = "keyvault.pid"
	if err := root.WriteFile(pid+".part", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	return root.Rename(pid+".part", pid)
}
