#!/usr/bin/env bash
# Azure Key Vault as its manual sets it up: a secret is set by the Python client
# and read by tacit, and put by tacit and read by the Python client. Neither is
# told more than the vault and the variables of a managed identity. What az
# does, SecretClient.set_secret, is done here without az: it is half a gigabyte.
. "$(dirname "$0")/../lib.sh"
skip "Key Vault" TACIT_TEST_AZURE_ADDR
house
export IDENTITY_ENDPOINT="$TACIT_TEST_AZURE_IDENTITY_ENDPOINT" IDENTITY_HEADER="$TACIT_TEST_AZURE_IDENTITY_HEADER"
export REQUESTS_CA_BUNDLE="$TACIT_TEST_AZURE_CACERT" # for Python
vault="$TACIT_TEST_AZURE_ADDR"

python - "$vault" "$value" <<'EOP'
import sys
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient
client = SecretClient(vault_url=sys.argv[1], credential=DefaultAzureCredential())
client.set_secret("claude-api-key", sys.argv[2])
EOP
tacit init >/dev/null 2>&1
tacit env add prod --backend azurekv --address "$vault" --ca-cert "$TACIT_TEST_AZURE_CACERT" --credential managed
reads 'prod:claude-api-key'

printf '{"user":"mia","password":"%s"}' "$value-2" | tacit put prod:app/db --tag owner=mia --yes
printf '\000\377binary' | tacit put prod:app/binary --yes
printf %s "$value-3" | tacit put prod:claude-api-key --yes
python - "$vault" "$value-2" "$value-3" <<'EOP'
import base64, json, sys
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient
client = SecretClient(vault_url=sys.argv[1], credential=DefaultAzureCredential())
got = client.get_secret("app--db")
assert json.loads(got.value) == {"user": "mia", "password": sys.argv[2]}, "another value"
assert got.properties.tags["owner"] == "mia", "another tag"
got = client.get_secret("app--binary")
assert got.properties.content_type == "application/octet-stream;base64", "another type"
assert base64.b64decode(got.value) == b"\x00\xffbinary", "other bytes"
assert client.get_secret("claude-api-key").value == sys.argv[3], "another value"
assert len(list(client.list_properties_of_secret_versions("claude-api-key"))) > 1, "the version before is gone"
client.begin_delete_secret("app--db").wait()
EOP
echo "ok: azure-keyvault-secrets"
[ "$(tacit get prod:app/db 2>&1 >/dev/null | grep -c undelete)" = 1 ] || { echo "a secret deleted by another client is not told" >&2; exit 1; }
tacit undelete prod:app/db
tacit get prod:app/db#user
