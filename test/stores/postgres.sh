#!/usr/bin/env bash
# postgres.sh start DIR: Debian's PostgreSQL on the loopback, data below DIR; DIR/env
# says how to reach it as its superuser. It is installed if it is missing.
# postgres.sh stop DIR: ends it.
set -euo pipefail
usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage

programs() { # prints the folder of Debian's newest server, installed if need be
	local bin
	for try in 1 2; do
		bin="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)" || true
		if [ -n "$bin" ] && "$bin/postgres" --version 2>/dev/null | grep -q '^postgres (PostgreSQL)'; then
			echo "$bin"
			return
		fi
		[ "$try" = 1 ] || break
		echo "postgres: installing it" >&2
		local sudo=""
		[ "$(id -u)" = 0 ] || sudo=sudo
		{ $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql; } >&2
	done
	echo "postgres: there is none, and it cannot be installed" >&2
	return 1
}

# The server does not run as root: then it is the package's own user.
if [ "$(id -u)" = 0 ]; then
	as() { runuser -u postgres -- "$@"; }
else
	as() { "$@"; }
fi

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# place prints the folder of the data. The package's user must reach it, which is
# not so below every DIR: then DIR/postgres.data names one that is.
place() { cat "$1/postgres.data"; }

case "$1" in
start)
	bin="$(programs)"
	mkdir -p "$2"
	dir="$(cd "$2" && pwd)"
	[ ! -e "$dir/postgres.data" ] || { echo "$dir holds a former server: take a fresh folder" >&2; exit 1; }
	data="$dir/postgres"
	if [ "$(id -u)" = 0 ]; then
		install -d -o postgres -g postgres -m 0700 "$data"
		if ! as test -x "$data"; then
			rmdir "$data"
			data="$(as mktemp -d /tmp/tacit-postgres.XXXXXX)"
		fi
	else
		mkdir -p -m 0700 "$data"
	fi
	echo "$data" >"$dir/postgres.data"
	password="$(head -c 18 /dev/urandom | base64 | tr '+/' 'ab')"
	as sh -c 'umask 077; cat >"$0"' "$data/password" <<<"$password"
	as "$bin/initdb" -D "$data/data" -U root --auth=scram-sha-256 --pwfile="$data/password" --no-sync >"$dir/postgres.log"
	as rm "$data/password"
	for _ in 1 2 3; do # another process may take the port meanwhile
		port="$(free)"
		as "$bin/pg_ctl" -D "$data/data" -l "$data/log" -w -t 60 -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= -c fsync=off" start >>"$dir/postgres.log" && break
		port=""
	done
	[ -n "$port" ] || { cat "$data/log" >&2; exit 1; }
	head -n 1 "$data/data/postmaster.pid" >"$dir/postgres.pid"
	echo "export TACIT_TEST_POSTGRES='postgres://root:$password@127.0.0.1:$port/postgres?sslmode=disable'" >>"$dir/env"
	;;
stop)
	[ -f "$2/postgres.data" ] || exit 0
	bin="$(programs)"
	data="$(place "$2")"
	as "$bin/pg_ctl" -D "$data/data" -m immediate -w stop >/dev/null 2>&1 || true
	rm -rf "$data" "$2/postgres.data" "$2/postgres.pid"
	;;
*) usage ;;
esac
