// Package cli is the tacit command: one file per command. A command reads its
// arguments, asks the Broker, and prints; it decides nothing about secrets.
//
// The rules of the terminal:
//
//   - Values, and tables one asked for, go to stdout. Everything else goes to
//     stderr: what happened, questions, warnings, errors.
//   - Piped output is raw: no newline is added to a value, nothing is cut, no
//     colour. A terminal gets one newline, and columns fit its width.
//   - What happened is one line: a verb in the first column, then the thing
//     concerned. An error begins with "tacit: " and ends in a way out, on a
//     line of its own, as a command one can paste.
//   - No exclamation mark, no capitals for effect, no full stop after a single
//     line. Colour only adds; it never carries meaning.
//   - --json prints one object a line, in the words of docs/words.md.
//   - A question is asked on a terminal only. Without one, the answer is the
//     careful one, and the error names the flag that answers.
package cli
