package secret_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"expvar"
	"fmt"
	htmltemplate "html/template"
	"log"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template"

	"github.com/tacit-secrets/tacit/secret"
)

// canary is in every value of these tests, and in nothing that is written.
const canary = "hunter2-canary"

// forms are the ways in which the beginning of the canary can be written.
var forms = sync.OnceValue(func() map[string]string {
	b := []byte(canary[:6])
	out := map[string]string{"text": string(b), "hex": hex.EncodeToString(b), "base64": base64.StdEncoding.EncodeToString(b)}
	for _, verb := range []string{"%d", "%b", "%o", "%O", "%c", "%U", "% x", "%#x", "%# x"} {
		out[verb] = strings.Trim(fmt.Sprintf(verb, b), "[]")
	}
	out["%#v"] = strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte"), "{}")
	for name, form := range out {
		out[name] = strings.ToLower(form)
	}
	return out
})

// leaks names the forms in which s holds the canary; empty if there is none.
func leaks(s string) string {
	s = strings.ToLower(s)
	var found []string
	for name, form := range forms() {
		if strings.Contains(s, form) {
			found = append(found, name)
		}
	}
	return strings.Join(found, ", ")
}

// A naive value is what a Value must not be: with it the net below is seen to
// hold.
type naive struct{ b []byte }

func (naive) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[naive]")) }

// within puts a value wherever Go can keep one. S stands for a Value or for a
// naive one.
func within[S any](v S) map[string]any {
	type exported struct{ V S }
	type unexported struct{ v S }
	type embedded struct {
		unexported
		p *unexported
	}
	type anything struct{ a any }
	return map[string]any{
		"itself": v, "pointer": &v, "exported field": exported{v}, "unexported field": unexported{v},
		"pointer to unexported field": &unexported{v}, "deep": embedded{unexported{v}, &unexported{v}}, "interface field": anything{v},
		"unexported pointer": struct{ p *S }{&v}, "slice": []S{v}, "array": [1]S{v}, "map": map[string]S{"k": v}, "map of fields": map[string]unexported{"k": {v}},
		"map key": map[*S]int{&v: 1}, "slice of any": []any{v, &v}, "version": []any{struct{ v any }{[]any{v}}},
		"method value": struct{ f func() S }{func() S { return v }},
	}
}

func TestFmtShowsNoValue(t *testing.T) {
	for where, x := range within(secret.Text(canary)) {
		for _, s := range formatted(x) {
			if form := leaks(s); form != "" {
				t.Fatalf("%s: as %s in %s", where, form, s)
			}
		}
	}
	for _, v := range []any{secret.Version{Value: secret.Text(canary)}, &secret.Version{Value: secret.Text(canary)}, secret.Result{Version: secret.Version{Value: secret.Text(canary)}}} {
		for _, s := range formatted(v) {
			if form := leaks(s); form != "" {
				t.Fatalf("as %s in %s", form, s)
			}
		}
	}
	caught := ""
	for _, s := range formatted(struct{ v naive }{naive{[]byte(canary)}}) {
		caught += leaks(s) + ", "
	}
	for form := range forms() {
		if form != "base64" && !strings.Contains(caught, form+", ") {
			t.Errorf("the net does not hold: a naive value is not seen as %s", form)
		}
	}
}

// formatted is x by every verb, with every set of flags.
func formatted(x any) []string {
	var out []string
	for _, flags := range subsets("+-# 0") {
		for verb := 'A'; verb <= 'z'; verb++ {
			for _, size := range []string{"", "40", ".40", "4.2"} {
				out = append(out, fmt.Sprintf("%"+flags+size+string(verb), x))
			}
		}
	}
	for _, wrong := range []string{"%!", "", "%[2]v", "%*d", "%.*d", "%"} { // what is left over, missing or bad is printed too
		out = append(out, fmt.Sprintf(wrong, x), fmt.Sprintf(wrong, x, x))
	}
	return append(out, fmt.Sprint(x), fmt.Sprintln(x), fmt.Sprint("a", x, x))
}

func subsets(all string) []string {
	out := []string{""}
	for _, c := range all {
		for _, s := range slices.Clone(out) {
			out = append(out, s+string(c))
		}
	}
	return out
}

func TestValuePrintsPlaceholder(t *testing.T) {
	v := secret.Text(canary)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%e", "%z"} {
		if got := fmt.Sprintf(verb, v); got != "[secret]" {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if got := fmt.Sprint(secret.Value{}, &v); got != "[secret] [secret]" {
		t.Errorf("%s: no value and a value are told apart, or shown", got)
	}
}

func TestEncodersRefuseValues(t *testing.T) {
	v := secret.Text(canary)
	type attribute struct {
		V secret.Value `xml:"v,attr"`
	}
	type text struct {
		V secret.Value `xml:",chardata"`
	}
	type options struct {
		V secret.Value `json:"v,omitempty"`
	}
	type embedded struct{ secret.Value }
	sources := within(v)
	sources["embedded"], sources["options"], sources["attribute"], sources["text"] = embedded{v}, options{v}, attribute{v}, text{v}
	encoders := map[string]func(any) ([]byte, error){
		"json": json.Marshal, "json, indented": func(x any) ([]byte, error) { return json.MarshalIndent(x, "", " ") },
		"xml": xml.Marshal, "asn1": asn1.Marshal,
		"gob": func(x any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(x)
			return b.Bytes(), err
		},
		"binary": func(x any) ([]byte, error) {
			var b bytes.Buffer
			err := binary.Write(&b, binary.BigEndian, x)
			return b.Bytes(), err
		},
	}
	for name, encode := range encoders {
		for where, x := range sources {
			out, err := encode(x)
			if form := leaks(string(out) + " " + fmt.Sprint(err)); form != "" {
				t.Errorf("%s of %s: as %s", name, where, form)
			}
		}
		for _, x := range []any{v, &v, struct{ V secret.Value }{v}, []secret.Value{v}, secret.Version{Value: v}} {
			if out, err := encode(x); err == nil {
				t.Errorf("%s: a %T is encoded as %s, where a reader would take it for the value", name, x, out)
			}
		}
	}
	if out, err := json.Marshal(map[*secret.Value]int{&v: 1}); err == nil {
		t.Errorf("as a key: %s", out)
	}
	if out, err := json.Marshal(struct {
		V secret.Value `json:"v,omitzero"`
	}{}); err != nil || string(out) != "{}" {
		t.Errorf("no value is left out: %s, %v", out, err)
	}
}

func TestLogsShowNoValue(t *testing.T) {
	var b bytes.Buffer
	opts := &slog.HandlerOptions{AddSource: true}
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, opts), slog.NewJSONHandler(&b, opts)} {
		for _, x := range within(secret.Text(canary)) {
			l := slog.New(h).With("with", x).WithGroup("group")
			l.Info("message", slog.Any("key", x), slog.Group("inner", slog.Any("a", x)), slog.Any("any", []any{x}))
			l.Error("failed", "err", fmt.Errorf("wrapped %v: %w", x, secret.Errorf(secret.Invalid, "a", "%v", x)))
		}
	}
	for _, x := range within(secret.Text(canary)) {
		log.New(&b, "", 0).Print("a", x)
		log.New(&b, "", 0).Printf("%v %+v %#v", x, x, x)
	}
	if form := leaks(b.String()); form != "" {
		t.Errorf("as %s", form)
	}
	b.Reset()
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", secret.Text(canary))
	if !strings.Contains(b.String(), `"v":"[secret]"`) {
		t.Errorf("%s", b.String())
	}
}

func TestTemplatesShowNoValue(t *testing.T) {
	const text = `{{.}} {{print .}} {{printf "%s %x %q %d %+v %#v" . . . . . .}} {{html .}} {{js .}} {{urlquery .}}`
	const page = `<a href="?{{.}}" title="{{.}}" onclick="f({{.}})">{{.}}</a><script>var x = {{.}}</script><style>a{b:{{.}}}</style>`
	for where, x := range within(secret.Text(canary)) {
		var b bytes.Buffer
		err1 := template.Must(template.New("").Parse(text)).Execute(&b, x)
		err2 := htmltemplate.Must(htmltemplate.New("").Parse(page)).Execute(&b, x)
		if form := leaks(b.String() + fmt.Sprint(err1, err2)); form != "" {
			t.Errorf("%s: as %s", where, form)
		}
	}
}

func TestOthersShowNoValue(t *testing.T) {
	v := secret.Text(canary)
	var out []string
	for _, x := range within(v) {
		out = append(out, expvar.Func(func() any { return x }).String(), errors.Join(fmt.Errorf("%v", x), fmt.Errorf("%+v", x)).Error())
		func() {
			defer func() { out = append(out, fmt.Sprint(recover())) }()
			panic(x)
		}()
	}
	out = append(out, strconv.Quote(fmt.Sprint(v)), fmt.Sprint(reflect.ValueOf(v)), fmt.Sprint(reflect.ValueOf(&v).Elem()), reflect.ValueOf(v).String())
	if form := leaks(strings.Join(out, "\n")); form != "" {
		t.Errorf("as %s", form)
	}
}

// A walk by reflection, as printers and dumpers do it, unexported fields
// included, ends at the function.
func TestReflectionFindsNoValue(t *testing.T) {
	for where, x := range within(secret.Text(canary)) {
		if walk(reflect.ValueOf(x)) {
			t.Errorf("%s: found", where)
		}
	}
	for where, x := range within(naive{[]byte(canary)}) {
		if found := walk(reflect.ValueOf(x)); found == (where == "method value") {
			t.Errorf("the net does not hold: %s of a naive value: found is %v", where, found)
		}
	}
}

// walk reports whether anything that can be read from v holds the canary.
func walk(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && walk(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if walk(v.Field(i)) {
				return true
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if walk(k) || walk(v.MapIndex(k)) {
				return true
			}
		}
	case reflect.String:
		return strings.Contains(v.String(), canary)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return bytes.Contains(v.Bytes(), []byte(canary))
		}
		for i := range v.Len() {
			if walk(v.Index(i)) {
				return true
			}
		}
	default: // numbers, functions and channels hold no text
	}
	return false
}
