package envfmt

import (
	"bufio"
	"encoding/base64"
	"io"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// Options say what a format needs besides names and values. An option that
// does not belong to the format is [secret.Invalid]. nil is none.
type Options struct {
	// For is the program that will read a [Dotenv] file: values are written in
	// a way that it, too, reads back, and what it would alter is refused. Empty:
	// as most programs read it; see [Altered].
	For Program
	// Masks is where the lines go that make GitHub's runner hide the values in
	// the log: its standard output. Required for [GitHub], and for it only. A
	// value's masks are written before the value is.
	Masks io.Writer
	// Object is the name of the [Kubernetes] Secret; required there.
	Object string
	// Namespace of the Kubernetes Secret; empty for the reader's own.
	Namespace string
}

// A Writer writes names and values one by one, in one format. Memory does not
// grow with their number. It is for one goroutine.
//
// The caller gives no name twice, and throws away what was written before an
// error: it is not a whole text.
type Writer struct {
	w      *bufio.Writer
	format Format
	o      Options
	count  int
	size   int // of the values, in bytes; for Kubernetes' limit
	err    error
}

// NewWriter returns a Writer; wrong options are [secret.Invalid].
func NewWriter(w io.Writer, f Format, o *Options) (*Writer, error) {
	if _, err := ParseFormat(string(f)); err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	if err := o.check(f); err != nil {
		return nil, err
	}
	return &Writer{w: bufio.NewWriter(w), format: f, o: *o}, nil
}

func (o *Options) check(f Format) error {
	switch {
	case o.For != "" && f != Dotenv:
		return secret.Errorf(secret.Invalid, "", "only .env files are written for a program, this is %s\n  leave --for out", f)
	case o.Masks != nil && f != GitHub:
		return secret.Errorf(secret.Invalid, "", "only GitHub's runner takes masks, this is %s", f)
	case (o.Object != "" || o.Namespace != "") && f != Kubernetes:
		return secret.Errorf(secret.Invalid, "", "only a Kubernetes Secret has a name and a namespace, this is %s", f)
	case f == GitHub && o.Masks == nil:
		return secret.Errorf(secret.Invalid, "", "values for GitHub are not written without masks")
	case f == Kubernetes:
		return o.checkManifest()
	case o.For != "":
		_, err := ParseProgram(string(o.For))
		return err
	default:
		return nil
	}
}

// Write writes one name and its value. What the format (or the program that
// [Options.For] names) cannot hold is [secret.Invalid], and nothing of it is
// written. An output that fails is [secret.Unavailable]. Every error is final.
func (w *Writer) Write(name string, v secret.Value) error {
	if w.err == nil {
		w.err = w.write(name, v)
	}
	return w.err
}

func (w *Writer) write(name string, v secret.Value) error {
	if err := w.format.Check(name, v); err != nil {
		return err
	}
	if w.size += v.Len(); w.format == Kubernetes && w.size > maxManifest {
		return secret.Errorf(secret.Invalid, "", "with %s the values are larger than 1 MiB, which one Kubernetes Secret cannot hold\n  write fewer into it", name)
	}
	if w.o.For != "" {
		if _, ok := pickFor(w.o.For, string(v.Reveal())); !ok {
			return secret.Errorf(secret.Invalid, "", "%s holds what %s would not read back from a .env file\n  take another format for it: --format json", name, w.o.For)
		}
	}
	if w.format == GitHub {
		if err := writeMasks(w.o.Masks, v); err != nil {
			return err
		}
	}
	if w.count++; w.count == 1 {
		w.text(w.before())
	} else {
		w.text(w.between())
	}
	w.entry(name, v)
	return w.failed()
}

// Close writes what ends the text, and passes on what is still held back. It
// does not close the writer below. It returns the error that ended the writing
// before, if any.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	switch {
	case w.count == 0:
		w.text(w.none())
	case w.format == JSON:
		w.text("\n}\n")
	}
	if err := w.w.Flush(); err != nil {
		w.err = unwritten(err)
	}
	return w.err
}

// unwritten words the failure of an output.
func unwritten(err error) error {
	return &secret.Error{Kind: secret.Unavailable, Text: "the output cannot be written", Err: err}
}

// failed asks whether an output failed; bufio keeps the first error.
func (w *Writer) failed() error {
	if _, err := w.w.Write(nil); err != nil {
		return unwritten(err)
	}
	return nil
}

func (w *Writer) text(s string) { _, _ = w.w.WriteString(s) }

func (w *Writer) bytes(b []byte) { _, _ = w.w.Write(b) }

func (w *Writer) before() string {
	switch w.format {
	case JSON:
		return "{\n"
	case Kubernetes:
		return w.o.manifestHead() + "data:\n"
	default:
		return ""
	}
}

func (w *Writer) between() string {
	if w.format == JSON {
		return ",\n"
	}
	return ""
}

// none is the text of no entries.
func (w *Writer) none() string {
	switch w.format {
	case JSON, YAML:
		return "{}\n"
	case Kubernetes:
		return w.o.manifestHead() + "data: {}\n"
	default:
		return ""
	}
}

func (w *Writer) entry(name string, v secret.Value) {
	b := v.Reveal()
	switch w.format {
	case Dotenv:
		w.text(name + "=" + w.dotenv(string(b)) + "\n")
	case Shell:
		w.text("export " + name + "='" + strings.ReplaceAll(string(b), "'", `'\''`) + "'\n")
	case Docker:
		w.text(name + "=" + string(b) + "\n")
	case Systemd:
		w.text(name + `="` + escapeSystemd(b) + "\"\n")
	case GitHub:
		end := delimiter(b)
		w.text(name + "<<" + end + "\n" + string(b) + "\n" + end + "\n")
	case JSON:
		w.text("  ")
		w.bytes(append(append(appendQuoted(nil, []byte(name)), ": "...), appendQuoted(nil, b)...))
	case YAML:
		w.key(name, "")
		w.bytes(append(appendQuoted(nil, b), '\n'))
	case Kubernetes:
		w.key(name, "  ")
		w.text(`"` + base64.StdEncoding.EncodeToString(b) + "\"\n")
	case TOML:
		key := []byte(name)
		if !only(name, nameBytes+"-") {
			key = appendQuoted(nil, key)
		}
		w.bytes(append(append(key, " = "...), append(appendQuoted(nil, b), '\n')...))
	}
}

// dotenv returns a value as it is written; that there is a form for the
// program was checked.
func (w *Writer) dotenv(v string) string {
	if w.o.For == "" {
		return pick(v).String()
	}
	f, _ := pickFor(w.o.For, v)
	return f.String()
}

// maxSimpleKey is shorter than the 1,024 characters after which YAML wants a
// key to be marked as one.
const maxSimpleKey = 1000

// key writes a key of YAML, quoted, since yes, null and 1 are no texts there.
func (w *Writer) key(name, indent string) {
	quoted := string(appendQuoted(nil, []byte(name)))
	if len(quoted) > maxSimpleKey {
		w.text(indent + "? " + quoted + "\n" + indent + ": ")
		return
	}
	w.text(indent + quoted + ": ")
}
