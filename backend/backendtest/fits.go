package backendtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tacit-secrets/tacit/secret"
)

// A putting is what put and fits are both asked.
type putting struct {
	name  secret.Name
	value secret.Value
	opts  *secret.PutOptions
}

func (t *T) puttings() (out []putting) {
	kept, refused := t.names()
	for _, n := range slices.Concat(kept, refused, []secret.Name{"", "a//b", "e\u0301"}) {
		out = append(out, putting{n, text("x"), nil})
	}
	for i, b := range []string{"", "x", strings.Repeat("x", t.cfg.MaxValueBytes), strings.Repeat("x", t.cfg.MaxValueBytes+1)} {
		n := secret.Name(fmt.Sprintf("value/%d", i))
		out = append(out, putting{n, secret.Text(b), nil}, putting{n + "b", secret.Binary([]byte(b)), nil})
	}
	for i, n := range []int{1, 14, 15, 16, 49, 50, 51, 63, 64, 65, 300} {
		tags := map[string]string{}
		for k := range n {
			tags[fmt.Sprintf("key-%d", k)] = "v"
		}
		out = append(out, t.tagged(fmt.Sprintf("tags/%d", i), tags)...)
	}
	for i, size := range []int{1, 127, 128, 129, 255, 256, 257, 511, 512, 513, 70_000} {
		long := strings.Repeat("x", size)
		for j, tags := range []map[string]string{{long: "v"}, {"k": long}, {"k": ""}, {"": "v"}, {"k": "\u00fc\n"}, {"k\n": "v"}, {"a b/c": "d=e"}} {
			out = append(out, t.tagged(fmt.Sprintf("tag/%d/%d", i, j), tags)...)
		}
		if is[secret.Annotator](t) {
			out = append(out, putting{secret.Name(fmt.Sprintf("description/%d", i)), text("x"), &secret.PutOptions{Annotations: &secret.Annotations{Description: long}}})
		}
		if is[secret.VersionAnnotator](t) {
			out = append(out, putting{secret.Name(fmt.Sprintf("type/%d", i)), text("x"), &secret.PutOptions{Attributes: &secret.Attributes{ContentType: long}}})
		}
	}
	return append(out, putting{"option/1", text("x"), &secret.PutOptions{ID: "short"}}, putting{"option/2", text("x"), &secret.PutOptions{Stages: []secret.Stage{secret.Previous}}},
		putting{"option/3", text("x"), &secret.PutOptions{ID: "0123456789abcdef0123456789abcdef"}}, putting{"option/4", text("x"), &secret.PutOptions{Attributes: &secret.Attributes{}}})
}

// tagged puts tags wherever the store keeps some.
func (t *T) tagged(n string, tags map[string]string) (out []putting) {
	if is[secret.Annotator](t) {
		out = append(out, putting{secret.Name(n), text("x"), &secret.PutOptions{Annotations: &secret.Annotations{Tags: tags}}})
	}
	if is[secret.VersionAnnotator](t) {
		out = append(out, putting{secret.Name(n + "v"), text("x"), &secret.PutOptions{Attributes: &secret.Attributes{Tags: tags}}})
	}
	return out
}

// fits asks for names that nothing is stored under: what is put is deleted
// nowhere, so that the answer depends on nothing else.
func fits(t *T) {
	f, _ := t.b.(secret.Fitter)
	if n := f.MaxValueBytes(); n != t.cfg.MaxValueBytes {
		t.Errorf("the largest value has %d bytes, it says %d", t.cfg.MaxValueBytes, n)
	}
	for _, p := range t.puttings() {
		said := f.Fits(p.name, p.value, p.opts)
		_, err := t.b.Put(t.Context(), p.name, p.value, p.opts)
		if secret.KindOf(said) != secret.KindOf(err) {
			t.Errorf("%.40q with %d bytes and %s: it says %v, put says %v", p.name, p.value.Len(), about(p.opts), said, err)
		}
		t.clean(said)
		if said == nil {
			if err := f.Fits(p.name, secret.Value{}, p.opts); err != nil {
				t.Errorf("%.40q without a value: %v", p.name, err)
			}
		}
	}
}

// about says what options are in few words.
func about(o *secret.PutOptions) string {
	s := fmt.Sprintf("%+v", o)
	if o != nil && o.Annotations != nil {
		s = fmt.Sprintf("annotations %+v", *o.Annotations)
	}
	if o != nil && o.Attributes != nil {
		s = fmt.Sprintf("attributes %+v", *o.Attributes)
	}
	return fmt.Sprintf("%.80s (%d bytes)", s, len(s))
}
