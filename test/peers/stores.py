#!/usr/bin/env python3
"""Measures how long it takes until a command starts with a hundred secrets from a
store on the network whose every answer takes 50 ms, beside peers.

    test/peers/stores.py TACIT [RUNS]

Behind each store stands a real server or emulator of test/stores, and before it
test/peers/slow, which makes each answer take longer and counts the requests. All
run in turn. The table shows median and minimum, in milliseconds, and how many
requests one run sent; bare exec is what starting a process costs here. What
cannot be had on this machine is left out, and that is said."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
COUNT = 100
STARTS = ("date", "+%s%N")  # a command that tells when it started, in nanoseconds
NAMES = [f"SECRET_{i:03d}" for i in range(COUNT)]


def skipped(what):
    print(f"SKIPPED: {what}", file=sys.stderr)


class Slow:
    """A store whose answers take longer."""

    def __init__(self, program, to, folder, ca=None):
        folder.mkdir(parents=True, exist_ok=True)
        argv = [program, "-to", to, "-dir", str(folder)] + (["-ca", ca] if ca else [])
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address, self.counter = self.process.stdout.readline().split()
        self.ca = str(folder / "ca.pem")

    def asked(self):
        with urllib.request.urlopen(self.counter) as answer:
            return int(answer.read())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Bench:
    def __init__(self, tacit, runs):
        self.tacit, self.runs = tacit, runs
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self.peers = pathlib.Path(cache) / "tacit-test" / "peers-1" / "bin"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tacit-stores-"))
        self.env = {"HOME": str(self.dir), "PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        self.started, self.slows = [], []
        self.slow = str(self.dir / "slow")
        subprocess.run(["go", "build", "-o", self.slow, "."], cwd=HERE / "slow", check=True)

    def call(self, *argv, **kw):
        kw.setdefault("cwd", self.dir)
        kw.setdefault("env", self.env)
        done = subprocess.run(argv, capture_output=True, text=True, **kw)
        if done.returncode:
            sys.exit(f"{' '.join(argv[:4])}: {done.stderr}")
        return done.stdout

    def start(self, store):
        """Starts a store of test/stores and returns what its env file says."""
        script, folder = HERE.parent / "stores" / f"{store}.sh", self.dir / store
        if not script.exists():
            return skipped(f"{store}: there is no test/stores/{store}.sh")
        folder.mkdir()
        if subprocess.run([script, "start", folder], stdout=subprocess.DEVNULL, env=dict(os.environ)).returncode:
            return skipped(f"{store} does not start here")
        self.started.append((script, folder))
        lines = (folder / "env").read_text().splitlines()
        return dict(l.removeprefix("export ").replace("'", "").split("=", 1) for l in lines)

    def before(self, name, to, ca=None):
        slow = Slow(self.slow, to, self.dir / f"slow-{name}", ca)
        self.slows.append(slow)
        return slow

    def project(self, name, settings, env):
        """A project of tacit with one environment; returns how it is run."""
        home = self.dir / f"tacit-{name}"
        folder = home / "project"
        folder.mkdir(parents=True)
        env = dict(self.env, HOME=str(home), **env)
        self.call(self.tacit, "init", "--key-file", cwd=folder, env=env)
        toml = 'default_env = "far"\n[env.far]\n' + settings + "".join(f'\n[secrets.{v}]\nref = "bench/{v.lower()}#value"\n' for v in NAMES)
        (folder / "tacit.toml").write_text(toml)
        self.call(self.tacit, "trust", "--yes", cwd=folder, env=env)
        for v in NAMES:
            self.call(self.tacit, "put", f"bench/{v.lower()}", "--yes", cwd=folder, env=env, input=json.dumps({"value": f"value-of-{v}-0123456789"}))
        return [self.tacit, "--dir", str(folder), "run", "--", *STARTS], env

    def vals(self, refs, env):
        vals = self.peers / "vals"
        if not vals.exists():
            return skipped("vals is not installed; test/peers/install.sh")
        file = self.dir / f"vals-{len(list(self.dir.glob('vals-*')))}.json"
        file.write_text(json.dumps(refs))
        return [str(vals), "exec", "-f", str(file), "--", *STARTS], dict(self.env, **env)

    def vault(self):
        said = self.start("openbao")
        if not said:
            return
        slow = self.before("vault", said["TACIT_TEST_VAULT_ADDR"])
        env = {"VAULT_TOKEN": said["TACIT_TEST_VAULT_TOKEN"]}
        commands = {"tacit run": self.project("vault", f'backend = "vault"\naddress = "{slow.address}"\nmount = "secret"\n', env)}
        commands["with approle"] = self.approle(said, slow.address)
        refs = {v: f"ref+vault://secret/bench/{v.lower()}?address={slow.address}#/value" for v in NAMES}
        commands["vals exec"] = self.vals(refs, env)
        self.measure("vault (OpenBao)", slow, commands)

    def approle(self, said, address):
        """The same, signing in first as a job does."""

        def ask(method, path, body=None):
            r = urllib.request.Request(said["TACIT_TEST_VAULT_ADDR"] + "/v1/" + path, json.dumps(body).encode() if body else None, {"X-Vault-Token": said["TACIT_TEST_VAULT_TOKEN"]}, method=method)
            with urllib.request.urlopen(r) as answer:
                return json.loads(answer.read() or "{}")

        ask("POST", "sys/auth/approle", {"type": "approle"})
        ask("POST", "sys/policies/acl/bench", {"policy": 'path "secret/*" { capabilities = ["create", "update", "read"] }'})
        ask("POST", "auth/approle/role/bench", {"token_policies": "bench", "token_ttl": "1h"})
        role = ask("GET", "auth/approle/role/bench/role-id")["data"]["role_id"]
        id = ask("PUT", "auth/approle/role/bench/secret-id", {"metadata": "{}"})["data"]["secret_id"]
        settings = f'backend = "vault"\naddress = "{address}"\nprefix = "approle/"\n[env.far.auth]\nmethod = "approle"\nrole_id = "{role}"\n'
        return self.project("approle", settings, {"VAULT_SECRET_ID": id})

    def aws(self):
        said = self.start("moto")
        if not said:
            return
        slow = self.before("aws", said["TACIT_TEST_AWS_ENDPOINT"])
        env = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}
        commands = {"tacit run": self.project("aws", f'backend = "awssm"\naddress = "{slow.address}"\nregion = "eu-west-1"\n', env)}
        refs = {v: f"ref+awssecrets://bench/{v.lower()}?region=eu-west-1#/value" for v in NAMES}
        commands["vals exec"] = self.vals(refs, dict(env, AWS_ENDPOINT_URL=slow.address))
        chamber = self.peers / "chamber"
        if chamber.exists():
            for_chamber = {v: f"value-of-{v}-0123456789" for v in NAMES}
            self.call(str(chamber), "-b", "secretsmanager", "import", "bench", "-", env=dict(self.env, **env, AWS_ENDPOINT_URL=slow.address), input=json.dumps(for_chamber))
            commands["chamber exec"] = [str(chamber), "-b", "secretsmanager", "exec", "bench", "--", *STARTS], dict(self.env, **env, AWS_ENDPOINT_URL=slow.address)
        else:
            skipped("chamber is not installed; test/peers/install.sh")
        self.measure("aws (moto)", slow, commands)

    def azure(self):
        said = self.start("keyvault")
        if not said:
            return
        slow = self.before("azure", said["TACIT_TEST_AZURE_ADDR"], said["TACIT_TEST_AZURE_CACERT"])
        env = {v: said["TACIT_TEST_AZURE_" + v] for v in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        commands = {"tacit run": self.project("azure", f'backend = "azurekv"\naddress = "{slow.address}"\nca_cert = "{slow.ca}"\ncredential = "managed"\n', env)}
        skipped("vals takes a vault of Azure by its name alone, not by an address on this machine")
        self.measure("azure (a vault on the loopback)", slow, commands)

    def measure(self, title, slow, commands):
        commands = {"bare exec": (STARTS, self.env)} | {k: v for k, v in commands.items() if v}
        took, asked = {k: [] for k in commands}, {}
        for n in range(self.runs + 1):
            for name, (argv, env) in commands.items():
                slow.asked()
                begun = time.time_ns()
                started = int(self.call(*argv, env=env))
                if n > 0:  # the first one is for the caches of the disk
                    took[name].append((started - begun) / 1e6)
                asked[name] = slow.asked()
        print(f"\n{title}, {COUNT} references, 50 ms an answer, {self.runs} runs")
        print(f"  {'':<16} {'median ms':>10} {'minimum ms':>11} {'requests':>9}")
        for name, all_ in took.items():
            print(f"  {name:<16} {statistics.median(all_):>10.0f} {min(all_):>11.0f} {asked[name]:>9}")
        sys.stdout.flush()

    def close(self):
        for slow in self.slows:
            slow.close()
        for script, folder in self.started:
            subprocess.run([script, "stop", folder], stdout=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    bench = Bench(os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
    try:
        bench.vault()
        bench.aws()
        bench.azure()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
