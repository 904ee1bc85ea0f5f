#!/usr/bin/env bash
# Installs the peers that tacit is measured beside, pinned, outside the
# repository. What cannot be had here is left out, and bench.py says so.
set -euo pipefail
dir="${XDG_CACHE_HOME:-$HOME/.cache}/tacit-test/peers-1"
mkdir -p "$dir"
export GOBIN="$dir/bin"
have() { [ -x "$dir/bin/$1" ]; }
have vals || go install github.com/helmfile/vals/cmd/vals@v0.46.1 || echo "SKIPPED: vals cannot be installed here" >&2
have sops || go install github.com/getsops/sops/v3/cmd/sops@v3.11.0 || echo "SKIPPED: sops cannot be installed here" >&2
have age-keygen || go install filippo.io/age/cmd/age-keygen@v1.3.2
if [ ! -e "$dir/node_modules/.bin/dotenvx" ] && command -v npm >/dev/null; then
	npm install --silent --no-audit --no-fund --prefix "$dir" @dotenvx/dotenvx@2.38.2 || echo "SKIPPED: dotenvx cannot be installed here" >&2
fi
echo "$dir"
