// Package wire is what the backends over HTTP have in common, and what the
// stores' APIs look like on the wire: the transport with its limits, the marks
// by which tacit knows itself, the JSON shapes of Vault, AWS and Azure.
//
// It decides nothing, keeps no state and knows no secret's name.
package wire
