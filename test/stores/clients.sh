#!/usr/bin/env bash
# clients.sh: installs the clients that people have for the stores, pinned, in a
# virtual environment outside the repository, and prints where it is. Of OpenBao
# it is the server's own program; those of AWS come with moto.
set -euo pipefail
dir="${TACIT_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tacit-test}/clients-2"
mkdir -p "$dir"
(
	flock 9
	if [ ! -e "$dir/done" ]; then
		rm -rf "$dir/venv"
		python3 -m venv "$dir/venv"
		"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
			hvac==2.4.0 azure-keyvault-secrets==4.12.0 azure-identity==1.27.0 >&2
		touch "$dir/done"
	fi
) 9>"$dir/lock"
echo "$dir/venv/bin"
