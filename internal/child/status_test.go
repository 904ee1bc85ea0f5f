package child

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tacit-secrets/tacit/secret"
)

func TestWriteStatus(t *testing.T) {
	tests := []struct {
		name string
		r    Result
		err  error
		want string
	}{
		{"child", Result{Started: true, Code: 7}, nil, `{"by":"child","code":7,"started":true}`},
		{"signal", Result{Started: true, Code: 143, Signal: "SIGTERM"}, nil, `{"by":"child","code":143,"started":true,"signal":"SIGTERM"}`},
		{"not found", Result{Code: 127}, secret.Errorf(secret.NotFound, "", "x"), `{"by":"tacit","code":127,"started":false,"error":"not found"}`},
		{"no kind", Result{Code: 1}, errors.New("canary"), `{"by":"tacit","code":1,"started":false,"error":"failed"}`},
		{"replaced", Result{Started: true, Replaced: map[string]int{"KEY": 2}}, nil, `{"by":"child","code":0,"started":true,"replaced":{"KEY":2}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "status")
			for range 2 { // the second time over the first
				if err := WriteStatus(path, tt.r.Status(tt.err)); err != nil {
					t.Fatal(err)
				}
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != tt.want+"\n" {
				t.Errorf("got %s, %v", b, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
	for name, path := range map[string]string{"no folder": "/none/status", "a folder": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			if err := WriteStatus(path, Status{}); !errors.Is(err, secret.Unavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A link is replaced, not followed: another file cannot be overwritten by it.
func TestStatusReplacesALink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip("SKIPPED: no links here: ", err)
	}
	if err := WriteStatus(link, Status{By: "tacit"}); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(target); string(b) != "kept" {
		t.Errorf("the target holds %q", b)
	}
}
