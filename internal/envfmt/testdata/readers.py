"""Reads files with other people's parsers: a line "FORMAT<tab>FILE" on standard
input is answered by one line of JSON, an object of names and values, or
{"": error} where the parser refuses."""
import ctypes
import glob
import json
import logging
import sys


def systemd(path):
    """load_env_file is what systemd itself calls for EnvironmentFile=."""
    lib = ctypes.CDLL(glob.glob("/usr/lib/*/systemd/libsystemd-shared-*.so")[0])
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    lib.load_env_file.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    file = libc.fopen(path.encode(), b"re")
    out = ctypes.POINTER(ctypes.c_char_p)()
    r = lib.load_env_file(file, path.encode(), ctypes.byref(out))
    libc.fclose(ctypes.c_void_p(file))
    if r < 0:
        raise ValueError("load_env_file: %d" % r)
    read, i = {}, 0
    while out and out[i] is not None:
        name, _, value = out[i].decode().partition("=")
        read[name] = value
        i += 1
    return read


def texts(obj):
    return {str(k): v if isinstance(v, str) else json.dumps(v, default=str) for k, v in obj.items()}


def read(format, path):
    if format == "systemd":
        return systemd(path)
    if format in ("dotenv", "expand"):
        import dotenv
        return dict(dotenv.dotenv_values(path, interpolate=format == "expand"))
    if format == "json":
        return texts(json.load(open(path, encoding="utf-8")))
    if format == "toml":
        import tomllib
        return texts(tomllib.load(open(path, "rb")))
    import yaml
    obj = yaml.safe_load(open(path, "rb"))
    if format == "kubernetes":
        obj = obj["data"]
    return texts(obj)


logging.disable(logging.CRITICAL)  # python-dotenv warns of what the tests mean to be wrong
for line in sys.stdin:
    format, path = line.rstrip("\n").split("\t")
    try:
        answer = read(format, path)
    except Exception as e:
        answer = {"": type(e).__name__}
    print(json.dumps(answer), flush=True)
