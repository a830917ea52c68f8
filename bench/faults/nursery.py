"""Starts the real command in milliseconds: it has imported it already, and forks.

Usage: python -m bench.faults.nursery; one JSON line in, `{"command", "env", "log", "patches"}`, one
line out: the pid. The child runs `leadscore COMMAND` like any other start; only the imports are
spared. So hundreds of kills fit into a minute.
"""

import json
import os
import signal
import sys

from bench.faults.patches import apply


def main() -> None:
    """Fork children until standard input ends."""
    # All that the command imports late.
    import console.cli  # noqa: PLC0415
    import console.serving  # noqa: F401, PLC0415
    import store.postgres  # noqa: F401, PLC0415
    import webhooks.working  # noqa: F401, PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a dead child leaves nothing behind
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
        print(pid, flush=True)


def _live(order: dict) -> None:
    """Become the command; never returns."""
    code = 70
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.clear()  # noqa: TID251  a process of its own
        os.environ.update(order["env"])  # noqa: TID251
        for patch in order["patches"]:
            apply(patch)
        from console.cli import main as command  # noqa: PLC0415

        command(args=[order["command"]], standalone_mode=False)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
