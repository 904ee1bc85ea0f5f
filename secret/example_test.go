package secret_test

import (
	"errors"
	"fmt"

	"github.com/tacit-secrets/tacit/secret"
)

func ExampleParseRef() {
	r, err := secret.ParseRef("dev:claude/api#claude_api_key@previous")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("environment", r.Env)
	fmt.Println("name       ", r.Name)
	fmt.Println("field      ", r.Field)
	fmt.Println("stage      ", r.At.Stage)
	// Output:
	// environment dev
	// name        claude/api
	// field       claude_api_key
	// stage       previous
}

// A percent is written as %25 only before one of the four codes that mean
// something in a reference: a name from another store stays as it is.
func ExampleRef_String() {
	fmt.Println(secret.Ref{Env: "prod", Name: "%2Fprod/db", Field: "password"})
	fmt.Println(secret.Ref{Name: "smtp/mia@example.com"})
	fmt.Println(secret.Ref{Name: "as it is: %3A", At: secret.At{Number: 3}})
	// Output:
	// prod:%2Fprod/db#password
	// smtp/mia%40example.com
	// as it is%3A %253A@3
}

func ExampleParseName() {
	for _, s := range []string{"claude/api", "../api", "claude//api", "api\n"} {
		n, err := secret.ParseName(s)
		fmt.Printf("%q %v\n", n, err)
	}
	// Output:
	// "claude/api" <nil>
	// "" name "../api" has an empty, "." or ".." segment
	// "" name "claude//api" has an empty, "." or ".." segment
	// "" a name contains control or format characters
}

// Whatever prints, logs or encodes a value shows a placeholder or refuses.
func ExampleValue() {
	v := secret.Text("correct horse battery staple")
	fmt.Printf("%v %s %x %+v\n", v, v, v, struct{ hidden secret.Value }{v}.hidden)
	fmt.Println(len(v.Reveal()), "bytes")
	// Output:
	// [secret] [secret] [secret] [secret]
	// 28 bytes
}

func ExampleKindOf() {
	err := fmt.Errorf("deploy: %w", &secret.Error{Kind: secret.NotFound, State: secret.Deleted, Name: "claude/api"})
	switch secret.KindOf(err) {
	case secret.NotFound:
		fmt.Println("not there; can come back:", errors.Is(err, secret.Deleted))
	case secret.Unavailable:
		fmt.Println("try again")
	default:
		fmt.Println(err)
	}
	// Output:
	// not there; can come back: true
}

func ExamplePrincipal_Split() {
	kind, id, ok := secret.Principal("agent:claude-code").Split()
	fmt.Println(kind, id, ok)
	_, _, ok = secret.Principal("claude-code").Split()
	fmt.Println(ok)
	// Output:
	// agent claude-code true
	// false
}
