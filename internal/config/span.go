package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/tacit-secrets/tacit/secret"
)

// MaxSpan is the longest span of time that a setting may name.
const MaxSpan = 100 * 365 * 24 * time.Hour

// ParseSpan reads a span of time: what [time.ParseDuration] reads, and whole
// numbers of days ("90d"), weeks ("2w") and years of 365 days ("1y"). It is
// not negative and at most [MaxSpan]; the error is of kind [secret.Invalid].
func ParseSpan(s string) (time.Duration, error) {
	bad := secret.Errorf(secret.Invalid, "", "%q is no span of time\n  write it like 90d, 2w, 8h or 30m", s)
	if s == "" || len(s) > 32 {
		return 0, bad
	}
	days := map[byte]int{'d': 1, 'w': 7, 'y': 365}[s[len(s)-1]]
	if days > 0 {
		n, err := strconv.ParseUint(strings.TrimSuffix(s, s[len(s)-1:]), 10, 16)
		if err != nil || time.Duration(n)*24*time.Hour > MaxSpan/time.Duration(days) {
			return 0, bad
		}
		return time.Duration(n) * time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > MaxSpan {
		return 0, bad
	}
	return d, nil
}

// spanText writes a span as a setting has it: 24h, 90m.
func spanText(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	default:
		return d.String()
	}
}
