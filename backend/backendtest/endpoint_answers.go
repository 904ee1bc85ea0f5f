package backendtest

import (
	"github.com/tacit-secrets/tacit/backend/backendtest/fault"
	"github.com/tacit-secrets/tacit/secret"
)

// answerCases are about answers of success that are none.
func answerCases() []endpointCase {
	return []endpointCase{
		{name: "wire: answer that is too long is an error", ask: tooLong},
		{name: "wire: garbage is an error", ask: garbage},
		{name: "wire: list that breaks off is an error", ask: brokenList},
	}
}

func tooLong(e *endpoint) {
	e.put("app/db", "one")
	e.breaks(0, fault.Long)
	err := e.get("app/db")
	e.isAnError("get", err)
	if n := len(e.p.Broken()); n > e.ec.MaxTries {
		e.Errorf("it is asked %d times", n)
	}
	_, err = e.b.Describe(e.Context(), "app/db")
	e.isAnError("describe", err)
	e.mends()
	e.reads("app/db", secret.At{}, "one")
}

func garbage(e *endpoint) {
	e.put("app/db", "one")
	for what, f := range map[string]fault.Fault{
		"a page":          fault.Give(fault.Answer{Status: 200, Body: "<html>sign in</html>"}),
		"half an answer":  fault.Cut,
		"nothing":         fault.Give(fault.Answer{Status: 200}),
		"an empty object": fault.Give(fault.JSON(200, "{}")),
		"null":            fault.Give(fault.JSON(200, "null")),
		"a list":          fault.Give(fault.JSON(200, "[1,2]")),
		"deep":            fault.Give(fault.JSON(200, `{"data":{"data":[{"x":{"y":[[[[]]]]}}]},"value":[],"SecretString":{}}`)),
	} {
		e.breaks(0, f)
		v, err := e.b.Get(e.Context(), "app/db", secret.At{})
		e.isAnError("get of "+what, err)
		if !v.Value.IsZero() {
			e.Errorf("%s is taken for a value", what)
		}
		e.isAnError("put answered by "+what, e.write("app/other", "two"))
		_, err = e.b.Describe(e.Context(), "app/db")
		e.isAnError("describe of "+what, err)
	}
}

// brokenList: what is left of a list is never taken for all there is.
func brokenList(e *endpoint) {
	e.put("a", "one")
	e.put("b", "two")
	for what, f := range map[string]fault.Fault{
		"throttled": fault.Give(e.ec.Throttled), "denied": fault.Give(e.ec.Denied), "cut off": fault.Cut, "reset": fault.ResetMidBody, "a page": fault.Give(fault.Answer{Status: 200, Body: "<html>"}),
	} {
		e.breaks(0, f)
		var last error
		for _, err := range e.b.List(e.Context(), nil) {
			last = err
		}
		e.isAnError("list, "+what, last)
	}
	e.mends()
	e.lists(nil, "a", "b")
}
