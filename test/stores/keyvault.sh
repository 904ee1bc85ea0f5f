#!/usr/bin/env bash
# keyvault.sh start DIR: a Key Vault on the loopback, as the service was recorded
# to speak (backend/azurekv/internal/azurewire), with its own certificate, a token
# endpoint for applications and one for managed identities. DIR/env says how to
# reach it. keyvault.sh stop DIR: ends it.
#
# No emulator of Key Vault can be had from the package registries: lowkey-vault
# publishes no runnable jar there, the .NET emulator is an image. What this server
# does is held against Microsoft's own live tests instead: azsdk.sh.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
. "$root/test/stores/server.sh"
usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }
[ $# -eq 2 ] || usage

case "$1" in
start)
	mkdir -p "$2"
	dir="$(cd "$2" && pwd)"
	rm -f "$dir/keyvault.pid"
	(cd "$root" && go build -mod=readonly -o "$dir/azureserve" ./backend/azurekv/internal/azurewire/azureserve)
	nohup "$dir/azureserve" "$dir" </dev/null >"$dir/keyvault.log" 2>&1 &
	server=$!
	for _ in $(seq 200); do
		[ -f "$dir/keyvault.pid" ] && exit 0
		kill -0 "$server" 2>/dev/null || break
		sleep 0.05
	done
	echo "keyvault: it did not start" >&2
	cat "$dir/keyvault.log" >&2
	exit 1
	;;
stop) stop keyvault "$2" ;;
*) usage ;;
esac
