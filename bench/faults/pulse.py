"""Notices when the machine itself stands still: a virtual one that is paused, a starved one."""

import threading
import time

#: Longer than this no working machine keeps a thread from running.
STALL_S = 2.0


class Pulse:
    """A thread that looks at the running clock ten times a second."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while True:
            before = time.monotonic()
            time.sleep(0.1)
            self.longest_s = max(self.longest_s, time.monotonic() - before - 0.1)

    def begin(self) -> None:
        """Forget what was."""
        self.longest_s = 0.0

    def stood_still(self) -> bool:
        """Tell whether the machine stood still since `begin`."""
        return self.longest_s > STALL_S
