"""What parts tell each other arrives, whoever tells whom how much; who is gone, or a stranger, is found out."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doxa.society.shards.links import Links, ShardLostError
from doxa.streams import stream

HOST, KEY = "127.0.0.1", b"common"


@contextmanager
def linked(parts: int):
    links = [Links(part, HOST, KEY) for part in range(parts)]
    addresses = [link.address for link in links]
    together(links, lambda link, _: link.connect(addresses))
    yield links
    for link in links:
        link.close()


def together(links: list[Links], do) -> list:
    """Let every part do something at the same time, as processes do."""
    with ThreadPoolExecutor(len(links)) as pool:
        return list(pool.map(do, links, range(len(links))))


@given(
    st.integers(1, 7).flatmap(
        lambda parts: st.lists(
            st.lists(st.sampled_from([0, 1, 7, 300_000]), min_size=parts, max_size=parts),
            min_size=parts,
            max_size=parts,
        )
    ),
    st.sampled_from([np.float32, np.uint8]),
)
@settings(max_examples=30, deadline=None)
def test_each_hears_what_each_tells_it(sizes, dtype):
    parts = len(sizes)
    rng = stream(0, "tests", "links")
    told = [
        [rng.integers(0, 200, size * (to != part)).astype(dtype) for to, size in enumerate(row)]
        for part, row in enumerate(sizes)
    ]
    expected = [[told[other][part] for other in range(parts)] for part in range(parts)]
    heard = [[np.zeros_like(values) for values in row] for row in expected]
    with linked(parts) as links:
        for _ in range(3):
            together(links, lambda link, part: link.exchange(told[part], heard[part]))
    for ours, theirs in zip(heard, expected, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_a_part_that_is_gone_is_missed_by_who_tells_it_and_by_who_hears_it():
    values = np.ones(3_000_000, dtype=np.float32)
    nothing = values[:0]
    with linked(2) as (first, second):
        second.close()
        with pytest.raises(ShardLostError, match="part 0 no longer hears part 1"):
            first.exchange([nothing, values], [nothing, nothing])
    with linked(2) as (first, second):
        first.close()
        with pytest.raises(ShardLostError, match="part 1 no longer hears part 0"):
            second.exchange([nothing, nothing], [values, nothing])


def test_a_part_that_cannot_be_reached_is_named_with_its_address():
    links = Links(1, HOST, KEY)
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        port = closed.getsockname()[1]
    with pytest.raises(ShardLostError, match=f"part 1 cannot reach part 0 at {HOST}:{port}"):
        links.connect([(HOST, port), links.address])
    links.close()


def test_a_stranger_is_not_let_in():
    first, second = Links(0, HOST, KEY), Links(1, HOST, KEY)
    addresses = [first.address, second.address]
    waiting = threading.Thread(target=first.connect, args=(addresses,))
    waiting.start()
    with pytest.raises(AuthenticationError):
        Client(first.address, authkey=b"guessed")
    with socket.create_connection(first.address) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\n\r\n")
    second.connect(addresses)
    waiting.join()
    told, heard = np.arange(3.0), np.zeros(3)
    nothing = told[:0]
    with ThreadPoolExecutor() as pool:
        speaking = pool.submit(first.exchange, [nothing, told], [nothing, nothing])
        second.exchange([nothing, nothing], [heard, nothing])
        speaking.result()
    assert np.array_equal(heard, told)
    first.close()
    second.close()
