"""Serves moto on a free port of the loopback and writes its address to a file.

Values are kept in memory and gone with the process. moto checks no signature:
the account of a request is that of its access key, if AssumeRole made it.
"""

import os
import signal
import sys

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
part = sys.argv[1] + ".part"
with open(part, "w", encoding="ascii") as f:
    f.write(f"http://{host}:{port}")
os.rename(part, sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
signal.pause()
