package envfmt

import (
	"encoding/base64"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tacit-secrets/tacit/secret"
)

// kubernetes reads data (base64) and stringData of the manifest of one Secret.
// Nothing else in it is kept. A key in both is given twice.
func (s *set) kubernetes(b []byte) {
	root := s.yamlRoot(b)
	if root == nil {
		return
	}
	seen := map[string]int{}
	s.pairs(root, func(key, value *yaml.Node) {
		s.onceName(seen, key.Value, key.Line)
		switch key.Value {
		case "apiVersion":
			s.must(value, "v1", "an apiVersion other than v1")
		case "kind":
			s.must(value, "Secret", "a kind other than Secret; give one manifest at a time")
		case "data":
			s.data(value, s.base64)
		case "stringData":
			s.data(value, func(n *yaml.Node) ([]byte, bool) { return []byte(n.Value), true })
		case "metadata", "type", "immutable":
		default:
			s.problem(key.Line, "a member that no Secret has")
		}
	})
	if seen["kind"] == 0 || seen["apiVersion"] == 0 {
		s.problem(root.Line, "no manifest of a Secret: apiVersion or kind is missing")
	}
}

func (s *set) must(n *yaml.Node, want, why string) {
	if n.Kind != yaml.ScalarNode || n.Value != want {
		s.problem(n.Line, "%s", why)
	}
}

// data reads one of the two mappings.
func (s *set) data(n *yaml.Node, decode func(*yaml.Node) ([]byte, bool)) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // as kubectl writes an empty one
	}
	if n.Kind != yaml.MappingNode {
		s.problem(n.Line, "no mapping of keys to values")
		return
	}
	s.pairs(n, func(key, value *yaml.Node) {
		if value.Kind != yaml.ScalarNode || value.Tag != "!!str" {
			s.problem(value.Line, "a value that is no string; put it in quotes")
			return
		}
		if b, ok := decode(value); ok {
			s.add(key.Line, key.Value, b)
		}
	})
}

// base64 decodes a value of data, whose lines may be broken.
func (s *set) base64(n *yaml.Node) ([]byte, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(n.Value, " ", ""))
	if err != nil {
		s.problem(n.Line, "a value under data that is no base64; plain text belongs under stringData")
		return nil, false
	}
	return b, true
}

// manifestHead returns what stands before the values.
func (o *Options) manifestHead() string {
	head := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: " + string(appendQuoted(nil, []byte(o.Object))) + "\n"
	if o.Namespace != "" {
		head += "  namespace: " + string(appendQuoted(nil, []byte(o.Namespace))) + "\n"
	}
	return head + "type: Opaque\n"
}

// checkManifest refuses what Kubernetes would refuse as a name.
func (o *Options) checkManifest() error {
	if !objectName(o.Object, 253) {
		return secret.Errorf(secret.Invalid, "", "%.300q is no name of a Kubernetes object: a-z, 0-9, - and ., at most 253 bytes", o.Object)
	}
	if o.Namespace != "" && (!objectName(o.Namespace, 63) || strings.Contains(o.Namespace, ".")) {
		return secret.Errorf(secret.Invalid, "", "%.300q is no Kubernetes namespace: a-z, 0-9 and -, at most 63 bytes", o.Namespace)
	}
	return nil
}

func objectName(s string, most int) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || !only(part, "abcdefghijklmnopqrstuvwxyz0123456789-") || part[0] == '-' || part[len(part)-1] == '-' {
			return false
		}
	}
	return len(s) <= most
}
