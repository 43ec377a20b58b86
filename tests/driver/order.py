"""Streams and events. A stream does nothing before somebody waits for it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.ptx import Fault

from .contexts import CONTEXT
from .driver import (
    INVALID_HANDLE,
    INVALID_VALUE,
    NOT_READY,
    Driver,
    Refused,
    entry,
    f32,
    i32,
    place,
    to,
    u32,
)

NONBLOCKING, NO_TIMING = 1, 2
LEGACY = 1
Work = Callable[[], object]


class Stream:
    """Work in order. Blocking streams and the legacy one wait for each other."""

    def __init__(self, driver: Driver, flags: int = 0) -> None:
        self.driver, self.flags = driver, flags
        self.queue: deque[Work] = deque()

    def ask(self, work: Work) -> None:
        if not self.flags & NONBLOCKING:
            for other in self.neighbours():
                self.queue.append(waiting(other))
        self.queue.append(work)

    def neighbours(self) -> list[Stream]:
        legacy = legacy_of(self.driver)
        if self is not legacy:
            return [legacy]
        return [s for s in self.driver.live(Stream) if s is not self and not s.flags & NONBLOCKING]

    def step(self) -> None:
        work = self.queue.popleft()
        if self.driver.broken:
            return
        try:
            work()
        except Fault as fault:
            self.driver.broke(fault)

    def finish(self) -> None:
        while self.queue:
            self.step()


class Record:
    """A point of a stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.time = stream, 0.0

    def __call__(self) -> None:
        self.time = time.perf_counter()

    def finish(self) -> None:
        while not self.time and self.stream.queue:
            self.stream.step()


class Event:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.record: Record | None = None


def waiting(stream: Stream) -> Work:
    """Work that waits for all that a stream was asked for until now."""
    record = Record(stream)
    stream.queue.append(record)
    return record.finish


def legacy_of(driver: Driver) -> Stream:
    if LEGACY not in driver.objects:
        driver.objects[LEGACY] = Stream(driver)
    return driver.objects[LEGACY]


def stream_of(driver: Driver, handle: int | None) -> Stream:
    """The stream of a handle; without one, that of the context which is current."""
    if handle in (None, 0, LEGACY) and driver.context:
        return legacy_of(driver)
    return driver.of(handle, Stream)


@entry(to(place), u32, i32)
def cuStreamCreateWithPriority(driver: Driver, out: Any, flags: int, priority: int) -> None:
    if flags not in (0, NONBLOCKING):
        raise Refused(INVALID_VALUE, "flags")
    out[0] = driver.add(Stream(driver, flags)) if driver.context else None


@entry(place)
def cuStreamDestroy(driver: Driver, handle: int | None) -> None:
    driver.forget(handle, Stream).finish()


@entry(place)
def cuStreamSynchronize(driver: Driver, handle: int | None) -> None:
    stream_of(driver, handle).finish()


@entry()
def cuCtxSynchronize(driver: Driver) -> None:
    if driver.context:
        for stream in driver.live(Stream):
            stream.finish()


@entry(place, to(place))
def cuStreamGetCtx(driver: Driver, handle: int | None, out: Any) -> None:
    stream_of(driver, handle)
    out[0] = CONTEXT


@entry(place, to(i32))
def cuStreamGetDevice(driver: Driver, handle: int | None, out: Any) -> None:
    stream_of(driver, handle)
    out[0] = 0


@entry(place, to(u32))
def cuStreamGetFlags(driver: Driver, handle: int | None, out: Any) -> None:
    out[0] = stream_of(driver, handle).flags


@entry(place, to(i32))
def cuStreamIsCapturing(driver: Driver, handle: int | None, out: Any) -> None:
    stream_of(driver, handle)
    out[0] = 0


@entry(place, place, u32)
def cuStreamWaitEvent(driver: Driver, handle: int | None, event: int | None, flags: int) -> None:
    stream, record = stream_of(driver, handle), driver.of(event, Event).record
    if record is not None:  # an event that was never recorded is done
        stream.ask(record.finish)


@entry(to(place), u32)
def cuEventCreate(driver: Driver, out: Any, flags: int) -> None:
    out[0] = driver.add(Event(flags)) if driver.context else None


@entry(place)
def cuEventDestroy(driver: Driver, handle: int | None) -> None:
    driver.forget(handle, Event)


@entry(place, place)
def cuEventRecord(driver: Driver, event: int | None, handle: int | None) -> None:
    stream = stream_of(driver, handle)
    record = driver.of(event, Event).record = Record(stream)
    stream.ask(record)


@entry(place)
def cuEventSynchronize(driver: Driver, event: int | None) -> None:
    if record := driver.of(event, Event).record:
        record.finish()


@entry(place)
def cuEventQuery(driver: Driver, event: int | None) -> int:
    """Time passes when somebody asks again and again: the stream is a step further then."""
    record = driver.of(event, Event).record
    if record is None or record.time:
        return 0
    if record.stream.queue:
        record.stream.step()
    return NOT_READY


@entry(to(f32), place, place)
def cuEventElapsedTime(driver: Driver, out: Any, start: int | None, end: int | None) -> int:
    events = [driver.of(e, Event) for e in (start, end)]
    records = [e.record for e in events]
    if any(e.flags & NO_TIMING for e in events) or None in records:
        raise Refused(INVALID_HANDLE, "an event that was not recorded, or without a time")
    first, last = (r.time for r in records if r is not None)
    if not first or not last:
        return NOT_READY
    out[0] = 1e3 * (last - first)
    return 0
