#!/usr/bin/env bash
# azsdk.sh DIR: runs Microsoft's own live tests of its Go client against the vault
# that keyvault.sh started with DIR, signed in first by an application's secret,
# then by a managed identity. They are not changed: they learn of the vault by
# variables alone. DIR/env must be there.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
dir="$(cd "$1" && pwd)"
# shellcheck disable=SC1091
. "$dir/env"
version="$(cd "$root" && go list -m -f '{{.Version}}' github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets)"
source="$(cd "$root" && go list -m -f '{{.Dir}}' github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets)"
cache="${TACIT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tacit-test}/azsecrets-$version"
if [ ! -x "$cache/azsecrets.test" ]; then
	mkdir -p "$cache"
	part="$(mktemp -d "$cache/part.XXXXXX")"
	cp -r "$source/." "$part"
	chmod -R u+w "$part"
	(cd "$part" && GOFLAGS=-mod=mod go test -c -o azsecrets.test .)
	cp -r "$part/." "$cache"
	rm -rf "$part"
fi

# suite HOW VARIABLE…: the client trusts the system's authorities, which here is
# this one alone. Each of the tests must pass; that none ran is no success.
suite() {
	local how="$1" out passed
	shift
	out="$(cd "$cache" && env -i HOME="$HOME" PATH="$PATH" SSL_CERT_FILE="$TACIT_TEST_AZURE_CACERT" SSL_CERT_DIR=/nonexistent \
		AZURE_RECORD_MODE=live AZURE_KEYVAULT_URL="$TACIT_TEST_AZURE_ADDR/" "$@" ./azsecrets.test -test.count=1 -test.v -test.timeout 5m 2>&1)" || { echo "$out" >&2; exit 1; }
	passed="$(grep -c '^--- PASS' <<<"$out")"
	if [ "$passed" -lt 13 ] || grep -q '^--- SKIP' <<<"$out"; then
		echo "$out" >&2
		exit 1
	fi
	echo "ok: azsecrets $version, signed in by $how: $passed tests"
}
suite "a secret" AZURE_AUTHORITY_HOST="$TACIT_TEST_AZURE_AUTHORITY" AZURE_TENANT_ID="$TACIT_TEST_AZURE_TENANT" \
	AZURE_CLIENT_ID="$TACIT_TEST_AZURE_CLIENT_ID" AZURE_CLIENT_SECRET="$TACIT_TEST_AZURE_CLIENT_SECRET"
suite "a managed identity" IDENTITY_ENDPOINT="$TACIT_TEST_AZURE_IDENTITY_ENDPOINT" IDENTITY_HEADER="$TACIT_TEST_AZURE_IDENTITY_HEADER"
