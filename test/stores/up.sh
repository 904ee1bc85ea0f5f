#!/usr/bin/env bash
# up.sh DIR: starts all the stores of the tests on the loopback, side by side, and
# writes to DIR/env how to reach each. DIR must be fresh.
#
# A store that this machine cannot start is named loudly and in DIR/missing; with
# TACIT_TEST_STORES=required that ends it, after the others were stopped.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
mkdir -p "$1"
dir="$(cd "$1" && pwd)"
[ ! -e "$dir/env" ] || { echo "$dir holds former servers: take a fresh folder" >&2; exit 1; }
: >"$dir/env"

. "$here/all.sh"
declare -A job
for store in $stores; do
	"$here/$store.sh" start "$dir" >"$dir/$store.start" 2>&1 </dev/null &
	job[$store]=$!
done
for store in $stores; do
	if wait "${job[$store]}"; then
		echo "$store: started" >&2
	else
		echo "$store" >>"$dir/missing"
		echo "WARNING: $store: NOT STARTED, and NOT TESTED:" >&2
		tail -n 15 "$dir/$store.start" | sed 's/^/  /' >&2
	fi
done
if [ -e "$dir/missing" ] && [ "${TACIT_TEST_STORES:-}" = required ]; then
	"$here/down.sh" "$dir"
	exit 1
fi
