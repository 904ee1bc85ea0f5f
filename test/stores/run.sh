#!/usr/bin/env bash
# run.sh: what make test-stores does. It starts the stores on the loopback, asks
# the backends and the commands of them, sets each store up as its own manual
# does, and stops them. The program to test is $TACIT, or bin/tacit.
#
# What a machine lacks is named at the end; with TACIT_TEST_STORES=required it
# fails. Arguments are the parts to run, all by default: backends, commands,
# first.
set -uo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
cd "$root"
[ $# -gt 0 ] || set -- backends commands first
export TACIT="${TACIT:-$root/bin/tacit}"
race=()
if command -v "${CC:-cc}" >/dev/null 2>&1; then race=(-race); fi # as in the other tests: what is built is shared

dir="$(mktemp -d "${TMPDIR:-/tmp}/tacit-stores.XXXXXX")"
trap '"$here/down.sh" "$dir"; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
begun=$SECONDS
"$here/up.sh" "$dir" || exit 1
set -a
. "$dir/env"
set +a
[ -e "$dir/missing" ] || export TACIT_TEST_STORES=required
echo "stores: started in $((SECONDS - begun)) s" >&2

failed=()
part() { # part NAME COMMAND…: runs a part, and says how long it took
	local name="$1" start=$SECONDS
	shift
	if "$@"; then
		echo "stores: $name: ok in $((SECONDS - start)) s" >&2
	else
		failed+=("$name")
		echo "stores: $name: FAILED after $((SECONDS - start)) s" >&2
	fi
}
limit=20m
[ -z "${TACIT_TEST_SOAK:-}" ] || limit=2h # a thousand secrets between each pair of stores
gotest() { go test "${race[@]}" -count 1 -timeout "$limit" "$@"; }

for p in "$@"; do
	case "$p" in
	backends)
		part "$p" gotest ./backend/vault/... ./backend/awssm/... ./backend/azurekv/...
		[ -z "${TACIT_TEST_AZURE_ADDR:-}" ] || part "Microsoft's own tests, of the Key Vault" "$here/azsdk.sh" "$dir"
		;;
	commands)
		part "$p" gotest ./internal/cli -run '^TestStores'
		# The pages of the guide that talk to a store.
		pages="$(cd docs && grep -l '^<!-- store: ' *.md guide/*.md | grep -v '^README' | xargs -n1 basename | sed 's/[.]/[.]/g' | paste -sd'|')"
		part pages gotest ./internal/cli -run "^TestPages\$/^($pages)\$"
		;;
	first)
		for script in "$here"/first/*.sh; do
			part "first/$(basename "$script" .sh)" "$script"
		done
		;;
	*) echo "there is no part $p" >&2; exit 2 ;;
	esac
done

if [ -e "$dir/missing" ]; then
	echo "WARNING: NOT TESTED, since they were not started: $(tr '\n' ' ' <"$dir/missing")" >&2
fi
if [ ${#failed[@]} -gt 0 ]; then
	echo "stores: FAILED: ${failed[*]}" >&2
	exit 1
fi
