// Package broker is the one door to every store. Each call takes the same way:
//
//	check → resolve → decide → (record that it begins) → backend → record → answer
//
// The decision comes before anything is looked at, so that a denied caller
// cannot learn which names exist. The record is durable before the answer
// leaves; a change is recorded before it begins, too. Without a record there
// is no answer.
//
// Policy, audit, time-outs, coalescing of equal reads and environments' name
// prefixes are here and nowhere else. What takes state over time, such as
// rotation, lives above and calls the Broker. The Broker keeps no values.
package broker
