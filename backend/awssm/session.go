package awssm

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// A session is a backend that found its credentials and its region.
type session struct {
	// Where AWS throttles, write and many slow down for all who share them: it
	// allows fifty writes a second, which a copy exceeds. Read only tries again.
	read, write, many *secretsmanager.Client
	region            string
	profile           string // of the files of AWS
	lacking           bool   // AWS_ROLE_ARN names a role, and nothing to assume it with
	credentials       *signIn
}

// session returns the session, made at the first use. It reads the files and
// variables of AWS, and reaches no network.
func (b *Backend) session(ctx context.Context) (*session, error) {
	if err := interrupted(ctx); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened == nil {
		s, err := b.open(ctx)
		if err != nil {
			return nil, err
		}
		b.opened = s
	}
	return b.opened, nil
}

func (b *Backend) open(ctx context.Context) (*session, error) {
	cfg, found, err := b.config(ctx)
	if err != nil {
		return nil, b.unread(err)
	}
	if cfg.Region == "" {
		return nil, secret.Errorf(secret.Invalid, "", "no AWS region is set\n  in tacit.toml:  region = \"eu-west-1\"")
	}
	if !isRegion(cfg.Region) {
		return nil, secret.Errorf(secret.Invalid, "", "%q, of AWS_REGION or the profile, is no AWS region\n  in tacit.toml:  region = \"eu-west-1\"", cfg.Region)
	}
	who := &signIn{cfg.Credentials}
	client := func(r aws.Retryer) *secretsmanager.Client {
		return secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) {
			o.BaseEndpoint = nil // whatever the environment says
			if b.settings.Endpoint != "" {
				o.BaseEndpoint = &b.settings.Endpoint
			}
			o.HTTPClient, o.Retryer, o.Credentials = wire.Client(b.rt), r, who
			o.Logger, o.ClientLogMode = logging.Nop{}, 0
		})
	}
	found.read, found.write, found.many = client(b.standard()), client(b.adaptive()), client(b.adaptive())
	found.region, found.credentials = cfg.Region, who
	return found, nil
}

// config lets the SDK find region and credentials, by its whole chain, and
// tells what it took.
func (b *Backend) config(ctx context.Context) (cfg aws.Config, found *session, err error) {
	quiet := []func(*config.LoadOptions) error{
		config.WithRegion(b.settings.Region),
		config.WithLogger(logging.Nop{}),
		config.WithAppID("tacit"),
	}
	if b.settings.Profile != "" {
		quiet = append(quiet, config.WithSharedConfigProfile(b.settings.Profile))
	}
	// First only what files and variables say: the chain is made below.
	said, err := config.LoadDefaultConfig(ctx, append(quiet, config.WithCredentialsProvider(aws.AnonymousCredentials{}))...)
	if err != nil {
		return aws.Config{}, nil, err
	}
	bundle, profile := files(said)
	client, err := b.client(bundle)
	if err != nil {
		return aws.Config{}, nil, err
	}
	own := addressesOf(ctx, said)
	cfg, err = config.LoadDefaultConfig(ctx, append(quiet,
		config.WithHTTPClient(client),
		config.WithRetryer(b.standard),
		config.WithAPIOptions([]func(*middleware.Stack) error{own.instead}),
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) {
			o.Client = imds.NewFromConfig(said, func(o *imds.Options) { // with the short waits that suit it
				o.Retryer, o.DisableDefaultMaxBackoff = nearby(), true
			})
		}))...)
	if err != nil {
		return aws.Config{}, nil, err
	}
	found = &session{profile: profile}
	env, lacking := b.jobRole(said)
	if lacking && b.settings.GitHub.URL != "" {
		lacking, err = false, b.asJob(&cfg, env)
	}
	found.lacking = lacking
	if b.settings.RoleARN != "" {
		cfg.Credentials = b.role(cfg)
	}
	return cfg, found, err
}

// role assumes the role of the settings with what the chain found.
func (b *Backend) role(cfg aws.Config) aws.CredentialsProvider {
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), b.settings.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		if o.RoleSessionName = b.settings.SessionName; o.RoleSessionName == "" {
			o.RoleSessionName = "tacit"
		}
		if b.settings.ExternalID != "" {
			o.ExternalID = &b.settings.ExternalID
		}
	}))
}

// files returns what the variables and files of AWS name: a file of
// authorities, and the profile.
func files(said aws.Config) (bundle, profile string) {
	for _, source := range said.ConfigSources {
		switch c := source.(type) {
		case config.EnvConfig:
			bundle = c.CustomCABundle
		case config.SharedConfig:
			if profile = c.Profile; bundle == "" {
				bundle = c.CustomCABundle
			}
		}
	}
	return bundle, profile
}

// client is what the chain signs in with. The SDK insists on a client of its
// own where AWS_CA_BUNDLE or a profile names a file of authorities; the store
// is then asked by these authorities too, unless the settings name others.
func (b *Backend) client(bundle string) (config.HTTPClient, error) {
	if bundle == "" {
		return wire.Client(b.rt), nil
	}
	if b.settings.TLS.CACert == "" {
		t := b.settings.TLS
		t.CACert = bundle
		rt, err := wire.NewTransport(t)
		if err != nil {
			return nil, err
		}
		b.rt = rt
	}
	return awshttp.NewBuildableClient(), nil
}

// unread explains why the settings of AWS could not be read.
func (b *Backend) unread(err error) error {
	if secret.KindOf(err) != 0 {
		return err
	}
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return secret.Errorf(secret.Invalid, "", "there is no AWS profile %q\n  aws configure list-profiles", missing.Profile)
	}
	if _, ok := errors.AsType[config.AssumeRoleTokenProviderNotSetError](err); ok {
		return secret.Errorf(secret.Unauthenticated, "", "the AWS profile asks for a code of a second factor, which tacit cannot\n  sign in by single sign-on:  aws sso login")
	}
	return secret.Errorf(secret.Invalid, "", "the settings of AWS cannot be read\n  aws configure list")
}

// signIn marks errors of the credential chain, and forgets credentials that
// the store says have expired.
type signIn struct{ chain aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (s *signIn) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if s.chain == nil {
		return aws.Credentials{}, &signInError{errors.New("no credentials")}
	}
	c, err := s.chain.Retrieve(ctx)
	if err != nil {
		return c, &signInError{err}
	}
	return c, nil
}

// forget makes the next request sign in anew; false if it cannot.
func (s *signIn) forget() bool {
	c, ok := s.chain.(*aws.CredentialsCache)
	if ok {
		c.Invalidate()
	}
	return ok
}

type signInError struct{ error }

// Unwrap returns the cause.
func (e *signInError) Unwrap() error { return e.error }

// send asks the store. Where it says that the credentials have expired, though
// their end had not come, they are fetched anew and the request is sent once
// more.
func send[In, Out any](ctx context.Context, s *session, op func(context.Context, *In, ...func(*secretsmanager.Options)) (*Out, error), in *In) (*Out, error) {
	out, err := op(ctx, in)
	if code := codeOf(err); (code == "ExpiredTokenException" || code == "ExpiredToken") && s.credentials.forget() {
		return op(ctx, in)
	}
	return out, err
}
