// Package envfmt reads and writes sets of names and values in the formats in
// which they are usually kept: .env files, JSON, YAML, TOML, shell, docker and
// systemd environment files, GitHub's environment file and Kubernetes Secrets.
//
// A value is never altered. What a format cannot hold is refused, by
// [Format.Check] and by [Writer.Write]; what a text leaves in doubt is refused
// by [Read], which names every line that is wrong and then yields nothing.
// Each format means what its own program reads (bash and dash, systemd,
// docker, python-dotenv, the GitHub runner, kubectl), and a text in which
// such programs, or their versions, disagree is refused.
//
// How values that are no text are read from JSON, YAML and TOML:
//
//   - A number, a truth value, a date is the text that stands there, so that
//     no digit is lost: 9007199254740993, 1.10 and 0777 stay as they are.
//   - An object (mapping, table) or a list is one value: its JSON text. A
//     reference reaches into it: name#field. JSON is kept byte for byte.
//   - null is no value and refused.
//
// Values are written as strings, whatever they hold, so that reading returns
// the same bytes. A value is binary when its bytes are not UTF-8.
//
// The package runs nothing, expands nothing and opens no file. It does not
// decide what becomes of the entries.
package envfmt
