#!/usr/bin/env bash
# az.sh DIR: asks the vault that keyvault.sh started with DIR by the Azure CLI,
# unchanged, and by tacit signed in as the CLI is, both ways. The CLI is pinned,
# in an environment outside the repository. It is half a gigabyte, so make
# test-stores does without. TACIT is the program to test.
. "$(dirname "$0")/lib.sh"
here="$(cd "$(dirname "$0")" && pwd)"
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
# shellcheck disable=SC1091
. "$1/env"
skip "Key Vault" TACIT_TEST_AZURE_ADDR
version=2.91.0
cli="${TACIT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tacit-test}/az-$version"
if [ ! -e "$cli/done" ]; then
	rm -rf "$cli"
	python3 -m venv "$cli"
	"$cli/bin/pip" install --quiet --disable-pip-version-check "azure-cli==$version"
	touch "$cli/done"
fi
house
export PATH="$cli/bin:$PATH" AZURE_CONFIG_DIR="$work/az" AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_ONLY_SHOW_ERRORS=yes
export REQUESTS_CA_BUNDLE="$TACIT_TEST_AZURE_CACERT" # for az

# A cloud of its own: az puts the name of a vault and the suffix together, and
# of an authority that ends in /adfs asks no directory. The resource manager,
# which is asked for subscriptions at the sign-in, is the same server.
server="$TACIT_TEST_AZURE_ADDR" vault=127
az cloud register --name tests --skip-endpoint-discovery --suffix-keyvault-dns ".${server#https://127.}" \
	--endpoint-active-directory "$server/adfs" --endpoint-resource-manager "$server/" \
	--endpoint-active-directory-resource-id "$server/" --endpoint-active-directory-graph-resource-id "$server/"
az cloud set --name tests
az login --service-principal --username "$TACIT_TEST_AZURE_CLIENT_ID" --password "$TACIT_TEST_AZURE_CLIENT_SECRET" \
	--tenant adfs --allow-no-subscriptions --output none
kv() { local what="$1"; shift; az keyvault secret "$what" --vault-name "$vault" "$@"; }

kv set --name claude-api-key --value "$value" --output none
tacit init >/dev/null 2>&1
tacit env add prod --backend azurekv --address "$server" --ca-cert "$TACIT_TEST_AZURE_CACERT" --credential cli
reads prod:claude-api-key

printf %s "$value-2" | tacit put prod:az/db --tag owner=mia --yes
same "az show" "$(kv show --name az--db --query '[value, tags.owner]' --output tsv)" "$value-2
mia"
printf 'a\377b' | tacit put prod:az/binary --yes
kv download --name az--binary --encoding base64 --file "$work/binary"
same "az download" "$(od -An -tx1 "$work/binary")" " 61 ff 62"
first="$(tacit history prod:az/db | awk '/current/ { print $NF }')"
kv set --name az--db --value "$value-3" --output none
same "a version of az" "$(tacit get prod:az/db)$(tacit get "prod:az/db@$first")" "$value-3$value-2"
kv set-attributes --name az--db --enabled false --output none
same "disabled by az" "$(tacit get prod:az/db 2>&1 >/dev/null | grep -c -- '--enabled true')" 1
kv set-attributes --name az--db --enabled true --tags --output none
same "without tags" "$(tacit get prod:az/db)" "$value-3"

kv delete --name az--db --output none
same "deleted by az" "$(printf x | tacit put prod:az/db --yes 2>&1 | grep -c -- --recover)" 1
tacit undelete prod:az/db
tacit delete prod:az/db --yes
kv recover --name az--db --output none
kv backup --name az--db --file "$work/blob" --output none
tacit destroy prod:az/db --yes
kv restore --file "$work/blob" --output none
same "restored by az" "$(tacit get prod:az/db)$(tacit history prod:az/db | grep -c "$first")" "${value}-31"
tacit delete prod:az/db --yes
kv purge --name az--db --output none
same "purged by az" "$(tacit get prod:az/db 2>&1 >/dev/null | grep -c 'no such secret')" 1
echo "ok: az $version"
