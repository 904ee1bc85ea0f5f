// Package awswire answers as AWS Secrets Manager does, on the wire: for tests
// of what emulators get wrong, and of faults that no emulator makes.
//
// It follows what was recorded of the service: versions and staging labels,
// the bodies and codes of errors, signatures that are verified, limits,
// paging, what a secret goes through when it is deleted, and answers of AWS
// STS. It keeps everything in memory, decides rights by a function that the
// test gives, and does not rotate, replicate or call KMS. Only tests import it.
//
// What was never recorded is a choice, marked so where it is made.
package awswire
