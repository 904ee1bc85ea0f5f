package audit

import (
	"github.com/tacit-secrets/tacit/audit/internal/segment"
)

// ParseKey checks a log's public key: "tacit+3c1e8f0a+AWp…". What is none, is
// [secret.Invalid].
func ParseKey(s string) error { return segment.CheckKey(s) }
