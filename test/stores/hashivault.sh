#!/usr/bin/env bash
# hashivault.sh start DIR: a HashiCorp Vault on the loopback, in memory, which
# DIR/env says how to reach. hashivault.sh stop DIR: ends it. Its first build takes
# ten minutes and more, so neither up.sh nor CI starts it:
#
#	test/stores/hashivault.sh start DIR && . DIR/env
#	go test ./backend/vault -run 'Conformance|Endpoint'
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/server.sh"
usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage
cache="${TACIT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tacit-test}/hashivault"

case "$1" in
start)
	mkdir -p "$2"
	dir="$(cd "$2" && pwd)"
	sum="$(cd "$here/hashivault" && cat go.mod go.sum ./*.go | sha256sum | cut -c1-16)"
	program="$cache/$sum/hashivault"
	if [ ! -x "$program" ]; then
		mkdir -p "$cache/$sum"
		(
			flock 9
			[ -x "$program" ] || { cd "$here/hashivault" && go build -mod=readonly -trimpath -ldflags '-s -w' -o "$program.part" . && mv "$program.part" "$program"; }
		) 9>"$cache/$sum/lock" >&2
	fi
	had="$(wc -c 2>/dev/null <"$dir/env" || echo 0)"
	setsid "$program" "$dir/env" >"$dir/hashivault.log" 2>&1 </dev/null &
	echo $! >"$dir/hashivault.pid"
	for _ in $(seq 600); do
		[ "$(wc -c 2>/dev/null <"$dir/env" || echo 0)" -gt "$had" ] && exit 0
		kill -0 "$(cat "$dir/hashivault.pid")" 2>/dev/null || break
		sleep 0.1
	done
	cat "$dir/hashivault.log" >&2
	exit 1
	;;
stop) stop hashivault "$2" ;;
*) usage ;;
esac
