package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// editable reports whether an editor can show b and give it back as it was.
func editable(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

// structured reports whether b is a JSON object or a list. A number or a word
// is JSON too, but nobody means it.
func structured(b []byte) bool {
	first := bytes.TrimLeft(b, " \t\r\n")
	return len(first) > 0 && (first[0] == '{' || first[0] == '[') && json.Valid(b)
}

// jsonFault finds the first place where b is not the JSON of an object or a
// list, counted from 1 in lines and characters, and says what is there, without
// any part of the text. what is empty if it is all right.
func jsonFault(b []byte) (line, column int, what string) {
	at, what := faultOffset(b)
	if what == "" {
		return 0, 0, ""
	}
	before := b[:max(0, min(at, len(b)))]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return line, column, what
}

func faultOffset(b []byte) (at int, what string) {
	const ends, breaks = "the text ends too early", "something else is expected here"
	var all json.RawMessage
	err := json.Unmarshal(b, &all)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		if int(syntax.Offset) >= len(b) && !json.Valid(b) && truncated(b) {
			return len(b), ends
		}
		return int(syntax.Offset) - 1, breaks
	}
	if err != nil {
		return 0, breaks
	}
	start := len(b) - len(bytes.TrimLeft(b, " \t\r\n"))
	if !structured(b) {
		return start, "this is no object and no list"
	}
	if at := twice(b); at >= 0 {
		return at, "a field is named a second time"
	}
	return 0, ""
}

// truncated reports whether b could still become JSON by what follows it.
func truncated(b []byte) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	var all json.RawMessage
	err := d.Decode(&all)
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

// twice returns where the object b names a field that it named before: readers
// do not agree which one counts. It is -1 if it does not, or is a list.
func twice(b []byte) int {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return -1
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return -1
		}
		if seen[name] {
			return int(d.InputOffset()) - 1
		}
		seen[name] = true
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return -1
		}
	}
	return -1
}
