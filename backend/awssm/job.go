package awssm

import (
	"cmp"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// A job signs in as AWS_ROLE_ARN by the identity that GitHub Actions gives it.
// The SDK takes such a token from a file alone, which a step of the job would
// have to write, and leave there.
type job struct {
	github  wire.GitHub
	client  *sts.Client
	role    string
	session string
}

// jobRole returns the variables of AWS, if they name a role and nothing that
// it could be assumed with. That is the place of AWS_WEB_IDENTITY_TOKEN_FILE
// in the chain: after the profile of the settings and the keys, before all else.
func (b *Backend) jobRole(said aws.Config) (env config.EnvConfig, lacking bool) {
	for _, source := range said.ConfigSources {
		if c, ok := source.(config.EnvConfig); ok {
			env = c
		}
	}
	return env, env.RoleARN != "" && env.WebIdentityTokenFilePath == "" && !env.Credentials.HasKeys() && b.settings.Profile == ""
}

// asJob makes the credentials be those of the job. The error is Invalid: the
// token would cross the network in the clear.
func (b *Backend) asJob(cfg *aws.Config, env config.EnvConfig) error {
	g := b.settings.GitHub
	if err := g.Check(); err != nil {
		return err
	}
	g.Audience = cmp.Or(g.Audience, "sts."+domainOf(cfg.Region))
	cfg.Credentials = aws.NewCredentialsCache(&job{
		github: g, client: sts.NewFromConfig(*cfg), role: env.RoleARN,
		session: cmp.Or(env.RoleSessionName, b.settings.SessionName, "tacit"),
	})
	return nil
}

// Retrieve implements aws.CredentialsProvider.
func (j *job) Retrieve(ctx context.Context) (aws.Credentials, error) {
	token, err := j.github.Identity(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return stscreds.NewWebIdentityRoleProvider(j.client, j.role, identity(token), func(o *stscreds.WebIdentityRoleOptions) {
		o.RoleSessionName = j.session
	}).Retrieve(ctx)
}

// An identity is a token that tells who asks.
type identity string

// GetIdentityToken implements stscreds.IdentityTokenRetriever.
func (t identity) GetIdentityToken() ([]byte, error) { return []byte(t), nil }

// nobody is for a chain at whose end nothing was found.
func (a *asking) nobody() error {
	if a.s.lacking {
		return secret.Errorf(secret.Unauthenticated, a.name, "AWS_ROLE_ARN names a role, and no identity was found to assume it with\n  in GitHub Actions:  permissions: {id-token: write}; elsewhere:  AWS_WEB_IDENTITY_TOKEN_FILE")
	}
	return secret.Errorf(secret.Unauthenticated, a.name, "no AWS credentials were found\n  %s", login(a.s))
}
