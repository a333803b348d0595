"""Heavy work waits for its turn, ends with its owner, and stays within its limits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import heavy

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 60


def run(code: str, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", f"import sys, time\nfrom core import heavy\n{code}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(true, seconds: float = SECONDS) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


HOLD = """
from pathlib import Path
with heavy.turn(1, Path(sys.argv[1])):
    print("mine", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_work_waits_for_its_turn_and_a_killed_holder_gives_it_back(tmp_path: Path) -> None:
    first = run(HOLD, str(tmp_path), "600")
    assert first.stdout is not None and first.stdout.readline() == "mine\n"
    second = run(HOLD, str(tmp_path), "0")
    time.sleep(1.0)
    assert second.poll() is None
    first.kill()
    assert second.communicate(timeout=SECONDS)[0] == "mine\n"
    first.communicate()


WORK = """
def work():
    import os
    print(os.getpid(), flush=True)
    time.sleep(600)
sys.exit(heavy.supervised(work, float(sys.argv[1])))
"""


def test_what_fails_in_a_turn_is_said_and_gives_it_back(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(FileNotFoundError), heavy.turn(1, tmp_path):
            raise FileNotFoundError("of the work itself")


def test_work_ends_with_its_owner() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, sys.executable, WORK], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    worker = int(owner.stdout.readline())
    assert alive(worker)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    assert until(lambda: not alive(worker))


OWNER = """
import subprocess, sys
child = subprocess.Popen([sys.argv[1], "-c", "import sys, time\\nfrom core import heavy\\n" + sys.argv[2], "600"])
child.wait()
"""


def test_work_that_takes_too_long_or_is_cancelled_is_ended() -> None:
    late = run(WORK, "1")
    worker = int(late.stdout.readline())  # type: ignore[union-attr]
    assert "more than 1 seconds" in late.communicate(timeout=SECONDS)[1]
    assert late.returncode == heavy.TOO_LONG and not alive(worker)
    cancelled = run(WORK, "600")
    worker = int(cancelled.stdout.readline())  # type: ignore[union-attr]
    cancelled.terminate()
    cancelled.communicate(timeout=SECONDS)
    assert until(lambda: not alive(worker))


SLOW = """
import os
plain = os.fork
def slow_fork():
    child = plain()
    if child:
        time.sleep(1)
    return child
os.fork = slow_fork
"""


def test_work_that_is_cancelled_as_it_begins_is_ended() -> None:
    """Before the work is there, and before whoever waits for it knows how to end it."""
    slow = (
        "import os\nplain = os.fork\ndef fork():\n    child = plain()\n    if child: time.sleep(1)\n    return child\n"
    )
    cancelled = run(f"{slow}os.fork = fork\n{WORK}", "600")
    worker = int(cancelled.stdout.readline())  # type: ignore[union-attr]
    cancelled.terminate()
    cancelled.communicate(timeout=SECONDS)
    assert until(lambda: not alive(worker))


def test_work_that_wants_too_much_memory_says_so() -> None:
    greedy = run("sys.exit(heavy.supervised(lambda: bytearray(1 << 30), 60, 100 << 20))")
    said = greedy.communicate(timeout=SECONDS)[1]
    assert greedy.returncode == 1 and "needs more than 100 MB" in said and "Traceback" not in said
