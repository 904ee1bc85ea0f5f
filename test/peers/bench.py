#!/usr/bin/env python3
"""Measures tacit beside peers: how long it takes to start a command with one
secret, and with a hundred, from an encrypted store on this machine.

    test/peers/bench.py TACIT [RUNS]

Each peer does its own thing: sops and dotenvx decrypt a file, vals resolves
references to such a file. tacit also decides by policy and makes a record of
each access durable before the command starts; none of the others does. All run
in turn, so that a busy moment of the machine hits all alike. The table shows
median and minimum, in milliseconds."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

COUNTS = (1, 100)


def names(n):
    return [f"SECRET_{i:03d}" for i in range(n)]


class Bench:
    def __init__(self, tacit, runs):
        self.tacit, self.runs = tacit, runs
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self.peers = pathlib.Path(cache) / "tacit-test" / "peers-1"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tacit-peers-"))
        self.env = {"HOME": str(self.dir), "PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        self.commands = {n: {"bare exec": ["/bin/true"]} for n in COUNTS}
        self.versions = {}

    def call(self, *args, **kw):
        kw.setdefault("cwd", self.dir)
        kw.setdefault("env", self.env)
        return subprocess.run(args, check=True, capture_output=True, text=True, **kw).stdout

    def peer(self, name):
        for path in (self.peers / "bin" / name, self.peers / "node_modules" / ".bin" / name):
            if path.exists():
                return str(path)
        print(f"SKIPPED: {name} is not installed; test/peers/install.sh", file=sys.stderr)
        return None

    def set_up_tacit(self):
        self.versions["tacit"] = self.call(self.tacit, "version").split()[1]
        for n in COUNTS:
            home = self.dir / f"tacit-{n}"
            project = home / "project"
            project.mkdir(parents=True)
            env = dict(self.env, HOME=str(home))
            self.call(self.tacit, "init", "--key-file", cwd=project, env=env)
            lines = "".join(json.dumps({"name": f"app/{v.lower()}", "value": f"value-of-{v}-0123456789"}) + "\n" for v in names(n))
            self.call(self.tacit, "put", "--batch", cwd=project, env=env, input=lines)
            with open(project / "tacit.toml", "a") as f:
                for v in names(n):
                    f.write(f'\n[secrets.{v}]\nref = "app/{v.lower()}"\n')
            self.call(self.tacit, "trust", "--yes", cwd=project, env=env)
            self.commands[n]["tacit run"] = ["env", f"HOME={home}", self.tacit, "--dir", str(project), "run", "--", "/bin/true"]

    def set_up_sops(self):
        sops, keygen = self.peer("sops"), self.peer("age-keygen")
        if not sops or not keygen:
            return
        self.versions["sops"] = self.call(sops, "--version", "--disable-version-check").split()[1]
        key = self.dir / "age.txt"
        self.call(keygen, "-o", str(key))
        self.env["SOPS_AGE_KEY_FILE"] = str(key)
        recipient = self.call(keygen, "-y", str(key)).strip()
        vals = self.peer("vals")
        if vals:
            # Built from its module, it does not know its own version.
            built = self.call("go", "version", "-m", vals, env=dict(os.environ))
            self.versions["vals"] = next(l.split()[2] for l in built.splitlines() if l.split()[:1] == ["mod"])
        for n in COUNTS:
            plain, sealed = self.dir / f"plain-{n}.json", self.dir / f"sealed-{n}.json"
            plain.write_text(json.dumps({v: f"value-of-{v}-0123456789" for v in names(n)}))
            sealed.write_text(self.call(sops, "encrypt", "--age", recipient, str(plain)))
            self.commands[n]["sops exec-env"] = [sops, "exec-env", str(sealed), "/bin/true"]
            if vals:
                refs = self.dir / f"vals-{n}.json"
                refs.write_text(json.dumps({v: f"ref+sops://{sealed}#/{v}" for v in names(n)}))
                self.commands[n]["vals exec"] = [vals, "exec", "-f", str(refs), "--", "/bin/true"]

    def set_up_dotenvx(self):
        dotenvx = self.peer("dotenvx")
        if not dotenvx:
            return
        self.versions["dotenvx"] = self.call(dotenvx, "--version").strip()
        for n in COUNTS:
            folder = self.dir / f"dotenvx-{n}"
            folder.mkdir()
            (folder / ".env").write_text("".join(f"{v}=value-of-{v}-0123456789\n" for v in names(n)))
            self.call(dotenvx, "encrypt", "-f", ".env", cwd=folder)
            self.commands[n]["dotenvx run"] = ["env", "-C", str(folder), dotenvx, "run", "--quiet", "-f", ".env", "--", "/bin/true"]

    def measure(self, commands):
        took = {name: [] for name in commands}
        for _ in range(self.runs):
            for name, argv in commands.items():
                begun = time.perf_counter()
                subprocess.run(argv, check=True, capture_output=True, env=self.env, cwd=self.dir)
                took[name].append((time.perf_counter() - begun) * 1000)
        return took

    def run(self):
        self.set_up_tacit()
        self.set_up_sops()
        self.set_up_dotenvx()
        print("versions:", ", ".join(f"{k} {v}" for k, v in self.versions.items()))
        for n in COUNTS:
            print(f"\n{n} secret{'s' * (n > 1)}, {self.runs} runs  median ms  minimum ms")
            for name, all_ in sorted(self.measure(self.commands[n]).items(), key=lambda x: statistics.median(x[1])):
                print(f"  {name:<20} {statistics.median(all_):>12.1f} {min(all_):>11.1f}")

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def main():
    bench = Bench(os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    try:
        bench.run()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
