// Package render puts secrets into texts: configuration files and the like that
// a program wants to read as files. A text is a Go template with a short list
// of functions, and references stand in it as
//
//	{{ secret "app/db#password" }}
//	{{ tacit://app/db#password | url }}
//	tacit://app/db#password
//	{{ .DATABASE_URL }}                  a secret that tacit.toml declares
//
// All references are known before anything is read, so that they are resolved
// together, and a text that lacks one is not made at all. A template cannot
// read files or the environment, call methods, loop, or call itself: what it
// can do is bounded by its length.
//
// The package does no I/O and knows no store.
package render
