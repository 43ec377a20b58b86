"""Attributes that are found when they are first read.

Python 3.11's `functools.cached_property` holds one lock for all objects of a class: where a thread
reads one while another forks, the child never gets it. Here nothing is locked; two threads may
both find the attribute, and agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):
    """What `find` gives for the object, kept on it."""

    def __init__(self, find: Callable[[Any], T]) -> None:
        self.find, self.__doc__, self.name = find, find.__doc__, find.__name__

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> T: ...

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return instance.__dict__.setdefault(self.name, self.find(instance))
