# server.sh: what the scripts that start servers have in common. Sourced, never
# run.

# stop NAME DIR: ends the server that DIR/NAME.pid names, if there is one.
stop() {
	local pid
	[ -f "$2/$1.pid" ] || return 0
	pid="$(cat "$2/$1.pid")"
	kill "$pid" 2>/dev/null || true
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null || true
	rm -f "$2/$1.pid"
}
