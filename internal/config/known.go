package config

import (
	"reflect"
	"slices"
	"strings"
)

// knownSettings lists the settings that a struct decodes, with "*" for the
// name in a table of one's own choice: "env.*.backend".
func knownSettings(v any) []string {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return settingsOf(t, "")
}

func settingsOf(t reflect.Type, prefix string) []string {
	var out []string
	for f := range t.Fields() {
		name := f.Tag.Get("toml")
		if name == "" {
			continue
		}
		out = append(out, prefix+name)
		ft := f.Type
		below := prefix + name + "."
		for ft.Kind() == reflect.Pointer || ft.Kind() == reflect.Map {
			if ft.Kind() == reflect.Map {
				out = append(out, below+"*")
				below += "*."
			}
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct {
			out = append(out, settingsOf(ft, below)...)
		}
	}
	return out
}

// matchesSetting reports whether key is the known setting.
func matchesSetting(known string, key []string) bool {
	parts := strings.Split(known, ".")
	return slices.EqualFunc(parts, key, func(p, k string) bool { return p == "*" || p == k })
}

// nearestSetting returns the known setting in the same table whose last part
// is nearest to key's; empty if none is near.
func nearestSetting(known, key []string) string {
	table, last := key[:len(key)-1], key[len(key)-1]
	best, found := 1+len(last)/2, ""
	for _, k := range known {
		parts := strings.Split(k, ".")
		n := len(parts) - 1
		if parts[n] == "*" || !slices.EqualFunc(parts[:n], table, func(p, t string) bool { return p == "*" || p == t }) {
			continue
		}
		if d := Distance(parts[n], last); d < best {
			best, found = d, strings.Join(append(slices.Clone(table), parts[n]), ".")
		}
	}
	return found
}

// Distance returns how many insertions, removals, replacements and swaps of
// neighbours turn a into b, in bytes.
func Distance(a, b string) int {
	prev, row := make([]int, len(b)+1), make([]int, len(b)+1)
	before := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, row = prev, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
