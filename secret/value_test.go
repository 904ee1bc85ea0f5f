package secret_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"pgregory.net/rapid"

	"github.com/tacit-secrets/tacit/secret"
)

func TestValue(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, tt := range []struct {
		why    string
		v      secret.Value
		bytes  string
		binary bool
		zero   bool
	}{
		{"no value", secret.Value{}, "", false, true},
		{"an empty text", secret.Text(""), "", false, false},
		{"an empty binary", secret.Binary(nil), "", true, false},
		{"nil bytes as text", secret.Text([]byte(nil)), "", false, false},
		{"text", secret.Text("a\n"), "a\n", false, false},
		{"text of bytes", secret.Text([]byte("a")), "a", false, false},
		{"text of another string type", secret.Text(secret.Name("a")), "a", false, false},
		{"text that is not UTF-8", secret.Text(every), string(every), false, false},
		{"binary", secret.Binary(every), string(every), true, false},
	} {
		if v := tt.v; string(v.Reveal()) != tt.bytes || v.IsBinary() != tt.binary || v.IsZero() != tt.zero || v.Len() != len(tt.bytes) {
			t.Errorf("%s: %d bytes, binary %v, zero %v", tt.why, v.Len(), v.IsBinary(), v.IsZero())
		}
	}
}

func TestValueEqual(t *testing.T) {
	values := []secret.Value{
		{}, secret.Text(""), secret.Binary(nil), secret.Text("a"), secret.Binary([]byte("a")), secret.Text("b"), secret.Text("a\x00"), secret.Text("ab"),
	}
	for i, v := range values {
		for j, w := range values {
			if v.Equal(w) != (i == j) {
				t.Errorf("values %d and %d: equal is %v", i, j, v.Equal(w))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.Byte()).Draw(t, "a"), rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		if secret.Text(a).Equal(secret.Text(b)) != bytes.Equal(a, b) || !secret.Binary(a).Equal(secret.Binary(bytes.Clone(a))) {
			t.Fatal("equal and the bytes disagree")
		}
	})
}

// Time is not measured here: Equal takes constant time because of how it is
// made. It compares bytes by crypto/subtle, and by nothing else.
func TestValueEqualIsConstantTimeByConstruction(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "value.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	compares := 0
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Name.Name != "Equal" {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ForStmt, *ast.RangeStmt, *ast.IndexExpr:
				t.Errorf("Equal looks at single bytes: %T", n)
			case *ast.CallExpr:
				sel, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					t.Errorf("Equal calls %v", n.Fun)
					return true
				}
				switch sel.Sel.Name {
				case "IsZero", "IsBinary", "Reveal":
				case "ConstantTimeCompare":
					compares++
				default:
					t.Errorf("Equal calls %s", sel.Sel.Name)
				}
			}
			return true
		})
	}
	if compares != 1 {
		t.Errorf("Equal compares %d times in constant time", compares)
	}
}

// A Value has no way back from text, so that no decoder makes one whose bytes
// its own errors quote.
func TestValueIsNotDecoded(t *testing.T) {
	var in []secret.Value
	if err := json.Unmarshal([]byte(`["`+canary+`"]`), &in); err == nil || leaks(err.Error()) != "" || len(in) > 0 && !in[0].IsZero() {
		t.Errorf("decoded, with %v", err)
	}
	if _, ok := any(new(secret.Value)).(encoding.TextUnmarshaler); ok {
		t.Error("a value reads text")
	}
}
