"""A process that sends messages, beside the thread that has begun it and looks after it from time to time."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from mmflow.stops import holding_stops

log = logging.getLogger(__name__)

BEGIN: Final = 30.0  # seconds that a process may need on a busy machine before it sends at all


class Errand:
    """A process on its way, which is ended when it takes longer than ``patience`` seconds and :data:`BEGIN`.

    ``target`` is called there with ``given`` and the end of a pipe, by which it tells pairs: what it is no longer busy
    with, and what keeps all from being sent; either may be "". ``busy`` is what it still works on, ``trouble`` is "" as
    long as nothing was told, and ``well`` says, once it has ended, whether all went well.
    """

    def __init__(
        self, target: Callable[..., None], given: tuple[Any, ...], patience: float, busy: Iterable[str] = ()
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._heard, said = context.Pipe(duplex=False)
        self._process = context.Process(target=target, args=(*given, said), daemon=True)
        with holding_stops():
            self._process.start()
        said.close()
        self._patience, self._end = patience, time.monotonic() + patience + BEGIN
        self.busy, self.trouble, self.well = set(busy), "", False

    def goes_on(self, wait: float = 0.0) -> bool:
        """Hear what it has told, and tell whether it still works, waiting that many seconds for its end."""
        self._process.join(wait)
        code = self._process.exitcode
        with suppress(EOFError, OSError):
            while self._heard.poll():
                done, trouble = self._heard.recv()
                self.busy.discard(done)
                self.trouble = self.trouble or trouble
        if code is None and time.monotonic() < self._end:
            return True
        if code is None:
            log.warning("sending notices took longer than %.0f s and was ended; it is tried again", self._patience)
            self._process.kill()
            self._process.join()
        self.well = code == 0 and not self.trouble
        self._process.close()
        self._heard.close()
        return False
