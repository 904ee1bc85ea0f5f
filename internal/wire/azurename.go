package wire

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
)

// MaxAzureName is the length of the longest name in an Azure Key Vault.
const MaxAzureName = 127

// Of a name whose encoding is too long: how much of it stays readable, and how
// many characters of its hash follow. Fewer could be made to collide on
// purpose.
const (
	azureSlug = 98
	azureHash = 26
)

// AzureName encodes a name of a secret for Azure Key Vault, where names are of
// lower-case letters, digits and "-": "/" becomes "--", a byte that has no
// place there "---" and two hexadecimal digits. A name that could only be read
// as itself stays, so that each lower-case name in a vault is the encoding of
// exactly one name, and [AzureNameOf] undoes it.
//
// Where that would be longer than [MaxAzureName], whole is false: the answer is
// a readable beginning and a hash, and who uses it must keep the name beside it
// and compare.
func AzureName(name string) (encoded string, whole bool) {
	if azureStays(name) {
		encoded = name
	} else {
		encoded = azureEscape(name)
	}
	if len(encoded) <= MaxAzureName {
		return encoded, true
	}
	return azureShort(name), false
}

// AzureNameOf decodes a name of a vault, in lower case: the name of the secret
// that [AzureName] encodes so.
func AzureNameOf(encoded string) string {
	name, ok := azureUnescape(encoded)
	if !ok || name == encoded || azureEscape(name) != encoded || azureStays(name) {
		return encoded
	}
	return name
}

// azureStays reports whether a name is its own encoding: it is written in a
// vault's characters, and means nothing else there. Each step is on a shorter
// name than the one before, so it ends.
func azureStays(name string) bool {
	return name != "" && strings.IndexFunc(name, func(r rune) bool { return !azurePlain(r) && r != '-' }) < 0 && AzureNameOf(name) == name
}

func azurePlain[T rune | byte](c T) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' }

// azureEscape encodes byte by byte. A "-" is written as itself only where no
// other one stands beside it.
func azureEscape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case azurePlain(c):
			b.WriteByte(c)
		case c == '/':
			b.WriteString("--")
		case c == '-' && !strings.HasSuffix(b.String(), "-") && (i+1 == len(name) || azurePlain(name[i+1])):
			b.WriteByte(c)
		default:
			b.WriteString("---" + hex.EncodeToString([]byte{c}))
		}
	}
	return b.String()
}

// azureUnescape reads runs of "-": one is itself, two are "/", three begin a
// byte, five are "/" and a byte. False: no name is encoded so.
func azureUnescape(encoded string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(encoded); {
		if encoded[i] != '-' {
			b.WriteByte(encoded[i])
			i++
			continue
		}
		run := len(encoded[i:]) - len(strings.TrimLeft(encoded[i:], "-"))
		i += run
		switch run {
		case 1:
			b.WriteByte('-')
			continue
		case 2:
			b.WriteByte('/')
			continue
		case 5:
			b.WriteByte('/')
		case 3:
		default:
			return "", false
		}
		if i+2 > len(encoded) {
			return "", false
		}
		c, err := hex.DecodeString(encoded[i : i+2])
		if err != nil {
			return "", false
		}
		b.Write(c)
		i += 2
	}
	return b.String(), azureFits(b.String())
}

// azureFits reports whether no segment is empty, "." or "..": what no name of a
// secret is, and what its encoding must not come from.
func azureFits(name string) bool {
	for s := range strings.SplitSeq(name, "/") {
		if s == "" || s == "." || s == ".." {
			return false
		}
	}
	return true
}

// azureShort is the encoding of a name that is too long for one.
func azureShort(name string) string {
	var b strings.Builder
	for i := 0; i < len(name) && b.Len() < azureSlug; i++ {
		switch c := name[i] | 0x20; {
		case azurePlain(name[i]):
			b.WriteByte(name[i])
		case name[i] == '/':
			b.WriteString("--")
		case azurePlain(c) && name[i] < 0x80:
			b.WriteByte(c)
		default:
			b.WriteByte('-')
		}
	}
	sum := sha256.Sum256([]byte(name))
	hash := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:azureHash]
	return b.String()[:min(b.Len(), azureSlug)] + "--x" + hash
}
