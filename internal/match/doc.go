// Package match finds many exact values in a stream at once, in the encodings
// in which they usually turn up, and replaces them by their labels.
//
// It finds what is there byte for byte: a value as it is, in base64, hex,
// percent-encoded or JSON-escaped. It does not find a value that was split,
// compressed, encrypted or otherwise transformed: it is made against
// accidents, not against a program that wants to leak. It knows only the
// values it was given, so it cannot be asked about others.
package match
