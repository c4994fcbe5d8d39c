"""How is an HTTP/1.1 message's body found and passed on piece by piece?"""

import asyncio
from collections.abc import AsyncIterator

PIECE = 65536


async def body_pieces(
    reader: asyncio.StreamReader, head: bytes, *, until_end: bool = False
) -> AsyncIterator[bytes]:
    """The body as it comes, framing included; with neither length nor chunks until the end."""
    if header(head, b"transfer-encoding").lower() == b"chunked":
        async for piece in _chunks(reader):
            yield piece
        return
    if until_end:
        while piece := await reader.read(PIECE):
            yield piece
        return
    remaining = int(header(head, b"content-length") or 0)
    while remaining:
        piece = await reader.readexactly(min(remaining, PIECE))
        remaining -= len(piece)
        yield piece


def has_length(head: bytes) -> bool:
    return bool(header(head, b"content-length") or header(head, b"transfer-encoding"))


def header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return b""


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        size_line = await reader.readuntil(b"\r\n")
        size = int(size_line.split(b";")[0], 16)
        yield size_line + await reader.readexactly(size + 2)
        if size == 0:
            return
