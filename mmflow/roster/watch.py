"""Tells when files of a root have changed: at once where the system says so, and by a slow look everywhere."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Final

from mmflow.schedule.skips import FILES
from mmflow.settings import JOBS_FOLDER
from mmflow.workspace import SETTINGS_FILE

log = logging.getLogger(__name__)

GLANCE: Final = 0.5  # seconds between two looks at whether something waits to be looked at again, or the end has come
POLL: Final = 60.0  # seconds between two looks at files whose drive says nothing of its own accord


class Watcher:
    """A thread that calls ``wake`` when there may be something to read, until :meth:`close`.

    It does so when the system tells of a change, half a second after ``unsettled`` was true, and every ``poll``
    seconds whatever the system says, since network drives say nothing.
    """

    def __init__(
        self, root: Path, wake: Callable[[], None], unsettled: Callable[[], bool], *, poll: float = POLL
    ) -> None:
        self._root, self._wake, self._unsettled, self._poll = root, wake, unsettled, poll
        self._stop = Event()
        self._told = False
        self._thread = Thread(target=self._run, name="mmflow-roster", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread; returns when it has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        left = self._poll
        while not self._stop.is_set():
            for changed in self._listen():
                left -= GLANCE
                if changed or left <= 0 or self._unsettled():
                    left = self._poll if left <= 0 else left
                    self._wake()

    def _listen(self) -> Iterator[bool]:
        """Give every half second, or at once, whether something may have changed; ends when folders come or go."""
        import watchfiles

        folders = list_folders(self._root)
        fresh = True  # nobody listened just before
        try:
            Thread(target=bool).start()  # where no thread can be started the library would end the whole process
            for changes in watchfiles.watch(
                *folders,
                watch_filter=self._concerns,
                recursive=False,
                step=50,
                rust_timeout=int(GLANCE * 1000),
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
            ):
                yield bool(changes) or fresh
                fresh = False
                if changes and list_folders(self._root) != folders:
                    return
        except (OSError, RuntimeError) as error:  # too many watches, or a drive that cannot be watched
            self._tell(error)
            yield from self._wait()

    def _wait(self) -> Iterator[bool]:
        """Go without the system for a while."""
        for _ in range(int(self._poll / GLANCE) or 1):
            if self._stop.wait(GLANCE):
                return
            yield False

    def _tell(self, error: Exception) -> None:
        if not self._told:
            log.warning("changed files are found only every %.0f seconds, because %s", self._poll, error)
        self._told = True

    def _concerns(self, _change: object, path: str) -> bool:
        if path.lower().endswith(FILES):
            return True
        return path == str(self._root / SETTINGS_FILE) or path.startswith(str(self._root / JOBS_FOLDER))


def list_folders(root: Path) -> list[str]:
    """Give the folders whose entries matter: the root itself and those of the jobs, sorted."""
    found = [str(root)]
    for where, folders, _ in os.walk(root / JOBS_FOLDER):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.append(where)
    return sorted(found)
