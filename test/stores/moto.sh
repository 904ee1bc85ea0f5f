#!/usr/bin/env bash
# moto.sh start DIR: moto's server on a free port of the loopback, which DIR/env
# says how to reach. What it keeps is in memory; POST /moto-api/reset empties it.
# moto.sh stop DIR: ends it. What it needs, the command aws among it, is
# installed once, from PyPI, and kept outside of the repository.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
. "$here/server.sh"
usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage
cache="${TACIT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tacit-test}/moto"

environment() { # prints where the virtual environment is, made if need be
	local sum venv
	sum="$(sha256sum "$here/moto/requirements.txt" | cut -c1-16)"
	venv="$cache/$sum"
	if [ ! -f "$venv/complete" ]; then
		mkdir -p "$cache"
		echo "moto: installing it, which takes a minute the first time" >&2
		# One at a time; a killed one is begun anew.
		(
			flock 9
			[ -f "$venv/complete" ] || { rm -rf "$venv" && python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/moto/requirements.txt" && touch "$venv/complete"; }
		) 9>"$cache/$sum.lock" >&2
	fi
	echo "$venv"
}

case "$1" in
start)
	mkdir -p "$2"
	dir="$(cd "$2" && pwd)"
	venv="$(environment)"
	rm -f "$dir/moto.address"
	env -u AWS_ENDPOINT_URL -u PYTHONPATH "$venv/bin/python" "$here/moto/serve.py" "$dir/moto.address" >"$dir/moto.log" 2>&1 </dev/null &
	echo $! >"$dir/moto.pid"
	for _ in $(seq 600); do
		[ ! -f "$dir/moto.address" ] || break
		kill -0 "$(cat "$dir/moto.pid")" 2>/dev/null || { echo "moto: it did not start:" >&2; cat "$dir/moto.log" >&2; exit 1; }
		sleep 0.1
	done
	[ -f "$dir/moto.address" ] || { echo "moto: no answer after a minute" >&2; exit 1; }
	{
		echo "export TACIT_TEST_AWS_ENDPOINT=$(cat "$dir/moto.address")"
		echo "export TACIT_TEST_AWS_CLI=$venv/bin/aws"
		echo "export TACIT_TEST_AWS_PYTHON=$venv/bin/python"
	} >>"$dir/env"
	;;
stop) stop moto "$2" ;;
*) usage ;;
esac
