package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tacit-secrets/tacit/audit"
	"github.com/tacit-secrets/tacit/secret"
)

// recordNumber reads the number of a record.
func recordNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, secret.Errorf(secret.Invalid, "", "%q is no record's number\n  tacit audit list --json shows them as n", s)
	}
	return n, nil
}

// prove writes a proof that a record of a verified log is in a checkpoint: the
// one kept elsewhere, or the newest.
func (a *app) prove(ctx context.Context, dir string, n uint64, o audit.VerifyOptions, r audit.Report) error {
	p, err := audit.ProveRecord(ctx, dir, n, o.Checkpoint)
	if err != nil {
		return err
	}
	key, err := holdsFor(&p, r.FirstKeys)
	if err != nil {
		return err
	}
	if err := a.object(p); err != nil {
		return err
	}
	a.say("proved", "record "+strconv.FormatUint(n, 10), "first key %s", key)
	a.hint("whoever has that key can check it without the log:  tacit audit verify --proof FILE --key KEY")
	return nil
}

// holdsFor returns the first key, of those of a log's epochs, under which a
// proof holds.
func holdsFor(p *audit.Proof, keys []string) (string, error) {
	err := error(secret.Errorf(secret.Corrupt, "", "the log has no first key"))
	for _, k := range keys {
		if err = p.Check(k); err == nil {
			return k, nil
		}
	}
	return "", err
}

// checkProof checks a proof without any log, and shows the record.
func (a *app) checkProof(path string, o audit.VerifyOptions) error {
	if o.FirstKey == "" {
		return secret.Errorf(secret.Invalid, "", "a proof is checked with the log's first key, from elsewhere\n  tacit audit verify --proof FILE --key KEY")
	}
	b, err := readFile(path)
	if err != nil {
		return err
	}
	var p audit.Proof
	var r audit.Record
	if json.Unmarshal(b, &p) != nil || json.Unmarshal([]byte(p.Record), &r) != nil || r.N != p.N {
		return secret.Errorf(secret.Invalid, "", "%s: this is no proof of a record\n  tacit audit verify --record N > FILE writes one", path)
	}
	if err := p.Check(o.FirstKey); err != nil {
		return err
	}
	if o.Checkpoint != "" && p.Checkpoint != o.Checkpoint {
		return secret.Errorf(secret.Corrupt, "", "the proof holds, but for another checkpoint than the one kept elsewhere\n  make one for it:  tacit audit verify --record N --checkpoint FILE")
	}
	a.say("proved", fmt.Sprintf("record %d", p.N), "first key %s", o.FirstKey)
	if a.flags.json {
		return a.object(r)
	}
	return a.details(r)
}
