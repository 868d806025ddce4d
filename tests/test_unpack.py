"""Bodies are unpacked piece by piece, whatever the pieces; broken ones are no answers."""

import gzip
from itertools import cycle
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.api.answers import NotAnAnswer
from mmflow.api.unpack import CHUNK_BYTES, limit_size, unpack_chunks


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """The data in pieces of the given sizes, in turn."""
    pieces, at = [], 0
    for size in cycle(sizes):
        if at >= len(data):
            return pieces
        pieces.append(data[at : at + size])
        at += size
    return pieces


@given(data=st.binary(max_size=3000), sizes=st.lists(st.integers(1, 400), min_size=1), repeat=st.integers(1, 600))
@settings(deadline=None, max_examples=40)
def test_gzip_is_unpacked_in_pieces_of_bounded_size(data: bytes, sizes: list[int], repeat: int) -> None:
    pieces = list(unpack_chunks(cut(gzip.compress(data * repeat), sizes), "gzip"))
    assert b"".join(pieces) == data * repeat
    assert all(0 < len(piece) <= CHUNK_BYTES for piece in pieces)


@pytest.mark.parametrize("size", [CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 40_000_000])
def test_much_from_little_comes_whole_at_the_borders_of_pieces_too(size: int) -> None:
    packed = gzip.compress(bytes(size))
    assert sum(map(len, unpack_chunks([packed], "gzip"))) == size
    assert sum(map(len, unpack_chunks(cut(packed, [1]), "gzip"))) == size


@given(short=st.integers(1, 120), sizes=st.lists(st.integers(1, 50), min_size=1))
@settings(deadline=None, max_examples=60)
def test_gzip_without_its_end_is_worth_another_try(short: int, sizes: list[int]) -> None:
    packed = gzip.compress(Random(short).randbytes(100))
    with pytest.raises(NotAnAnswer, match="in the middle of its gzip") as caught:
        list(unpack_chunks(cut(packed[:-short], sizes), "gzip"))
    assert caught.value.cut


def test_gzip_that_is_none_is_worth_another_try() -> None:
    with pytest.raises(NotAnAnswer, match="is not the gzip that it claims to be") as caught:
        list(unpack_chunks([b"{}"], "gzip"))
    assert caught.value.cut


def test_packing_that_was_not_asked_for_is_refused() -> None:
    with pytest.raises(NotAnAnswer, match="packed as 'br'") as caught:
        list(unpack_chunks([b"x"], "br"))
    assert not caught.value.cut


def test_what_is_not_packed_passes_as_it_comes() -> None:
    assert list(unpack_chunks([b"a", b"b"], "identity")) == [b"a", b"b"]


def test_a_limit_holds_to_the_byte() -> None:
    assert list(limit_size([b"aa", b"bb"], 4)) == [b"aa", b"bb"]
    with pytest.raises(NotAnAnswer, match="is larger than"):
        list(limit_size([b"aa", b"bbb"], 4))
