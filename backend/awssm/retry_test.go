package awssm

import (
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/tacit-secrets/tacit/backend/awssm/internal/awswire"
	"github.com/tacit-secrets/tacit/secret"
)

// failing is a network on which each request to some host fails.
type failing struct {
	*network
	host string
	err  error
}

// RoundTrip implements http.RoundTripper.
func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := f.network.RoundTrip(r)
	if r.URL.Host == f.host {
		return nil, f.err
	}
	return answer, err
}

// TestNoConnectionIsTriedOnce: whoever has no network hears of it at once, by
// the store as by the service that signs in; a connection that broke is another
// matter.
func TestNoConnectionIsTriedOnce(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	for what, c := range map[string]struct {
		err  error
		want int
		says string
	}{
		"refused":        {refused, 1, "connection refused"},
		"no route":       {&net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}, 1, "cannot be reached"},
		"silent network": {&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, 1, "no answer in time"},
		"no name server": {&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: "store.example", IsTemporary: true}}, 1, "store.example is not known"},
		"no proxy":       {&net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused}, 1, "HTTPS_PROXY"},
		"reset":          {&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, tries, "broke off"},
	} {
		for _, host := range []string{"secretsmanager.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"} {
			t.Run(what+", "+host, func(t *testing.T) {
				isolate(t)
				n, _, _ := newNetwork(awswire.Options{})
				b := open(t, Settings{Region: "eu-west-1", RoleARN: role})
				b.rt = failing{n, host, c.err}
				_, err := b.Get(t.Context(), "app/db", secret.At{})
				tells(t, err, secret.Unavailable, "app/db", c.says)
				if n.met[host] != c.want {
					t.Errorf("it is asked %d times, want %d", n.met[host], c.want)
				}
			})
		}
	}
}

// TestNoMachine: where there is no metadata of a machine, nobody waits for it;
// where it is slow, it is asked again, and soon.
func TestNoMachine(t *testing.T) {
	r := nearby()
	for what, c := range map[string]struct {
		err   error
		again bool
	}{
		"refused":     {&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, false},
		"no network":  {&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}, false},
		"not in time": {&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, true},
		"reset":       {&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, true},
	} {
		if got := r.IsErrorRetryable(&smithyhttp.RequestSendError{Err: c.err}); got != c.again {
			t.Errorf("%s: tried again is %v", what, got)
		}
	}
	if wait, err := r.RetryDelay(r.MaxAttempts(), nil); err != nil || wait > time.Second {
		t.Errorf("it waits %s, %v", wait, err)
	}
}

// TestThrottledSendsLess: where AWS throttles, writes and reads of many slow
// down, and a read of one only tries again.
func TestThrottledSendsLess(t *testing.T) {
	isolate(t)
	s, err := newLab(t, Settings{}).session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		client *secretsmanager.Client
		slows  bool
	}{"read": {s.read, false}, "write": {s.write, true}, "many": {s.many, true}} {
		if _, slows := c.client.Options().Retryer.(*retry.AdaptiveMode); slows != c.slows {
			t.Errorf("%s: slows down: %v", what, slows)
		}
	}
}
