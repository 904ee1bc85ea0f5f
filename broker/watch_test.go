package broker_test

import (
	"context"
	"testing"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/secret"
)

func TestWatch(t *testing.T) {
	h := open(t, prefixed)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var got []secret.Name
	for n, err := range h.Watch(ctx, mia(), "dev") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
		switch len(got) {
		case 1: // it began
			if r := h.log.last(); r.Verb != secret.List || r.For != "watch" || r.Outcome != audit.OK {
				t.Errorf("not on record before the first name: %+v", r)
			}
			if _, err := h.store.Put(ctx, "team/y/other", secret.Text(canary), nil); err != nil { // of another environment
				t.Fatal(err)
			}
			h.put(t, "a", canary)
		case 2:
			stop()
		}
	}
	if len(got) != 2 || got[0] != "" || got[1] != "a" {
		t.Errorf("it told of %q", got)
	}
}

// Who may list nothing learns of no name; and nobody learns nothing at all.
func TestWatchTellsOnlyWhatMayBeListed(t *testing.T) {
	h := open(t, nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	lister := secret.Caller{Principal: "agent:lister", How: secret.ByMark} // may list dev:claude
	var got []secret.Name
	for n, err := range h.Watch(ctx, lister, "dev") {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, n); len(got) == 1 {
			h.put(t, "app/db", canary)
			h.put(t, "claude/api", canary)
		} else {
			stop()
		}
	}
	if len(got) != 2 || got[1] != "claude/api" {
		t.Errorf("it told of %q", got)
	}
	for _, err := range h.Watch(t.Context(), secret.Caller{}, "dev") {
		wantKind(t, err, secret.Denied)
	}
}

func TestWatchWithoutAWatcher(t *testing.T) {
	h := open(t, nil)
	b, err := broker.New(broker.Config{Envs: map[string]broker.Env{"dev": broker.Opened(bare{h.store})}, Policy: anyone{}, Log: h.log, Now: h.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	for n, err := range b.Watch(t.Context(), mia(), "dev") {
		if n != "" || err != nil {
			t.Errorf("%q, %v", n, err)
		}
		break
	}
}
