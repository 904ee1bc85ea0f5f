package segment

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/tacit-secrets/tacit/secret"
)

// MaxLine bounds a line of a segment: a record with all its texts escaped.
const MaxLine = 128 << 10

// Encode encodes a record, or a header, as the log keeps it: fixed order of
// keys, no escaping for HTML, no newline.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, secret.Errorf(secret.Invalid, "", "a record cannot be written: %s", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Decode decodes a line and demands that it is, byte for byte, what Encode
// would write: so no flipped bit goes unnoticed.
func Decode(b []byte, v any) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode(v) != nil {
		return false
	}
	again, err := Encode(v)
	return err == nil && bytes.Equal(again, b)
}

// ErrTorn says that a segment ends in the middle of a line.
var ErrTorn = errors.New("torn line")

// Lines calls f with each line of r, without its newline, and where the next
// one begins. A last line without newline is ErrTorn; so is one too long.
func Lines(r io.Reader, f func(b []byte, next int64) error) error {
	in := bufio.NewReaderSize(r, MaxLine)
	var at int64
	for {
		b, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(b) == 0:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
			return ErrTorn
		case err != nil:
			return Unreadable(err)
		}
		at += int64(len(b))
		if err := f(b[:len(b)-1], at); err != nil {
			return err
		}
	}
}

// AnyLines is Lines for what may be anything: it passes over what is too long,
// or has no end.
func AnyLines(r io.Reader, f func(b []byte) error) error {
	in := bufio.NewReaderSize(r, MaxLine)
	long := false
	for {
		b, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
			long = true
			continue
		case err != nil:
			return Unreadable(err)
		}
		if !long {
			if err := f(b[:len(b)-1]); err != nil {
				return err
			}
		}
		long = false
	}
}
