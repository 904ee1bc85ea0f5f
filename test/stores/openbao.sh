#!/usr/bin/env bash
# openbao.sh start DIR: an OpenBao server on the loopback, data below DIR, which
# DIR/env says how to reach (the two listeners, plain and TLS, and the root token).
# openbao.sh stop DIR: ends it. The program is built once, which takes minutes; it
# is kept outside of the repository, by the hash of its sources.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/server.sh"
usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage
cache="${TACIT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tacit-test}/openbao"

program() { # prints where the program is, built if need be
	local sum bao
	sum="$(cd "$here/openbao" && cat go.mod go.sum ./*.go | sha256sum | cut -c1-16)"
	bao="$cache/$sum/bao"
	if [ ! -x "$bao" ]; then
		mkdir -p "$cache/$sum"
		echo "openbao: building it, which takes minutes the first time" >&2
		# One build at a time; a killed one leaves no program behind.
		(
			flock 9
			[ -x "$bao" ] || { cd "$here/openbao" && go build -mod=readonly -trimpath -ldflags '-s -w -X github.com/openbao/openbao/version.fullVersion=2.4.0' -o "$bao.part" . && mv "$bao.part" "$bao"; }
		) 9>"$cache/$sum/lock" >&2
	fi
	echo "$bao"
}

case "$1" in
start)
	mkdir -p "$2"
	bao="$(program)"
	# Nothing of the caller's own server reaches the one of the tests.
	env -u VAULT_ADDR -u BAO_ADDR -u VAULT_TOKEN -u BAO_TOKEN "$bao" testserver "$2"
	;;
stop) stop openbao "$2" ;;
*) usage ;;
esac
