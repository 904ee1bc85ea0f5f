package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// The list of settings is what the documents and flags are made from: it holds
// all there are, and what weakens stands in the user's own file alone.
func TestSettings(t *testing.T) {
	var names []string
	for _, s := range Settings() {
		switch {
		case s.Doc == "":
			t.Errorf("%+v says nothing", s)
		case s.Weakens && (s.Var != "" || s.Flag != "" || s.Name == ""):
			t.Errorf("%s weakens, and can be set by a variable or a flag", s.Name)
		case !s.Weakens && s.Var == "":
			t.Errorf("%+v weakens nothing, and has no variable", s)
		}
		if s.Name != "" {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	var known []string
	for _, k := range knownSettings(User{}) {
		if f, _ := reflect.TypeOf(User{}).FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, k) }); f.Type == nil || f.Type.Kind() != reflect.Struct {
			known = append(known, k)
		}
	}
	slices.Sort(known)
	if !slices.Equal(names, known) {
		t.Errorf("the list has %v, config.toml may say %v", names, known)
	}
}

// A variable named after a setting that weakens changes nothing.
func TestAbuseSettingsByVariable(t *testing.T) {
	vars := map[string]string{}
	for _, s := range Settings() {
		if s.Weakens {
			vars["TACIT_"+strings.ToUpper(strings.NewReplacer(".", "_").Replace(s.Name))] = "/evil"
		}
	}
	if len(vars) == 0 {
		t.Fatal("no setting weakens")
	}
	u, err := readUser(NewSystem(t.TempDir(), t.TempDir(), "mia", vars))
	if err != nil || !reflect.DeepEqual(u, User{}) {
		t.Errorf("%+v, %v", u, err)
	}
}

// Every variable of tacit's own that the code names is on the list.
func TestEveryVariableIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, s := range Settings() {
		listed[s.Var] = true
	}
	literal := regexp.MustCompile(`"(TACIT_[A-Z_]*[A-Z])"`)
	seen := 0
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range literal.FindAllSubmatch(text, -1) {
			if seen++; !listed[string(m[1])] {
				t.Errorf("%s reads %s, which is not on the list of settings", path, m[1])
			}
		}
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("%d variables seen, %v", seen, err)
	}
}

// The schema accepts what the reader accepts, and refuses what it does not
// know.
func TestSchema(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	for file, ok := range map[string]bool{
		`{"project":"x","env":{"dev":{"backend":"local","protected":true,"secrets":{"A":{"ref":"a"}}}},"secrets":{"B":{"compose":"x","use":{"host":"h"}}}}`: true,
		`{}`:                                                     true,
		`{"env":{"dev":{"backend":"etcd"}}}`:                     false,
		`{"env":{"dev":{"protekted":true}}}`:                     false,
		`{"env":{"dev":{"backend":null}}}`:                       false,
		`{"env":{"dev":{"prefix":"x"}}}`:                         false,
		`{"secrets":{"A-B":{"ref":"a"}}}`:                        false,
		`{"secrets":{"A":{"ref":"a","as":"disk"}}}`:              false,
		`{"secrets":{"A":{"ref":"a","use":{"header":"x"}}}}`:     false,
		`{"secrets":{"A":{"ref":"a","required":"yes"}}}`:         false,
		`{"env":{"dev":{"secrets":{"A":{"ref":"a","x":1}}}}}`:    false,
		`{"nothing":"of the kind"}`:                              false,
		`{"secrets":{"A":{"ref":"a","use":{"host":"h","y":1}}}}`: false,
	} {
		var v any
		if err := json.Unmarshal([]byte(file), &v); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(v); (err == nil) != ok {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, setting := range FileSettings() {
		if setting.Doc == "" {
			t.Errorf("%s has no description", setting.Name)
		}
	}
}
