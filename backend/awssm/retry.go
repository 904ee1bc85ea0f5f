package awssm

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/tacit-secrets/tacit/internal/wire"
)

// tries is how often a request is sent at most.
const tries = 5

func (b *Backend) standard() aws.Retryer { return retry.NewStandard(b.retries) }

// adaptive also sends less where AWS throttles.
func (b *Backend) adaptive() aws.Retryer {
	if b.steady {
		return b.standard()
	}
	return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.StandardOptions = append(o.StandardOptions, b.retries)
	})
}

func (b *Backend) retries(o *retry.StandardOptions) {
	o.MaxAttempts, o.MaxBackoff = tries, b.backoff
	o.Backoff = retry.NewExponentialJitterBackoff(b.backoff)
	o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(hopeless)}, o.Retryables...)
}

// nearby is for the metadata of a machine, which answers at once if there is
// any: whoever has no credentials at all hears so soon.
func nearby() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 200 * time.Millisecond, nil })
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(noMachine)}, o.Retryables...)
	})
}

// noMachine says no where the system says that there is no such address. That
// nobody answered in a quarter of a second may be a busy machine.
func noMachine(err error) aws.Ternary {
	if late, ok := errors.AsType[net.Error](err); wire.Unsent(err) && (!ok || !late.Timeout()) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// hopeless says no to what stays as it is, however often it is asked: the SDK
// takes a full quota for throttling, and a certificate for a lost connection.
// Where there was no connection at all, the system has tried for long enough:
// whoever has no network is told so at once.
func hopeless(err error) aws.Ternary {
	if codeOf(err) == "LimitExceededException" || errors.Is(err, wire.ErrLoop) || wire.Unsent(err) {
		return aws.FalseTernary
	}
	if _, ok := errors.AsType[*signInError](err); ok {
		return aws.FalseTernary // the chain tried again by itself
	}
	return aws.UnknownTernary
}

// untrusted reports whether the server's certificate was refused.
func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}
