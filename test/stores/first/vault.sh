#!/usr/bin/env bash
# Vault and OpenBao as their manual sets them up: a secret is put by their own
# command and read by tacit, and put by tacit and read by hvac.
. "$(dirname "$0")/../lib.sh"
skip OpenBao TACIT_TEST_VAULT_ADDR
house
export VAULT_ADDR="$TACIT_TEST_VAULT_ADDR" VAULT_TOKEN="$TACIT_TEST_VAULT_TOKEN"

"$TACIT_TEST_BAO" kv metadata delete secret/claude/api >/dev/null # of a former run
"$TACIT_TEST_BAO" kv put secret/claude/api claude_api_key="$value" >/dev/null
tacit init >/dev/null 2>&1
tacit env add prod --backend vault --address "$VAULT_ADDR"
reads 'prod:claude/api#claude_api_key'

printf %s "$value-2" | tacit put 'prod:claude/api#claude_api_key' --yes
printf %s 'two lines
of text' | tacit put prod:claude/text --yes
python - "$value-2" <<'EOP'
import os, sys, hvac
client = hvac.Client(url=os.environ["VAULT_ADDR"], token=os.environ["VAULT_TOKEN"])
read = client.secrets.kv.v2.read_secret_version
got = read(path="claude/api", raise_on_deleted_version=True)["data"]
assert got["data"] == {"claude_api_key": sys.argv[1]}, "another value"
assert got["metadata"]["version"] == 2, "another version"
assert "two lines\nof text" in read(path="claude/text", raise_on_deleted_version=True)["data"]["data"].values(), "another text"
EOP
echo "ok: hvac"
same "the command line of OpenBao" "$("$TACIT_TEST_BAO" kv get -field=claude_api_key secret/claude/api)" "$value-2"
