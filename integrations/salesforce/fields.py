"""Which fields our user may see: asked once when a read is refused, and kept for an hour."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from integrations.refusals import KEPT_S


class Fields:
    """Hidden fields by object. Thread-safe."""

    def __init__(
        self,
        describe: Callable[[str], Mapping[str, Any]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask by `describe`; `clock` gives monotonic seconds."""
        self._describe = describe
        self._clock = clock
        self._lock = threading.Lock()
        self._hidden: dict[str, tuple[frozenset[str], float]] = {}

    def readable(self, object_type: str, names: Sequence[str]) -> list[str]:
        """Return `names` in their order, each once, without those that are known to be hidden."""
        with self._lock:
            hidden, since = self._hidden.get(object_type, (frozenset(), 0.0))
            if hidden and self._clock() - since > KEPT_S:
                del self._hidden[object_type]
                hidden = frozenset()
        return [name for name in dict.fromkeys(names) if name not in hidden]

    def learn(self, object_type: str, names: Collection[str]) -> frozenset[str]:
        """Ask which of `names` are hidden or missing, and remember. Raises: CrmError."""
        with self._lock:
            there = {field["name"] for field in self._describe(object_type)["fields"]}
            hidden = frozenset(names) - there
            self._hidden[object_type] = (hidden, self._clock())
        return hidden
