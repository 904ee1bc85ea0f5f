package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzBatchLine reads lines of put --batch. One that is taken says the same to
// every JSON reader, and an error repeats nothing of what was read.
func FuzzBatchLine(f *testing.F) {
	for _, s := range []string{
		`{"name":"a","value":"b"}`, `{"name":"a","value":"\ud800"}`, `{"name":"a","value":"\ufffd"}`, `{"value":"a","value":"b"}`,
		`{"name":"a","value":"b","tags":{"k":"v"},"if_version":3}`, `[]`, `null`, "{\"name\":\"\xff\"}", `{"name":7}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var l batchLine
		if err := strictLine(line, &l); err != nil {
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats its input: %v", err)
			}
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(line, &plain); err != nil {
			t.Fatalf("%q was taken: %v", line, err)
		}
		if v, ok := plain["value"].(string); ok != (l.Value != nil) || ok && v != *l.Value {
			t.Errorf("%q was read as %v", line, l.Value)
		}
	})
}
