"""A process that holds keys leaves no core file, however it dies (S62)."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

CRASHING = """
import ctypes, os, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)
if sys.argv[1] == "guarded":
    from console.hardening import forbid_dumps
    forbid_dumps()
secret = b"MARKER-in-memory" * 1000
print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
sys.stdout.flush()
os.abort()
"""


def crash(how, folder):
    return subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", CRASHING, how], cwd=folder, capture_output=True, check=False
    )


def test_s062_an_abort_leaves_no_core_file(tmp_path):
    ended = crash("guarded", tmp_path)

    assert ended.returncode == -signal.SIGABRT
    assert ended.stdout.split() == [b"0", b"0"]  # no size allowed; PR_GET_DUMPABLE says no
    assert list(tmp_path.iterdir()) == []


def test_s062_without_the_guard_the_process_could_be_dumped(tmp_path):
    """What the other test sees is the guard's doing, not the machine's."""
    assert crash("bare", tmp_path).stdout.split()[1] == b"1"


def test_s062_temporary_files_of_the_database_stay_in_memory(store):
    if store.databases.ledger.dialect.name == "sqlite":
        with store.databases.ledger.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA temp_store").scalar() == 2
    assert not list(Path(tempfile.gettempdir()).glob("leadscore.db*"))
