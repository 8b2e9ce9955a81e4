"""Ports for processes that must be told where to listen."""

import itertools
import os
import socket

FIRST = 10000
# From here on Linux picks for outgoing connections by default.
END = 32768
# More than one test asks for, so that tests side by side try others.
PER_PROCESS = 37

_ports = (FIRST + n % (END - FIRST) for n in itertools.count(os.getpid() * PER_PROCESS))


def free_port() -> int:
    """One on which nothing listened a moment ago and that no outgoing connection takes; another one each time."""
    for port in itertools.islice(_ports, END - FIRST):
        with socket.socket() as probe:
            # As those who listen do; it admits what remains of connections that have ended.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise OSError(f"no port from {FIRST} to {END - 1} is free")
