package cli

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

// A thing is one secret of the tests, with what can be told of it.
type thing struct {
	name, value string // the value in base64 where it is binary
	binary      bool
	tags        map[string]string
}

// things are n secrets of all sorts that every store holds.
func things(n int) (out []thing) {
	for i := range n {
		x := thing{name: fmt.Sprintf("team-%d/app%04d", i%7, i), value: fmt.Sprintf(`{"user":"u%d","password":"canary-%d"}`, i, i)}
		switch i % 10 {
		case 1:
			x.value = fmt.Sprintf("canary text\n%d\nwith lines\n", i)
		case 2:
			x.value = strings.Repeat("x", 20_000) + fmt.Sprint(i)
		case 3:
			x.binary, x.value = true, base64.StdEncoding.EncodeToString([]byte{0, 1, 0xff, byte(i), 0xfe})
		case 4:
			x.value = `{ "b": 1.0,  "a": 12345678901234567890, "ü": "<&>"}`
		case 5:
			x.tags = map[string]string{"owner": "payments", "n": fmt.Sprint(i)}
		case 6:
			x.name = fmt.Sprintf("TEAM/App_%d", i)
		}
		out = append(out, x)
	}
	return out
}

func (w *world) fillWith(t *testing.T, env string, all []thing) {
	t.Helper()
	var in bytes.Buffer
	for _, x := range all {
		line := map[string]any{"env": env, "name": x.name, "value": x.value}
		if x.binary {
			line["encoding"] = "base64"
		}
		if x.tags != nil {
			line["tags"] = x.tags
		}
		if err := json.NewEncoder(&in).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	w.tacit(t, &in, "put", "--batch")
}

// told is what a listing says of each name: its tags, and nothing that differs
// between stores.
func (w *world) told(t *testing.T, env string) map[string]string {
	t.Helper()
	out := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(w.tacit(t, nil, "list", env+":", "--long", "--json")))
	for lines.Scan() {
		var l struct {
			Name string
			Tags map[string]string
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(l.Tags)
		if err != nil {
			t.Fatal(err)
		}
		out[l.Name] = string(b)
	}
	return out
}

// versions counts the versions of a secret.
func (w *world) versions(t *testing.T, ref string) int {
	t.Helper()
	return bytes.Count(w.tacit(t, nil, "history", ref, "--json"), []byte("\n"))
}

// TestStoresCopy copies between each pair of stores, kills each copy half way,
// runs it again, and compares what is there then.
func TestStoresCopy(t *testing.T) {
	n := 100
	if os.Getenv("TACIT_TEST_SOAK") != "" {
		n = 1000
	}
	stores, id := theStores(t), unique(t)
	tables := map[string]string{}
	for _, from := range stores {
		tables["from-"+from.name] = from.table("from-"+from.name, id+"/from/")
		for _, to := range stores {
			env := from.name + "-to-" + to.name
			tables[env] = to.table(env, id+"/of-"+from.name+"/")
		}
	}
	w := storeWorld(t, stores, tables)
	all := things(n)
	for _, from := range stores {
		start := time.Now()
		w.fillWith(t, "from-"+from.name, all)
		t.Logf("%s: %d secrets put in %s", from.label, n, time.Since(start).Round(time.Millisecond))
	}
	for _, from := range stores {
		for _, to := range stores {
			t.Run(from.label+" to "+to.label, func(t *testing.T) {
				w.copies(t, "from-"+from.name, from.name+"-to-"+to.name, all)
			})
		}
	}
	w.tacit(t, nil, "audit", "verify")
}

func (w *world) copies(t *testing.T, from, to string, all []thing) {
	t.Helper()
	if !w.killedCopy(t, from, to, len(all)/3) {
		t.Log("the copy was done before it was killed")
	}
	start := time.Now()
	w.tacit(t, nil, "copy", "-r", from+":", to+":")
	t.Logf("finished in %s", time.Since(start).Round(time.Millisecond))
	if out := w.tacit(t, nil, "diff", from+":", to+":"); len(out) > 0 {
		t.Errorf("they differ:\n%s", out)
	}
	if a, b := w.told(t, from), w.told(t, to); len(a) != len(all) || !maps.Equal(a, b) {
		t.Errorf("%d secrets are told as %d others, or with other tags:\n%v\n%v", len(a), len(b), a, b)
	}
	for i, x := range all {
		if i%(len(all)/10) > 1 {
			continue
		}
		want := x.value
		if x.binary {
			b, err := base64.StdEncoding.DecodeString(x.value)
			if err != nil {
				t.Fatal(err)
			}
			want = string(b)
		}
		if got := w.tacit(t, nil, "get", to+":"+x.name); string(got) != want {
			t.Errorf("%s came with other bytes", x.name)
		}
		if v := w.versions(t, to+":"+x.name); v != 1 {
			t.Errorf("%s was written %d times", x.name, v)
		}
	}
	if out := w.tacit(t, nil, "copy", "-r", from+":", to+":", "--json"); len(out) > 0 {
		t.Errorf("copied once more, it does:\n%s", out)
	}
}

// killedCopy kills a copy after so many secrets; false if it was faster.
func (w *world) killedCopy(t *testing.T, from, to string, after int) bool {
	t.Helper()
	cmd := w.command(t, "copy", "-r", from+":", to+":", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for range after {
		if _, err := lines.ReadString('\n'); err != nil {
			break
		}
	}
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, lines)
	err = cmd.Wait()
	if errs.Len() > 0 {
		t.Errorf("it says:\n%s", &errs)
	}
	return err != nil
}
