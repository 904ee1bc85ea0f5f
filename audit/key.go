package audit

// ParseKey checks a log's public key: "tacit+3c1e8f0a+AWp…". What is none, is
// [secret.Invalid].
func ParseKey(s string) error { return checkKey(s) }
