package secret_test

import (
	"slices"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

// Each optional interface, alone, is told by its own word, and in this order.
func TestCapabilities(t *testing.T) {
	type b = secret.Backend
	all := []struct {
		b    secret.Backend
		want string
	}{
		{struct {
			b
			secret.Versioner
		}{}, "versions"},
		{struct {
			b
			secret.Swapper
		}{}, "swap"},
		{struct {
			b
			secret.Creator
		}{}, "create"},
		{struct {
			b
			secret.Undeleter
		}{}, "undelete"},
		{struct {
			b
			secret.VersionRemover
		}{}, "remove versions"},
		{struct {
			b
			secret.Stager
		}{}, "stages"},
		{struct {
			b
			secret.Annotator
		}{}, "annotations"},
		{struct {
			b
			secret.VersionAnnotator
		}{}, "attributes"},
		{struct {
			b
			secret.Limiter
		}{}, "limits"},
		{struct {
			b
			secret.Archiver
		}{}, "backup"},
		{struct {
			b
			secret.BatchGetter
		}{}, "batch"},
		{struct {
			b
			secret.Batcher
		}{}, "batch put"},
		{struct {
			b
			secret.Renamer
		}{}, "rename"},
		{struct {
			b
			secret.Watcher
		}{}, "watch"},
		{struct {
			b
			secret.Lessor
		}{}, "leases"},
		{struct {
			b
			secret.Prober
		}{}, "posture"},
		{struct {
			b
			secret.Grantor
		}{}, "rules"},
	}
	for _, tt := range all {
		if got := secret.Capabilities(tt.b); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	if got := secret.Capabilities(struct{ b }{}); got != nil {
		t.Errorf("a plain backend has %q", got)
	}
}
