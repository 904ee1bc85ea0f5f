package envfmt

import (
	"bufio"
	"errors"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The documented rules of programs that cannot be had everywhere (docker) or
// at all (GitHub's runner), written anew from their sources.

// dockerRules reads lines through a scanner of 64 KiB, cuts blanks before the
// name, and takes the rest of the line.
func dockerRules(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	got := map[string]string{}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if !utf8.Valid(sc.Bytes()) {
			return nil, errors.New("invalid utf8")
		}
		line := strings.TrimLeftFunc(sc.Text(), unicode.IsSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if strings.ContainsAny(name, " \t") || name == "" {
			return nil, errors.New("bad name")
		}
		if ok {
			got[name] = value
		}
	}
	return got, sc.Err()
}

// githubRules is what the runner does with its environment file, on Linux and,
// if a line ends in CR LF, on Windows: both must agree.
func githubRules(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	linux, err := runner(string(b), false)
	if err != nil {
		return nil, err
	}
	windows, err := runner(string(b), true)
	if err != nil {
		return nil, err
	}
	if d := differences(linux, windows); d != "" {
		return nil, errors.New("Windows reads it differently: " + d)
	}
	return linux, nil
}

func runner(text string, windows bool) (map[string]string, error) {
	got := map[string]string{}
	at := 0
	readLine := func() (line, newline string, ok bool) {
		if at >= len(text) {
			return "", "", false
		}
		rest := text[at:]
		lf := strings.Index(rest, "\n")
		if lf < 0 {
			at = len(text)
			return rest, "", true
		}
		if crlf := strings.Index(rest, "\r\n"); windows && crlf >= 0 && crlf < lf {
			at += crlf + 2
			return rest[:crlf], "\r\n", true
		}
		at += lf + 1
		return rest[:lf], "\n", true
	}
	for {
		line, _, ok := readLine()
		if !ok {
			return got, nil
		}
		if line == "" {
			continue
		}
		equal, here := strings.Index(line, "="), strings.Index(line, "<<")
		if here < 0 || equal >= 0 && equal < here {
			if equal <= 0 {
				return nil, errors.New("invalid format")
			}
			got[line[:equal]] = line[equal+1:]
			continue
		}
		name, delimiter := line[:here], line[here+2:]
		if name == "" || delimiter == "" {
			return nil, errors.New("invalid format")
		}
		start, end := at, at
		for {
			l, newline, ok := readLine()
			if ok && l == delimiter {
				break
			}
			if !ok || newline == "" {
				return nil, errors.New("matching delimiter not found")
			}
			end = at - len(newline)
		}
		got[name] = text[start:max(start, end)]
	}
}
