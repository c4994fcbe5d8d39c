"""Which loopback ports are free?

Never from the ephemeral range: a server that is killed and comes back must find its port again,
and an outgoing connection could have taken it meanwhile. A port that was picked belongs to the
picking process as long as it lives, by a file lock: several labs may come up at once, and some
parts bind their ports seconds later.
"""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

ORDINARY = range(15000, 22000)
LISTENERS = range(22000, 23900)
"""For Gateway listeners: Contour serves listener port P on P + 8000."""
CONTOUR_SHIFT = 8000


def free_ports(count: int) -> list[int]:
    return _pick(ORDINARY, count, 0)


def free_listener_port() -> int:
    return _pick(LISTENERS, 1, CONTOUR_SHIFT)[0]


def has_ipv6() -> bool:
    return _is_free("::1", 0)


def _pick(candidates: range, count: int, shift: int) -> list[int]:
    picked: list[int] = []
    for port in random.SystemRandom().sample(candidates, len(candidates)):
        if len(picked) == count:
            break
        if _reserve(port + shift) and _is_free_everywhere(port + shift):
            picked.append(port)
    if len(picked) < count:
        raise OSError(f"No {count} free ports between {candidates.start} and {candidates.stop}")
    return picked


_reserved: list[int] = []


def _reserve(port: int) -> bool:
    """The lock's descriptor is never closed; a program that this process starts does not get it."""
    folder = Path(tempfile.gettempdir()) / f"cutover-lab-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _reserved.append(descriptor)
    return True


def _is_free_everywhere(port: int) -> bool:
    return _is_free("127.0.0.1", port) and (not has_ipv6() or _is_free("::1", port))


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True
