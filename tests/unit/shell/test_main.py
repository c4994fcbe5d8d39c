"""python -m cutover: what is done before the first look."""

import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import pytest

from cutover import __main__ as command


def test_what_was_imported_is_never_searched_for_garbage_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each search would hold up every rollout's guards."""
    kept: list[int] = []

    def run(life: Coroutine[Any, Any, None]) -> None:
        life.close()
        kept.append(gc.get_freeze_count())

    monkeypatch.setattr(sys, "argv", ["cutover", "--lease-namespace", "ns"])
    monkeypatch.setattr(command, "start_logging", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(asyncio, "run", run)
    try:
        command.main()
    finally:
        gc.unfreeze()
    assert kept[0] > 50_000
