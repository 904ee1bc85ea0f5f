package awssm

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

// TestAbuseEndpointLoopsIntoTacit: whoever points programs at tacit by the
// variables and files of AWS must not point tacit at itself, for no service, in
// no spelling. An address of tacit in the settings is found by its mark: see
// the case of the conformance suite.
func TestAbuseEndpointLoopsIntoTacit(t *testing.T) {
	const tacit = "https://tacit.example:8200"
	services := []string{"", "_SECRETS_MANAGER", "_SECRETSMANAGER", "_STS", "_SSO", "_SSO_OIDC", "_SIGNIN"}
	signs := map[string]struct {
		config   string
		settings Settings
	}{
		"key":             {"[profile dev]\n" + keyLines(), Settings{}},
		"role":            {"[profile base]\n" + keyLines() + "[profile dev]\nrole_arn = " + role + "\nsource_profile = base\n", Settings{}},
		"role of its own": {"[profile dev]\n" + keyLines(), Settings{RoleARN: role}},
	}
	for sign, s := range signs {
		try := func(t *testing.T, more string) {
			t.Helper()
			profiles(t, s.config+more)
			n, srv, _ := newNetwork(awswire.Options{})
			n.hosts["tacit.example:8200"] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				t.Error("tacit is asked for its own secrets")
				w.WriteHeader(http.StatusTeapot)
			})
			settings := s.settings
			settings.Region, settings.Profile = "eu-west-1", "dev"
			putAndGet(t, n.at(settings, t))
			if srv.Requests()["GetSecretValue"] != 1 || n.met["tacit.example:8200"] != 0 {
				t.Errorf("%v, %v", srv.Requests(), n.met)
			}
		}
		for _, service := range services {
			t.Run(sign+", AWS_ENDPOINT_URL"+service, func(t *testing.T) {
				nobody(t)
				t.Setenv("AWS_ENDPOINT_URL"+service, tacit)
				t.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")
				try(t, "")
			})
		}
		t.Run(sign+", all of them", func(t *testing.T) {
			nobody(t)
			for _, service := range services {
				t.Setenv("AWS_ENDPOINT_URL"+service, tacit)
			}
			try(t, "endpoint_url = "+tacit+"\n")
		})
		t.Run(sign+", endpoint_url of the profile", func(t *testing.T) {
			nobody(t)
			try(t, "endpoint_url = "+tacit+"\n")
		})
		t.Run(sign+", services of the profile", func(t *testing.T) {
			nobody(t)
			try(t, "services = local\n[services local]\nsecrets_manager =\n  endpoint_url = "+tacit+"\nsts =\n  endpoint_url = "+tacit+"\nsso =\n  endpoint_url = "+tacit+"\n")
		})
	}
}

// TestSingleSignOnStaysAtAWS: its tokens go nowhere else either.
func TestSingleSignOnStaysAtAWS(t *testing.T) {
	nobody(t)
	t.Setenv("AWS_ENDPOINT_URL_SSO", "https://tacit.example:8200")
	profiles(t, "[sso-session acme]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\n[profile dev]\nsso_session = acme\nsso_account_id = 111122223333\nsso_role_name = reader\n")
	n, _, _ := newNetwork(awswire.Options{})
	_, err := n.at(Settings{Region: "eu-west-1", Profile: "dev"}, t).Get(t.Context(), "app/db", secret.At{})
	tells(t, err, secret.Unauthenticated, "aws sso login --profile dev")
	for host := range n.met {
		if !strings.HasSuffix(host, ".amazonaws.com") {
			t.Errorf("%s is asked", host)
		}
	}
}
