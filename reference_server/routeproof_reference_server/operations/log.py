"""Writes the log without anybody waiting for it: lines queue, and a task of its own hands them on, many at once.

The queue is bounded. Where nobody reads, lines are lost, and how many is told as soon as there is room again: a log
that is stuck must not make clients wait.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, TypeAlias, final

import trio

from routeproof_reference_server.config import LogConfig, LogFormat, LogLevel
from routeproof_reference_server.operations.lines import LEVELS, LineWriter, level_of
from routeproof_reference_server.records import AttemptRecord, RequestRecord

LINES_MAX: Final = 10_000  #: that wait; some 4 MB
PAUSE: Final = 0.05  #: seconds in which lines gather, so that one write serves many
FLUSH_SECONDS_MAX: Final = 1.0  #: that the last lines get when the gateway ends

_STDLIB: Final = {logging.DEBUG: LogLevel.DEBUG, logging.INFO: LogLevel.INFO, logging.WARNING: LogLevel.WARNING}


Sink: TypeAlias = Callable[[bytes], None]  # writes all of it, and may take its time


def to_descriptor(descriptor: int) -> Sink:
    """Return a sink that writes to an open file *descriptor*."""

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    return write


def chosen_format(form: LogFormat, *, is_terminal: bool) -> LogFormat:
    """Return the format that `auto` stands for: text for people, JSON for everything else."""
    if form is not LogFormat.AUTO:
        return form
    return LogFormat.TEXT if is_terminal else LogFormat.JSON


@final
class Log:
    """Says in lines what happens. An observer of requests, and the place where everything else is told."""

    def __init__(self, config: LogConfig, sink: Sink, wall: Callable[[], float], *, is_terminal: bool = False) -> None:
        self._sink = sink
        self._wall = wall
        self._is_terminal = is_terminal
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._has_some = trio.Event()
        self._one_at_a_time = threading.Lock()
        self.configure(config)

    def configure(self, config: LogConfig) -> None:
        """From now on log as *config* says."""
        self._threshold = LEVELS[config.level]
        form = chosen_format(config.format, is_terminal=self._is_terminal)
        self._writer = LineWriter(form, verbose=config.level is LogLevel.DEBUG)

    def request_began(self, request: RequestRecord) -> None:
        """Nothing is told of it yet."""

    def attempt_began(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """Nothing is told of it yet."""

    def attempt_ended(self, request: RequestRecord, attempt: AttemptRecord) -> None:
        """It is told with its request."""

    def request_ended(self, request: RequestRecord) -> None:
        """Tell *request* in one line."""
        if LEVELS[level_of(request)] >= self._threshold:
            self._put(self._writer.request(request, self._wall()))

    def say(self, level: LogLevel, event: str, text: str, *, trace: str | None = None) -> None:
        """Tell something else that happened."""
        if LEVELS[level] >= self._threshold:
            self._put(self._writer.event(level, event, text, self._wall(), trace=trace))

    @contextmanager
    def hears(self, logger: logging.Logger) -> Generator[None]:
        """For the length of the block, write what *logger* is told in Trio's own thread."""
        handler = _Handler(self)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write what is told until cancelled, then what is left."""
        task_status.started()
        try:
            while True:
                await self._has_some.wait()
                await self.write()
                await trio.sleep(PAUSE)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + FLUSH_SECONDS_MAX):
                await self.write()

    async def write(self) -> None:
        """Write what is told, as far as the sink takes it."""
        self._has_some = trio.Event()
        if lost := self._lost:
            self._lost = 0
            text = f"{lost} lines were lost, for nobody read them in time"
            self._waiting.append(self._writer.event(LogLevel.WARNING, "log", text, self._wall()))
        if self._waiting:
            # Given up where the reader is stuck: the thread is Trio's and ends with the process.
            await trio.to_thread.run_sync(self.empty, abandon_on_cancel=True)

    def empty(self) -> None:
        """Write all lines. In a thread, which takes them itself: given up before it begins, it has lost none."""
        with self._one_at_a_time:
            self._sink(b"".join(self._waiting.popleft() for _ in range(len(self._waiting))))

    def _put(self, line: bytes) -> None:
        if len(self._waiting) >= LINES_MAX:
            self._lost += 1
            return
        self._waiting.append(line)
        self._has_some.set()


@final
class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else None
        level = _STDLIB.get(record.levelno, LogLevel.ERROR)
        self._log.say(level, "gateway", record.getMessage(), trace=trace)
