package envfmt_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/tacit-secrets/tacit/internal/envfmt"
	"github.com/tacit-secrets/tacit/secret"
)

// A .env file becomes a shell file.
func Example() {
	const file = "# of the app\nUSER=app\nPASSWORD=\"it's \\\"$5\\\"\"\n"
	f, err := envfmt.Detect(".env", []byte(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	entries, err := envfmt.Read(strings.NewReader(file), f)
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := envfmt.NewWriter(os.Stdout, envfmt.Shell, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range entries {
		if err := w.Write(e.Name, e.Value); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// export USER='app'
	// export PASSWORD='it'\''s "$5"'
}

// A file that is half right yields nothing, and says why.
func ExampleRead() {
	entries, err := envfmt.Read(strings.NewReader("A=1\nB\nC='x\nA=2\n"), envfmt.Dotenv)
	fmt.Println(len(entries))
	fmt.Println(err)
	// Output:
	// 0
	// 3 problems in the dotenv text; nothing was read
	//   line 2: no = after a name
	//   line 3: its quote is not closed
	//   line 4: A is given again, first on line 1
}

// Who would not read a value back as it is.
func ExampleAltered() {
	for _, v := range []string{"plain", "a b", "${HOME}", "'\"\n`"} {
		fmt.Println(envfmt.Altered(secret.Text(v)))
	}
	// Output:
	// []
	// [docker]
	// [python docker]
	// [node docker]
}
