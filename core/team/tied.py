"""`python -m core.team.tied PARENT MODULE ARGUMENTS...`: run a module that never outlives the process that started it.

Whatever ends the parent, kill -9 too, ends the child: no server goes on answering and no worker goes on computing that
nobody watches over.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
WATCH_SECONDS = 0.5


def command(module: str, *arguments: str) -> list[str]:
    """How this process starts a module that ends with it."""
    return [sys.executable, "-m", "core.team.tied", str(os.getpid()), module, *arguments]


def tie(parent: int) -> None:
    """End this process when its parent ends; at once where it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _watch(parent: int) -> None:
    """Where the system tells nobody that a parent has ended, its number changes."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def main(arguments: Sequence[str]) -> None:
    """Tie this process, then be the module."""
    parent, module, *rest = arguments
    tie(int(parent))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
