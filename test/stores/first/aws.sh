#!/usr/bin/env bash
# AWS Secrets Manager as its manual sets it up: a secret is made by the AWS
# command line and read by tacit, and put by tacit and read by boto3.
. "$(dirname "$0")/../lib.sh"
skip moto TACIT_TEST_AWS_ENDPOINT
house
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
endpoint="$TACIT_TEST_AWS_ENDPOINT"
aws() { "$TACIT_TEST_AWS_CLI" --endpoint-url "$endpoint" --output text "$@"; }

aws secretsmanager delete-secret --secret-id claude/api --force-delete-without-recovery >/dev/null 2>&1 || true # of a former run
aws secretsmanager create-secret --name claude/api --secret-string "{\"claude_api_key\":\"$value\"}" >/dev/null
tacit init >/dev/null 2>&1
tacit env add prod --backend awssm --region eu-central-1 --address "$endpoint"
reads 'prod:claude/api#claude_api_key'

# The whole value: moto does not serve what a compare-and-swap made current, and
# a field is put by one (see backend/awssm/moto_test.go).
printf '{"claude_api_key":"%s-2"}' "$value" | tacit put prod:claude/api --yes
printf '\000\377binary' | tacit put prod:claude/binary --yes
"$TACIT_TEST_AWS_PYTHON" - "$endpoint" "$value-2" <<'EOP'
import json, sys, boto3
client = boto3.client("secretsmanager", endpoint_url=sys.argv[1])
got = client.get_secret_value(SecretId="claude/api")
assert json.loads(got["SecretString"]) == {"claude_api_key": sys.argv[2]}, "another value"
assert got["VersionStages"] == ["AWSCURRENT"], "another stage"
assert client.get_secret_value(SecretId="claude/binary")["SecretBinary"] == b"\x00\xffbinary", "other bytes"
EOP
echo "ok: boto3"
