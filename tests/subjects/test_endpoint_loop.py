"""The loop that all endpoint subjects share."""

from __future__ import annotations

import asyncio
import threading

import pytest

from doxa.subjects.endpoint_transport import LoopThread


def test_a_subject_that_is_collected_in_mid_submission_ends_on_the_same_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its finaliser submits from the thread that submits already, wherever the collector strikes."""
    loop, whole, ended = LoopThread(), asyncio.run_coroutine_threadsafe, []

    def collecting(work, on):
        if not ended:
            ended.append(None)
            ended.append(loop.submit(asyncio.sleep(0, "closed")))
        return whole(work, on)

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", collecting)
    said = []
    thread = threading.Thread(
        target=lambda: said.append(loop.submit(asyncio.sleep(0, "answered")).result(10.0)), daemon=True
    )
    thread.start()
    thread.join(10.0)
    assert said == ["answered"]
    assert ended[1].result(10.0) == "closed"
