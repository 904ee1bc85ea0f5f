package backendtest

import (
	"fmt"
	"slices"

	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/secret"
)

// statusCases are about answers that are errors.
func statusCases() []endpointCase {
	batch := func(e *endpoint) bool { return is[secret.BatchGetter](e.T) }
	return []endpointCase{
		{name: "wire: each status that is no success is an error", ask: statuses},
		{name: "wire: refused write writes nothing", ask: refusedWrite},
		{name: "wire: missing right is denied", ask: deniedRight},
		{name: "wire: credential that is over is unauthenticated", ask: overForLong},
		{name: "wire: credential that is over is replaced", needs: func(e *endpoint) bool { return e.ec.SignsIn }, ask: replaced},
		{name: "wire: batch that is denied is read one by one", needs: batch, ask: batchDenied},
	}
}

// kinds are those that an answer of a status may be of; none: any.
func kinds(status int) []secret.Kind {
	switch {
	case status == 401:
		return []secret.Kind{secret.Unauthenticated}
	case status == 403:
		return []secret.Kind{secret.Denied, secret.Unauthenticated}
	case status == 429 || status >= 500 && status != 501:
		return []secret.Kind{secret.Unavailable}
	}
	return nil
}

func statuses(e *endpoint) {
	e.put("app/db", "one")
	for _, status := range []int{202, 204, 300, 301, 304, 307, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 418, 429, 500, 501, 502, 503, 504, 599} {
		for form, a := range map[string]fault.Answer{
			"no body":         {Status: status},
			"the store's":     e.ec.Error(status, "something"),
			"a gateway's":     {Status: status, Body: "<html>error</html>"},
			"another store's": fault.JSON(status, `{"unknown":{"deep":[1,2,3]}}`),
		} {
			if status < 300 && form == "the store's" {
				continue
			}
			if status == 204 || status == 304 {
				a.Body = ""
			}
			what := fmt.Sprintf("%d with %s", status, form)
			e.breaks(0, fault.Give(a))
			err := e.get("app/db")
			e.isAnError(what, err)
			if want := kinds(status); want != nil && !slices.Contains(want, secret.KindOf(err)) {
				e.Errorf("%s is %v", what, err)
			}
			if n := len(e.p.Broken()); n > e.ec.MaxTries || status == 501 && n != 1 {
				e.Errorf("%s is asked for %d times", what, n)
			}
		}
	}
	e.mends()
	e.reads("app/db", secret.At{}, "one")
}

func refusedWrite(e *endpoint) {
	e.put("app/there", "one")
	for _, status := range []int{400, 401, 403, 404, 405, 413, 429, 500, 501, 503} {
		e.loses(0, fault.Give(e.ec.Error(status, "something")))
		e.isAnError(fmt.Sprint(status), e.write("app/db", "two"))
		e.isAnError(fmt.Sprint(status), e.write("app/there", "two"))
		if n := len(e.p.Broken()); n == 0 {
			e.Errorf("%d: nothing was broken", status)
		}
	}
	e.mends()
	e.reads("app/there", secret.At{}, "one")
	if n := e.count("app/there"); n != 1 {
		e.Errorf("there are %d versions", n)
	}
	e.fails(e.get("app/db"), secret.NotFound, 0)
}

func deniedRight(e *endpoint) {
	e.put("app/db", "one")
	e.breaks(0, fault.Give(e.ec.Denied))
	e.says(e.get("app/db"), secret.Denied, "app/db")
	e.says(e.write("app/db", "two"), secret.Denied, "app/db")
	e.mends()
	e.reads("app/db", secret.At{}, "one")
}

func overForLong(e *endpoint) {
	e.put("app/db", "one")
	e.breaks(0, fault.Give(e.ec.Expired))
	e.says(e.get("app/db"), secret.Unauthenticated)
	if n := len(e.p.Broken()); n > 3 {
		e.Errorf("it is asked %d times", n)
	}
	e.says(e.write("app/db", "two"), secret.Unauthenticated)
	e.mends()
	e.reads("app/db", secret.At{}, "one")
}

func replaced(e *endpoint) {
	e.put("app/db", "one")
	e.breaks(1, fault.Give(e.ec.Expired))
	e.reads("app/db", secret.At{}, "one")
	e.breaks(1, fault.Give(e.ec.Expired))
	e.put("app/db", "two")
	e.loses(1, fault.Give(e.ec.Expired))
	e.put("app/db", "three")
	e.mends()
	if n := e.count("app/db"); is[secret.Versioner](e.T) && n != 3 {
		e.Errorf("three puts made %d versions", n)
	}
}

func batchDenied(e *endpoint) {
	if e.ec.Batch == nil {
		e.Fatalf("the test does not say which requests are batches")
	}
	var names []secret.Name
	for i := range 25 {
		names = append(names, secret.Name(fmt.Sprintf("n/%02d", i)))
		e.put(names[i], string(names[i]))
	}
	names = append(names, "none")
	e.p.Set(fault.Rule{On: e.ec.Batch, Do: fault.Give(e.ec.Denied)})
	got := use[secret.BatchGetter](e.T).GetBatch(e.Context(), names)
	if len(e.p.Broken()) == 0 || len(got) != len(names) {
		e.Fatalf("%d answers, %d batches were broken", len(got), len(e.p.Broken()))
	}
	for i, r := range got[:len(got)-1] {
		if r.Err != nil || !r.Version.Value.Equal(text(string(names[i]))) {
			e.Errorf("%s: %v", names[i], r.Err)
		}
	}
	e.fails(got[len(got)-1].Err, secret.NotFound, 0)
}
