package azurekv

import (
	"encoding/json"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"

	"github.com/tacit-secrets/tacit/secret"
)

// FuzzTags reads tags that anybody wrote, writes them, and reads them again.
func FuzzTags(f *testing.F) {
	f.Add(`{"tacit-n":"1767323045000","tacit-w":"W","tacit-parent":"p","tacit-s":"[\"owner\"]","owner":"payments","file-encoding":"utf-8"}`)
	f.Add(`{"tacit-s":"{","tacit-s-":"x","tacit-s-a":"1","a":"2","TACIT-N":"7","tacit-name":"x","":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		var tags map[string]string
		if json.Unmarshal([]byte(text), &tags) != nil {
			return
		}
		given := map[string]*string{}
		for k, v := range tags {
			given[k] = to.Ptr(v)
		}
		h := hold(nil, nil, nil, given)
		v := h.version()
		for k := range v.Tags {
			if reserved(k) {
				t.Fatalf("%q is told as a tag of the version", k)
			}
		}
		if n := nameOf("app--db", given); n != "app/db" {
			t.Fatalf("a tag makes it %q", n)
		}
		written, err := h.writeTags("app/db")
		if err != nil {
			return // beyond the limits
		}
		again := hold(nil, nil, nil, written)
		if len(again.about.Tags) != len(h.about.Tags) || len(again.attrs.Tags) != len(h.attrs.Tags) || again.about.Description != h.about.Description {
			t.Fatalf("%v became %v", tags, written)
		}
	})
}

// FuzzArchive opens what may be a backup.
func FuzzArchive(f *testing.F) {
	c := call{n: "app/db", az: "app--db"}
	f.Add([]byte(archiveMagic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, blob []byte) {
		if inner, err := c.open(blob); err == nil || secret.KindOf(err) != secret.Invalid || inner != nil {
			t.Fatalf("%d bytes are taken for a backup", len(blob))
		}
	})
}

// FuzzValue keeps values in every form.
func FuzzValue(f *testing.F) {
	f.Add([]byte("text"), false, "")
	f.Add([]byte{0, 255}, true, "image/png")
	f.Add([]byte("AP8="), false, "a;base64")
	f.Fuzz(func(t *testing.T, b []byte, binary bool, kind string) {
		v := secret.Text(b)
		if binary {
			v = secret.Binary(b)
		}
		wire, typed, err := pack("n", v, kind)
		if err != nil {
			return
		}
		text, jsonErr := json.Marshal(wire)
		var back string
		if jsonErr != nil || json.Unmarshal(text, &back) != nil {
			t.Fatalf("it is no text")
		}
		_, told := kept(typed)
		if got := unpack(back, typed); !got.Equal(v) || told != kind && kind != anyBytes && kind != anyText {
			t.Fatalf("%q of %q comes back as another value or of %q", b, kind, told)
		}
	})
}
