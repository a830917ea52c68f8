"""What the CRM does not let us read: left out, and asked for again after an hour."""

import threading
import time
from collections.abc import Callable, Collection

#: A person grants it meanwhile: it is asked for again after so long.
KEPT_S = 3600.0


class Refusals:
    """Names that the CRM refused. Thread-safe."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with none. `clock` gives monotonic seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}

    def add(self, name: str) -> None:
        """Note that `name` was refused just now."""
        with self._lock:
            self._since[name] = self._clock()

    def without(self, names: Collection[str]) -> frozenset[str]:
        """Return `names` but for those that were refused within the hour."""
        now = self._clock()
        with self._lock:
            return frozenset(
                name
                for name in names
                if name not in self._since or now - self._since[name] > KEPT_S
            )
