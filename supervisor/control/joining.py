"""Joins a socket to standard input and output, byte for byte: what ``dial`` is for.

Knows nothing of what is carried. Ends when either side does, and never stays for nobody.
"""

from __future__ import annotations

import os
import socket
import threading
import time

CHUNK = 65_536
STDIN, STDOUT = 0, 1
LAST_REPLY_S = 2.0
"""After standard input ended: how long a reply may still be under way."""


def write(data: bytes) -> None:
    """All of ``data`` to standard output; OSError when nobody reads any more."""
    view = memoryview(data)
    while view:
        view = view[os.write(STDOUT, view) :]


def join(connection: socket.socket) -> None:
    """Carry both directions until one end is gone. Blocks; ``connection`` stays the caller's."""
    connection.settimeout(None)
    threading.Thread(target=_send, args=(connection,), daemon=True).start()
    try:
        while data := connection.recv(CHUNK):
            write(data)
    except OSError:
        pass  # The client is gone, or the engine: there is nothing more to carry.


def _send(connection: socket.socket) -> None:
    """Standard input to the socket; at its end the engine hears that nothing more comes."""
    try:
        while data := os.read(STDIN, CHUNK):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        # A subscription alone would keep the connection, and us, for ever.
        time.sleep(LAST_REPLY_S)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # The engine is gone: the other direction ends us.
