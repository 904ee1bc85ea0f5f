package wire

import (
	"fmt"
	"io"
	"os"
)

// maxCertificates bounds a file of certificates and keys. The authorities of a
// whole system have a quarter of it.
const maxCertificates = 1 << 20

// ReadCertificates reads a file of certificates or keys that settings name, of
// at most 1 MiB. Its errors name the file.
func ReadCertificates(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // trusted settings name it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxCertificates+1))
	if err == nil && len(text) > maxCertificates {
		err = fmt.Errorf("%s: is larger than %d bytes", path, maxCertificates)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}
