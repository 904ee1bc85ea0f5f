# lib.sh: what the scripts of first/ have in common. Sourced, never run.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[1]}")/.." && pwd)"

# skip WHAT VARIABLE: ends the script where a store was not started; where all
# stores are required, that is an error.
skip() {
	[ -z "${!2:-}" ] || return 0
	if [ "${TACIT_TEST_STORES:-}" = required ]; then
		echo "$1: not started" >&2
		exit 1
	fi
	echo "SKIPPED: $1 was not started: make test-stores starts it" >&2
	exit 0
}

# house: a home and an empty project of one's own, without the marks of an agent
# and without the caller's own stores.
house() {
	local v
	for v in $(compgen -e); do
		case "$v" in
		CLAUDE* | TACIT_SESSION | VAULT_* | BAO_* | AWS_* | AZURE_* | IDENTITY_* | MSI_* | XDG_*) unset "$v" ;;
		esac
	done
	work="$(mktemp -d "${TMPDIR:-/tmp}/tacit-first.XXXXXX")"
	trap 'rm -rf "$work"' EXIT
	export HOME="$work/home" XDG_RUNTIME_DIR="$work/run" DBUS_SESSION_BUS_ADDRESS=disabled: NO_COLOR=1
	mkdir -p "$HOME" "$work/project"
	mkdir -m 0700 "$XDG_RUNTIME_DIR"
	cd "$work/project"
	clients="$("$here/clients.sh")"
	value="sk-ant-$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')" # another one each time: nothing passes by what is left over
}

tacit() { "${TACIT:?the program to test}" "$@"; }
python() { "$clients/python" "$@"; }

same() { # same WHAT GOT WANT
	[ "$2" = "$3" ] || { echo "$1: not what it should be" >&2; exit 1; }
	echo "ok: $1"
}

# reads: what the store's own client wrote is read and used, by the reference $1.
reads() {
	same "tacit get" "$(tacit get "$1")" "$value"
	cat >>tacit.toml <<-TOML

		[secrets.ANTHROPIC_API_KEY]
		ref = "$1"
	TOML
	tacit trust --yes >/dev/null 2>&1
	same "tacit run" "$(tacit run -- sh -c 'printf %s "$ANTHROPIC_API_KEY" | sha256sum')" "$(printf %s "$value" | sha256sum)"
	same "the output of tacit run" "$(tacit run -- sh -c 'echo "$ANTHROPIC_API_KEY"' 2>/dev/null)" "‹ANTHROPIC_API_KEY›"
	[ -n "$(tacit list prod:)" ] || { echo "tacit list: nothing is there" >&2; exit 1; }
	tacit audit verify >/dev/null
	echo "ok: tacit audit verify"
}
