#!/usr/bin/env bash
# down.sh DIR: stops the stores that up.sh DIR started.
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
. "$here/all.sh"
failed=0
for store in $stores; do
	[ ! -x "$here/$store.sh" ] || "$here/$store.sh" stop "$1" >>"$1/$store.start" 2>&1 || { echo "$store: not stopped" >&2; failed=1; }
done
exit $failed
