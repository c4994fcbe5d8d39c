"""Which loopback ports are free?

Never from the ephemeral range: a server that is killed and comes back must find its port again,
and an outgoing connection could have taken it meanwhile.
"""

import random
import socket

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
        if _is_free("127.0.0.1", port + shift) and (
            not has_ipv6() or _is_free("::1", port + shift)
        ):
            picked.append(port)
    if len(picked) < count:
        raise OSError(f"No {count} free ports between {candidates.start} and {candidates.stop}")
    return picked


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True
