"""Unpacks what the network gives while it comes, so that a few bytes cannot become many at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from mmflow.api.answers import NotAnAnswer

MEGABYTE = 1_000_000
CHUNK_BYTES = 1 << 18
GZIP = 16 + zlib.MAX_WBITS


def limit_size(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Let pieces through up to ``limit`` bytes together; one more raises :class:`NotAnAnswer`."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            most = f"{limit // MEGABYTE} MB (network.max_answer_mb)"
            raise NotAnAnswer(f"is larger than {most} when unpacked; give the job a shorter 'slice' or fewer groups")
        yield chunk


def unpack_chunks(chunks: Iterable[bytes], packing: str) -> Iterator[bytes]:
    """Give a body unpacked, in pieces of at most 256 KiB when it was packed.

    ``packing`` is ``gzip`` or ``identity``. Raises :class:`NotAnAnswer` for another one and for a broken gzip.
    """
    if packing == "identity":
        yield from chunks
        return
    if packing != "gzip":
        raise NotAnAnswer(f"is packed as {packing!r}, and only gzip was asked for")
    unzip = zlib.decompressobj(wbits=GZIP)
    try:
        for packed in chunks:
            yield from unzip_piece(unzip, packed)
    except zlib.error as error:
        raise NotAnAnswer(f"is not the gzip that it claims to be ({error})", cut=True) from None
    if not unzip.eof:
        raise NotAnAnswer("ends in the middle of its gzip", cut=True)


def unzip_piece(unzip: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
    """Unpack one piece into pieces of bounded size."""
    while packed:
        chunk = unzip.decompress(packed, CHUNK_BYTES)
        packed = unzip.unconsumed_tail
        if chunk:
            yield chunk
