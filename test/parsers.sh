#!/usr/bin/env bash
# Installs the parsers of other people that the tests of internal/envfmt hold
# tacit's own against, pinned, outside the repository. Without them those tests
# are skipped, and say so; with TACIT_TEST_PARSERS=required they fail.
set -euo pipefail
dir="${XDG_CACHE_HOME:-$HOME/.cache}/tacit-test/parsers-1"
if [ ! -e "$dir/done" ]; then
	rm -rf "$dir"
	mkdir -p "$dir"
	python3 -m venv "$dir/venv"
	"$dir/venv/bin/pip" install --quiet --disable-pip-version-check python-dotenv==1.2.4 PyYAML==6.0.4
	# The last one that takes \\" for an escaped quote; many have it.
	"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$dir/old" python-dotenv==1.2.2
	touch "$dir/done"
fi
echo "parsers for tests: $dir"
