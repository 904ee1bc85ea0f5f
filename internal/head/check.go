package head

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tacit-secrets/tacit/secret"
)

// Bounds of what writers may say about a secret. A head is read whole, and
// some readers take every head.
const (
	MaxText       = 64 << 10 // bytes of a description and its tags, or of a version's attributes
	MaxStages     = 256      // stages of one secret: each holds back a version from being dropped
	MaxStageBytes = 256      // bytes of one stage
)

// CheckOptions refuses options that no put takes; nil is none.
func CheckOptions(name secret.Name, o *secret.PutOptions) error {
	if o == nil {
		return nil
	}
	if len(o.Stages) > MaxStages {
		return tooManyStages(name)
	}
	for _, s := range o.Stages {
		if err := checkStage(name, s); err != nil {
			return err
		}
	}
	if o.ID != "" && o.ID.Check() != nil {
		return secret.Errorf(secret.Invalid, name, "a version's id has 32 to 64 visible ASCII characters")
	}
	if o.Annotations != nil {
		if err := checkAnnotations(name, *o.Annotations); err != nil {
			return err
		}
	}
	if o.Attributes != nil {
		return checkAttributes(name, o.Attributes)
	}
	return nil
}

// checkStage refuses what is no stage, and the one that writers do not move.
func checkStage(name secret.Name, s secret.Stage) error {
	switch {
	case s == secret.Previous:
		return secret.Errorf(secret.Invalid, name, "the stage previous is moved by the store alone")
	case s == "" || len(s) > MaxStageBytes || !utf8.ValidString(string(s)) || strings.ContainsFunc(string(s), unseen):
		return secret.Errorf(secret.Invalid, name, "a stage has 1 to %d bytes, without control characters", MaxStageBytes)
	default:
		return nil
	}
}

// checkStages refuses a head with more stages than a secret has.
func (h *Head) checkStages(name secret.Name) error {
	n := 0
	for i := range h.Versions {
		n += len(h.Versions[i].Stages)
	}
	if n > MaxStages {
		return tooManyStages(name)
	}
	return nil
}

func tooManyStages(name secret.Name) error {
	return secret.Errorf(secret.Invalid, name, "a secret has at most %d stages", MaxStages)
}

func unseen(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

func checkAnnotations(name secret.Name, a secret.Annotations) error {
	return checkText(name, a.Description, a.Tags)
}

func checkAttributes(name secret.Name, a *secret.Attributes) error {
	return checkText(name, a.ContentType, a.Tags)
}

func checkText(name secret.Name, first string, tags map[string]string) error {
	all := []string{first}
	for k, v := range tags {
		all = append(all, k, v)
	}
	size := 0
	for _, s := range all {
		size += len(s)
	}
	if size > MaxText {
		return secret.Errorf(secret.Invalid, name, "description and tags have at most %d bytes together, these have %d", MaxText, size)
	}
	if slices.ContainsFunc(all, func(s string) bool { return !utf8.ValidString(s) }) {
		return secret.Errorf(secret.Invalid, name, "a description or tag is not UTF-8")
	}
	return nil
}
