package awssm

import (
	"context"
	"errors"
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/tacit-secrets/tacit/internal/shell"
	"github.com/tacit-secrets/tacit/internal/wire"
	"github.com/tacit-secrets/tacit/secret"
)

// interrupted is the error of a context that is done; nil if it is not.
func interrupted(ctx context.Context) error {
	switch err := ctx.Err(); {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded): // nobody interrupted anything
		return &secret.Error{Kind: secret.Unavailable, Text: "AWS did not answer in time", Err: err}
	default:
		return &secret.Error{Kind: secret.Unavailable, Text: "interrupted", Err: err}
	}
}

// named gives an error that has no name the name of a secret.
func named(err error, n secret.Name) error {
	if e, ok := errors.AsType[*secret.Error](err); ok && e.Name == "" {
		out := *e
		out.Name = n
		return &out
	}
	return err
}

// codeOf returns the code of an answer of AWS; empty if there was none.
func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// An asking is a request that failed: what classify needs to know of it.
type asking struct {
	ctx    context.Context
	s      *session
	action string // as a policy of IAM spells it
	name   secret.Name
	err    error
}

// classify makes an error of exactly one kind of what AWS, the SDK or the
// network says. Nothing that AWS wrote is repeated but who asked and for which
// action: its messages quote what was sent, request ids and credentials.
func (b *Backend) classify(a asking) error {
	if err := interrupted(a.ctx); err != nil {
		return named(err, a.name)
	}
	if errors.Is(a.err, wire.ErrLoop) {
		return secret.Errorf(secret.Invalid, a.name, "%s", wire.ErrLoop)
	}
	if in, ok := errors.AsType[*signInError](a.err); ok {
		return b.notSignedIn(a, in)
	}
	api, ok := errors.AsType[smithy.APIError](a.err)
	if !ok {
		return b.unreachable(a)
	}
	if e := aboutSecret(a, api); e != nil {
		return e
	}
	return b.refused(a, api)
}

// aboutSecret tells what an answer says about the secret; nil if it is about
// something else.
func aboutSecret(a asking, api smithy.APIError) error {
	said := api.ErrorMessage()
	switch api.ErrorCode() {
	case "ResourceNotFoundException":
		if strings.Contains(said, "value for") || strings.Contains(said, "VersionId") {
			return noVersion(a.name, "")
		}
		return secret.Errorf(secret.NotFound, a.name, "no such secret in the AWS region %s", a.s.region)
	case "InvalidRequestException":
		if deletedSaid(said) {
			return deletedError(a.name)
		}
		if strings.Contains(said, "not associated") {
			return noVersion(a.name, "")
		}
		return replicated(a, said)
	case "InvalidParameterException":
		return replicated(a, said)
	case "ResourceExistsException":
		return secret.Errorf(secret.Conflict, a.name, "it exists already")
	case "DecryptionFailure", "EncryptionFailure":
		return kmsError(a.name)
	default:
		return nil
	}
}

// deletedSaid reports whether AWS says that a secret is to be deleted; it has
// several sentences for it.
func deletedSaid(message string) bool {
	return strings.Contains(message, "for deletion") || strings.Contains(message, "marked deleted")
}

func deletedError(n secret.Name) error {
	return &secret.Error{Kind: secret.NotFound, State: secret.Deleted, Name: n, Text: "it is deleted, and can be restored for a while\n  tacit undelete"}
}

// inTheWay is for what would make a secret where a deleted one is.
func inTheWay(n secret.Name) error {
	return &secret.Error{
		Kind: secret.Conflict, State: secret.Deleted, Name: n,
		Text: "a deleted secret of this name is still in AWS\n  tacit undelete, or put over the old versions:  tacit put --recover",
	}
}

func noVersion(n secret.Name, id secret.VersionID) error {
	return &secret.Error{Kind: secret.NotFound, State: secret.NoVersion, Name: n, Version: id, Text: "no such version"}
}

// replicated is for what AWS refuses because a secret is kept in several
// regions; nil: that is not the reason.
func replicated(a asking, said string) error {
	if !strings.Contains(strings.ToLower(said), "replica") {
		return nil
	}
	return secret.Errorf(secret.Invalid, a.name, "it is kept in several regions: write it in its first one; before it is deleted, its replicas are removed\n  which they are:  aws secretsmanager describe-secret --region %s --secret-id NAME", a.s.region)
}

func kmsError(n secret.Name) error {
	return secret.Errorf(secret.Denied, n, "its KMS key may not be used by who asks, is disabled, or is not there\n  aws kms describe-key --key-id KEY; allow kms:Decrypt and kms:GenerateDataKey on it")
}

// refused is for answers that are about who asks, or how.
func (b *Backend) refused(a asking, api smithy.APIError) error {
	code := api.ErrorCode()
	switch code {
	case "AccessDeniedException", "AccessDenied", "NotAuthorized":
		return denied(a, api.ErrorMessage())
	case "ExpiredTokenException", "ExpiredToken", "RequestExpired":
		return secret.Errorf(secret.Unauthenticated, a.name, "the AWS credentials have expired\n  %s", login(a.s))
	case "UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationTokenException", "MissingAuthenticationToken", "IncompleteSignatureException":
		return secret.Errorf(secret.Unauthenticated, a.name, "AWS does not know the credentials, or the region %s is not enabled for the account\n  aws sts get-caller-identity", a.s.region)
	case "InvalidSignatureException", "SignatureDoesNotMatch":
		return signature(a, api.ErrorMessage())
	case "LimitExceededException":
		return secret.Errorf(secret.Invalid, a.name, "a quota of AWS is full: of labels or tags of the secret, or of secrets in the region\n  remove what is no longer needed, or have the quota raised")
	case "ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown":
		return throttled(a)
	case "InternalServiceError", "InternalFailure", "ServiceUnavailable":
		return secret.Errorf(secret.Unavailable, a.name, "AWS Secrets Manager failed by itself (%s)\n  try again in a minute", code)
	}
	if e := b.status(a); e != nil {
		return e
	}
	if code == "" || code == "UnknownError" || code == "UnknownOperationException" || !made(code, letters+digits) {
		return b.foreign(a)
	}
	return secret.Errorf(secret.Invalid, a.name, "AWS refuses this request of %s: %s\n  what AWS knows of it:  aws secretsmanager describe-secret --region %s --secret-id NAME", a.action, code, a.s.region)
}

func throttled(a asking) error {
	return secret.Errorf(secret.Unavailable, a.name, "AWS Secrets Manager throttles %s in the region %s\n  wait a minute, or have the quota of requests raised", a.action, a.s.region)
}

// status is for answers of which only the status tells something, as those of
// gateways in between; nil: it tells nothing.
func (b *Backend) status(a asking) error {
	r, ok := errors.AsType[*smithyhttp.ResponseError](a.err)
	if !ok {
		return nil
	}
	switch status := r.HTTPStatusCode(); {
	case status == http.StatusUnauthorized:
		return secret.Errorf(secret.Unauthenticated, a.name, "the AWS credentials are refused\n  %s", login(a.s))
	case status == http.StatusForbidden:
		return denied(a, "")
	case status == http.StatusTooManyRequests:
		return throttled(a)
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		return secret.Errorf(secret.Unavailable, a.name, "AWS Secrets Manager failed by itself (status %d)\n  try again in a minute", status)
	default:
		return nil
	}
}

// foreign is for answers that Secrets Manager does not give.
func (b *Backend) foreign(a asking) error {
	return secret.Errorf(secret.Invalid, a.name, "%s does not answer as AWS Secrets Manager\n  correct the endpoint, or leave it out", b.address(a.s))
}

// denied names who may not do what, as far as AWS tells, in the forms that
// names of IAM have.
func denied(a asking, said string) error {
	if strings.Contains(said, "KMS") {
		return kmsError(a.name)
	}
	who, action := "who asks", a.action
	if m := regexp.MustCompile(`User: (arn:[A-Za-z0-9:/_+=,.@-]{1,300}) `).FindStringSubmatch(said); m != nil {
		who = m[1]
	}
	if m := regexp.MustCompile(`perform:? ([a-z]{2,30}:[A-Za-z]{2,40})\b`).FindStringSubmatch(said); m != nil {
		action = m[1]
	}
	if strings.HasPrefix(action, "sts:") { // no policy of secrets lets anyone assume a role
		return secret.Errorf(secret.Denied, a.name, "AWS does not let %s do %s\n  compare who asks with the trust policy of the role:  aws iam get-role --role-name ROLE", who, action)
	}
	return secret.Errorf(secret.Denied, a.name, "AWS does not let %s do %s\n  a policy that would:  tacit policy export%s", who, action, verbOf(action))
}

// verbOf is the flag of the command that writes a policy for an action of IAM;
// empty for those of get, which it writes unasked.
func verbOf(action string) string {
	switch strings.TrimPrefix(action, "secretsmanager:") {
	case "CreateSecret", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "TagResource", "UntagResource":
		return " --verb " + string(secret.Put)
	case "DeleteSecret":
		return " --verb " + string(secret.Delete)
	case "RestoreSecret":
		return " --verb " + string(secret.Undelete)
	case "ListSecrets":
		return " --verb " + string(secret.List)
	default:
		return ""
	}
}

func signature(a asking, said string) error {
	if strings.Contains(said, "expired") || strings.Contains(said, "not yet") {
		return secret.Errorf(secret.Unauthenticated, a.name, "the clock of this machine is wrong: AWS takes 5 minutes at most\n  set it:  timedatectl set-ntp true")
	}
	if strings.Contains(said, "region") {
		return secret.Errorf(secret.Unauthenticated, a.name, "the endpoint is not in the region %s\n  set the region of the endpoint:  region = \"…\"", a.s.region)
	}
	return secret.Errorf(secret.Unauthenticated, a.name, "AWS refuses the signature: the secret access key is not that of its key id, or a proxy changes requests\n  aws sts get-caller-identity")
}

// notSignedIn is for a credential chain that found nothing, or was refused.
func (b *Backend) notSignedIn(a asking, in *signInError) error {
	_, over := errors.AsType[*ssocreds.InvalidTokenError](in.error)
	api, answered := errors.AsType[smithy.APIError](in.error)
	switch {
	case over:
		return secret.Errorf(secret.Unauthenticated, a.name, "the AWS sign-in has expired\n  %s", login(a.s))
	case answered:
		return b.signInRefused(a, api)
	case secret.KindOf(in.error) != 0: // the job's identity
		return named(in.error, a.name)
	case strings.Contains(in.Error(), "EC2 IMDS"): // the end of the chain: none of the others applied
		return a.nobody()
	}
	if kind, text := wire.Failure(in.error); text != "no answer" {
		return secret.Errorf(kind, a.name, "signing in to AWS: %s\n  aws sts get-caller-identity", text)
	}
	return a.nobody()
}

// signInRefused is for answers of the services that sign in.
func (b *Backend) signInRefused(a asking, api smithy.APIError) error {
	switch code := api.ErrorCode(); {
	case code == "UnauthorizedException", code == "InvalidGrantException", strings.HasPrefix(code, "ExpiredToken"):
		return secret.Errorf(secret.Unauthenticated, a.name, "the AWS sign-in has expired\n  %s", login(a.s))
	case strings.HasPrefix(code, "AccessDenied"):
		a.action = "sts:AssumeRole"
		return denied(a, api.ErrorMessage())
	case code == "InvalidIdentityToken", code == "IDPRejectedClaim":
		return secret.Errorf(secret.Unauthenticated, a.name, "AWS refuses the identity token: its issuer, audience or subject is not what the role trusts\n  compare them with the trust policy of the role")
	case api.ErrorFault() == smithy.FaultServer:
		return secret.Errorf(secret.Unavailable, a.name, "signing in to AWS failed by itself\n  try again in a minute")
	case made(code, letters+digits) && code != "":
		return secret.Errorf(secret.Unauthenticated, a.name, "AWS refuses to sign in: %s\n  %s", code, login(a.s))
	default:
		return secret.Errorf(secret.Unauthenticated, a.name, "AWS refuses to sign in\n  %s", login(a.s))
	}
}

// login is the command that signs in.
func login(s *session) string {
	if s.profile != "" && s.profile != "default" {
		return "aws sso login --profile " + shell.Word(s.profile)
	}
	return "aws sso login, or set AWS_PROFILE"
}

// address says where the store is, for people.
func (b *Backend) address(s *session) string {
	if b.settings.Endpoint != "" {
		return b.settings.Endpoint
	}
	return "AWS Secrets Manager in " + s.region
}

// unreachable is for requests without an answer.
func (b *Backend) unreachable(a asking) error {
	if e := b.status(a); e != nil {
		return e
	}
	kind, text := wire.Failure(a.err)
	return secret.Errorf(kind, a.name, "%s: %s\n  %s", b.address(a.s), text, b.wayTo(a.err))
}

func (b *Backend) wayTo(err error) string {
	_, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case untrusted(err):
		return `if the authority is your own:  ca_cert = "FILE"`
	case unknown && b.settings.Endpoint == "":
		return "is there such a region, and is the network up?"
	default:
		return "check the network, and the endpoint if one is set"
	}
}

// empty is for an answer of success that lacks what it must hold. Servers also
// end so when they see the caller go.
func (b *Backend) empty(a asking) error {
	if err := interrupted(a.ctx); err != nil {
		return named(err, a.name)
	}
	return secret.Errorf(secret.Unavailable, a.name, "%s gave no whole answer to %s\n  check the endpoint if one is set", b.address(a.s), a.action)
}
