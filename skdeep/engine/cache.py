"""The process-wide store of compiled programs.

A graph program of a small network takes 2 MB, which are free again once it is evicted; one under
XLA takes 6, which TensorFlow keeps for good. So the store is large, and says so when it overflows.
"""

import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple


class CacheInfo(NamedTuple):
    """Counts since the start or the last :func:`cache_clear`; ``kinds`` counts what is held."""

    hits: int
    misses: int
    size: int
    max_size: int
    kinds: dict[str, int]


class ProgramCache:
    """A thread-safe least-recently-used map from keys to built things.

    Two threads that ask for the same key build it once; different keys build side by side.
    """

    def __init__(self, max_size: int = 1024) -> None:
        self.max_size = max_size
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, Hashable], _Entry] = OrderedDict()
        self._hits = self._misses = 0

    def get(self, kind: str, key: Hashable, build: Callable[[], Any]) -> Any:
        """The value of (kind, key), built if it is not held."""
        with self._lock:
            entry = self._entries.get((kind, key))
            if entry is None:
                self._misses += 1
                entry = self._entries[kind, key] = _Entry()
                if len(self._entries) > self.max_size:
                    self._entries.popitem(last=False)
                    self._warn()
            else:
                self._hits += 1
                self._entries.move_to_end((kind, key))
        with entry.lock:
            if not entry.built:
                try:
                    entry.value = build()
                except BaseException:
                    with self._lock:
                        self._entries.pop((kind, key), None)
                    raise
                entry.built = True
        return entry.value

    def _warn(self) -> None:
        warnings.warn(
            f"More than {self.max_size} programs were built in this process; the oldest are let "
            "go, but XLA's keep their memory. Fewer distinct structures (widths, batch sizes, "
            "shapes) need fewer programs; skdeep.engine.cache_info() counts them.",
            ResourceWarning,
            stacklevel=4,
        )

    def info(self) -> CacheInfo:
        """Hits, misses, size, and the number of entries of each kind."""
        with self._lock:
            kinds: dict[str, int] = {}
            for kind, _ in self._entries:
                kinds[kind] = kinds.get(kind, 0) + 1
            return CacheInfo(self._hits, self._misses, len(self._entries), self.max_size, kinds)

    def clear(self) -> None:
        """Forget everything; programs in use go on working."""
        with self._lock:
            self._entries.clear()
            self._hits = self._misses = 0


class _Entry:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.built = False
        self.value: Any = None


programs = ProgramCache()


def cache_info() -> CacheInfo:
    """What the store of compiled programs holds, and how often it was asked."""
    return programs.info()


def cache_clear() -> None:
    """Forget all compiled programs; the next fit builds its own again, to the same bits."""
    programs.clear()
