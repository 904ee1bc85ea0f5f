package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/broker"
	"github.com/tacit-secrets/tacit/internal/config"
	"github.com/tacit-secrets/tacit/secret"
)

// The bounds of put --batch.
const (
	maxBatchBytes = 64 << 20
	maxBatchLine  = 12 << 20 // the largest value, in base64
	maxProblems   = 20       // told of one batch
)

// batchLine is one line that put --batch reads.
type batchLine struct {
	Env         string            `json:"env"`
	Name        string            `json:"name"`
	Value       *string           `json:"value"`
	Encoding    string            `json:"encoding"` // "base64", or nothing for text
	Description *string           `json:"description"`
	Tags        map[string]string `json:"tags"`
	IfVersion   *uint64           `json:"if_version"` // as --if-version
}

// putBatch writes what stdin has, one JSON object a line: all or nothing.
func (a *app) putBatch(ctx context.Context, f putFlags) error {
	if f.file != "" || f.generate != "" || f.declare != "" || f.description != "" || f.tags != nil || f.ifVersion >= 0 {
		return secret.Errorf(secret.Invalid, "", "--batch takes everything from its lines: values, tags, descriptions, if_version")
	}
	o, err := a.open(ctx)
	if err != nil {
		return err
	}
	puts, err := a.batch(ctx, o)
	if err != nil {
		return err
	}
	if err := a.askProtected(ctx, o, puts[0].Ref); err != nil {
		return err
	}
	if f.dryRun {
		return a.wouldPutAll(puts)
	}
	vs, failed := a.putAll(ctx, o, puts)
	failed = explainBatch(puts, failed)
	if !a.flags.json {
		if failed == nil {
			a.done("put", puts[0].Ref.Env+":", "%d %s", len(puts), plural(len(puts), "secret", "secrets"))
		}
		return failed
	}
	for i, p := range puts[:len(vs)] { // those before a failure too
		if err := a.object(changeJSON{Env: p.Ref.Env, Name: string(p.Ref.Name), Version: vs[i].Number, ID: string(vs[i].ID)}); err != nil {
			return err
		}
	}
	return failed
}

// fitAll names all that the store cannot hold, before anything is written.
func fitAll(ctx context.Context, o *config.Opened, puts []broker.Putting) error {
	var problems []string
	for _, p := range puts {
		if err := o.Broker.Fits(ctx, p.Ref, p.Value, p.Options); err != nil {
			if secret.KindOf(err) != secret.Invalid && secret.KindOf(err) != secret.Unsupported {
				return err // of the store, not of the secret
			}
			problems = append(problems, firstLine(err))
		}
	}
	if len(problems) > 0 {
		return refusedLines(problems)
	}
	return nil
}

// explainBatch says which if_version did not hold.
func explainBatch(puts []broker.Putting, err error) error {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || e.Kind != secret.Conflict || e.State != 0 {
		return err
	}
	for _, p := range puts {
		if p.Old != nil && (e.Name == p.Ref.Name || string(e.Name) == plain(p.Ref)) {
			out := *e
			out.Name, out.Text = "", fmt.Sprintf("%s: version %d is not the current one\n  which is:  tacit history %s", plain(p.Ref), p.Old.Number, plain(p.Ref))
			return &out
		}
	}
	return err
}

func (a *app) wouldPutAll(puts []broker.Putting) error {
	for _, p := range puts {
		if err := a.wouldPut(p.Ref, putFlags{}); err != nil {
			return err
		}
	}
	return nil
}

// putAll writes in one step; one by one, and says so, where the store cannot.
// Then what was written before a failure is returned with it.
func (a *app) putAll(ctx context.Context, o *config.Opened, puts []broker.Putting) ([]secret.Version, error) {
	vs, err := o.Broker.PutAll(ctx, o.Caller, puts)
	if !errors.Is(err, secret.Unsupported) {
		return vs, err
	}
	a.warn("the store of %s writes one secret at a time: what was written before a failure stays", puts[0].Ref.Env)
	vs = make([]secret.Version, len(puts))
	bar := a.progress("put", len(puts))
	defer bar.end()
	for i, p := range puts {
		r := p.Ref
		if p.Old != nil {
			r.At = *p.Old
			vs[i], err = o.Broker.Swap(ctx, o.Caller, r, p.Value, p.Options)
		} else {
			vs[i], err = o.Broker.Put(ctx, o.Caller, r, p.Value, p.Options)
		}
		if err != nil {
			bar.end()
			a.warn("%s", writtenBefore(puts, i))
			return vs[:i], err
		}
		bar.step()
	}
	return vs, nil
}

// writtenBefore tells which part of a batch was written before a failure.
func writtenBefore(puts []broker.Putting, n int) string {
	text := fmt.Sprintf("%d of %d secrets were written before one failed", n, len(puts))
	if n > 0 {
		text += ", in the order of the input, up to " + plain(puts[n-1].Ref) + "\n  go on with the lines behind it: the others would make a version more of each"
	}
	return text
}

// batch reads all lines. What is wrong with any of them is told at once, with
// the lines' numbers, and nothing is written.
func (a *app) batch(ctx context.Context, o *config.Opened) ([]broker.Putting, error) {
	if terminal(a.In) {
		return nil, secret.Errorf(secret.Invalid, "", "--batch reads JSON lines from stdin\n  tacit put --batch < FILE")
	}
	in := bufio.NewScanner(io.LimitReader(a.In, maxBatchBytes+1))
	in.Buffer(nil, maxBatchLine)
	var puts []broker.Putting
	var problems []string
	seen := map[string]int{}
	read, n := 0, 0
	for in.Scan() {
		n++
		read += len(in.Bytes()) + 1
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		p, err := a.batchPut(o, in.Bytes())
		if err == nil {
			err = repeated(seen, p.Ref, n)
		}
		if err == nil && len(puts) > 0 && p.Ref.Env != puts[0].Ref.Env {
			err = fmt.Errorf("a batch writes one environment, not %s and %s", puts[0].Ref.Env, p.Ref.Env)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("line %d: %s", n, err))
			continue
		}
		puts = append(puts, p)
	}
	problems = append(problems, wholeProblems(in.Err(), n, read, len(puts))...)
	if len(puts) == 0 && len(problems) == 0 {
		problems = []string{"stdin is empty"}
	}
	if len(problems) > 0 {
		return nil, refusedLines(problems)
	}
	return puts, fitAll(ctx, o, puts)
}

// wholeProblems is what is wrong with an input as a whole.
func wholeProblems(err error, lines, size, puts int) (problems []string) {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		problems = append(problems, fmt.Sprintf("line %d: is longer than %d bytes", lines+1, maxBatchLine))
	case err != nil:
		problems = append(problems, "the input cannot be read: "+reason(err).Error())
	case size > maxBatchBytes:
		problems = append(problems, fmt.Sprintf("the input is larger than %d bytes", maxBatchBytes))
	case puts > secret.MaxBatch:
		problems = append(problems, fmt.Sprintf("a batch has at most %d secrets, this one has %d", secret.MaxBatch, puts))
	}
	return problems
}

func refusedLines(problems []string) error {
	text := "nothing was written"
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(slices.Clip(problems[:maxProblems]), fmt.Sprintf("and %d more", more))
	}
	return secret.Errorf(secret.Invalid, "", "%s\n  %s", text, strings.Join(problems, "\n  "))
}

func repeated(seen map[string]int, r secret.Ref, line int) error {
	if first, ok := seen[r.String()]; ok {
		return fmt.Errorf("%s stands on line %d already", r, first)
	}
	seen[r.String()] = line
	return nil
}

// batchPut reads one line. No error tells anything of its value.
func (a *app) batchPut(o *config.Opened, line []byte) (broker.Putting, error) {
	var l batchLine
	if err := strictLine(line, &l); err != nil {
		return broker.Putting{}, err
	}
	name, err := secret.ParseName(l.Name)
	if err != nil {
		return broker.Putting{}, errors.New(firstLine(err))
	}
	p := broker.Putting{Ref: secret.Ref{Env: l.Env, Name: name}}
	if p.Ref.Env == "" {
		p.Ref.Env = o.Env
	}
	if l.IfVersion != nil {
		p.Old = &secret.At{Number: *l.IfVersion}
	}
	if l.Description != nil || l.Tags != nil {
		p.Options = &secret.PutOptions{Annotations: &secret.Annotations{Tags: l.Tags}}
		if l.Description != nil {
			p.Options.Annotations.Description = *l.Description
		}
	}
	p.Value, err = l.value()
	return p, err
}

func (l *batchLine) value() (secret.Value, error) {
	switch {
	case l.Value == nil:
		return secret.Value{}, errors.New("has no value")
	case l.Encoding == "":
		return secret.Text(*l.Value), nil
	case l.Encoding != "base64":
		return secret.Value{}, errors.New(`encoding is "base64", or left out`)
	}
	b, err := base64.StdEncoding.DecodeString(*l.Value)
	if err != nil {
		return secret.Value{}, errors.New("the value is not base64")
	}
	return textOrBinary(b), nil
}

// strictLine decodes one object. What the decoder would pass over or alter is
// refused: unknown and repeated keys, and text that is no text. No error tells
// what was read, since it may be part of a value.
func strictLine(line []byte, l *batchLine) error {
	if !utf8.Valid(line) {
		return errors.New("is not UTF-8\n    bytes that are no text go into value as base64")
	}
	if err := json.Unmarshal(line, l); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
			return fmt.Errorf("%s is not a %s", t.Field, t.Type)
		}
		return errors.New("is not one JSON object")
	}
	if l.Value != nil && strings.ContainsRune(*l.Value, utf8.RuneError) && !bytes.ContainsRune(line, utf8.RuneError) && !bytes.Contains(bytes.ToLower(line), []byte(`\ufffd`)) {
		return errors.New(`has half of a \u pair, which is no character`)
	}
	known := []string{"env", "name", "value", "encoding", "description", "tags", "if_version"}
	for _, k := range keys(line) {
		i := slices.Index(known, k)
		if i < 0 {
			return errors.New("has an unknown or repeated key\n    known, once each: env, name, value, encoding, description, tags, if_version")
		}
		known[i] = ""
	}
	return nil
}

// keys returns the keys of a JSON object, as often as they stand there.
func keys(object []byte) []string {
	d := json.NewDecoder(bytes.NewReader(object))
	var out []string
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return []string{""}
	}
	for d.More() {
		t, err := d.Token()
		k, ok := t.(string)
		if err != nil || !ok {
			return []string{""}
		}
		out = append(out, k)
		var skipped json.RawMessage
		if d.Decode(&skipped) != nil {
			return []string{""}
		}
	}
	return out
}

func firstLine(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
