"""Heavy work in child processes of this machine: a few at once, within limits, and none that outlives who asked for it.

Whoever waits for a turn holds nothing; a turn is a locked file, which the system frees whatever ends its holder.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.config import own_folder

try:
    import fcntl
    import resource
except ImportError:  # Windows has neither; work is then begun at once and without a limit
    fcntl = None  # type: ignore[assignment]

AT_ONCE = 2
"""Works of one machine that go on at the same time; the others wait."""
SECONDS = 3600
"""Longest work, once its turn has come."""
SHARE = 0.5
"""Part of the machine's memory that one work may take."""
LOOK = 0.5
"""Seconds between two looks at a turn, a child or an owner."""
DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux' prctl."""
KILLED, TOO_LONG = 75, 76
"""Exit codes of work whose owner has gone, and of work that took too long."""
MEMORY_WORDS = ("can't allocate memory", "out of memory", "cannot allocate memory")
"""What torch says of the machine's memory and of a GPU's, in errors of several kinds."""


@contextmanager
def turn(at_once: int = AT_ONCE, folder: Path | None = None) -> Iterator[None]:
    """Wait for one of the machine's turns and hold it for the block."""
    place = folder or own_folder() / "turns"
    place.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    while True:
        for number in range(at_once):
            with open(place / f"{number}.lock", "w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:  # somebody else's turn
                    continue
                yield
                return
        time.sleep(LOOK)


def memory_limit() -> int:
    """Bytes that one work may take beyond what the process has mapped when it begins."""
    return int(SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def wants_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory, of the machine or of a GPU."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in MEMORY_WORDS)


def supervised(work: Callable[[], None], seconds: float = SECONDS, memory: int | None = None) -> int:
    """Do the work in a child of this process and return its exit code; minus the signal where one ended it.

    The child ends with this process and with its owner, after `seconds` of work, and where it wants more memory of its
    own: then with a MemoryError. What it only reads of mapped files is no memory of its own. To be called before
    anything starts threads.
    """
    if not hasattr(os, "fork"):
        work()
        return 0
    owner, this = os.getppid(), os.getpid()
    sys.stdout.flush()
    ending = {signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # in between nobody would end the child
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
        _work(work, memory or memory_limit(), this)
    end = time.monotonic() + seconds
    signal.signal(signal.SIGTERM, lambda *_: _end(child, 128 + signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if os.getppid() != owner:
            _end(child, KILLED)
        if time.monotonic() > end:
            print(f"the work took more than {seconds:,.0f} seconds and was ended", file=sys.stderr, flush=True)
            _end(child, TOO_LONG)
        time.sleep(LOOK)


def end_with_parent(parent: int) -> None:
    """Have the system end this process the moment its parent ends, even where that one is killed; on Linux alone.

    Where the process with that number is the parent no more, this one ends at once.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(KILLED)


def _work(work: Callable[[], None], memory: int, parent: int) -> None:
    code = 1
    try:
        end_with_parent(parent)
        with suppress(OSError, ValueError):
            own = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_DATA, (own + memory, own + memory))
        work()
        code = 0
    except MemoryError:
        print(f"the work needs more than {memory >> 20:,} MB of memory", file=sys.stderr, flush=True)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _end(child: int, code: int) -> None:
    """End the child, wait until it is gone, and end this process."""
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os._exit(code)
