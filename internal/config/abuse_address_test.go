package config

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/backend/awssm"
	"github.com/tacit-secrets/tacit/backend/azurekv"
	"github.com/tacit-secrets/tacit/backend/vault"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// FuzzAddress: an address that the files may name, or that a store is made with,
// is one of https, or of this machine, holds no password, and never tells one
// in an error.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"https://v.example:8200", "http://127.0.0.1:8200", "http://localhost", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://[::1]:1", "https://u:canary@v", "http://u:canary@127.0.0.1",
		"https://v/../x?token=canary", "https://v#canary", "https:v", "//v", "HTTP://127.1", "https://[fe80::1%25eth0]:1", "https://v\x00", "https://127.evil.example/", "https://%zzcanary", "http://2130706433", "https://v:x", "https://",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		secretive := strings.Contains(s, "canary@")
		took := checkAddress(s) == nil
		_, errVault := vault.New(vault.Settings{Address: s, Auth: vault.Auth{Token: secret.Text("t")}})
		_, errAWS := awssm.New(awssm.Settings{Region: "eu-west-1", Endpoint: s})
		_, errAzure := azurekv.New(azurekv.Settings{Address: s})
		_, errAuthority := azurekv.New(azurekv.Settings{Address: "https://v.vault.azure.net", Authority: s})
		for store, err := range map[string]error{"files": checkAddress(s), "vault": errVault, "awssm": errAWS, "azurekv": errAzure, "authority": errAuthority} {
			if err != nil {
				if secretive && strings.Contains(err.Error(), "canary") || store != "files" && secret.KindOf(err) != secret.Invalid {
					t.Errorf("%s: %v", store, err)
				}
				continue
			}
			u, err := url.Parse(s)
			if s == "" && (store == "awssm" || store == "authority") {
				continue
			}
			if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || store != "files" && !wire.Loopback(u.Hostname())) {
				t.Errorf("%s takes %q", store, s)
			}
		}
		if took && !sameAddress(s, s) {
			t.Errorf("%q is another address than itself", s)
		}
	})
}
