"""Who a worker is, and whether it still lives: seen at once on its own machine, wherever else by its lease."""

import functools
import hashlib
import os
import socket
import sys
from pathlib import Path


@functools.cache
def here() -> str:
    """What names this machine, since it was started, and the processes that can see one another on it."""
    parts = [socket.gethostname(), _text("/proc/sys/kernel/random/boot_id")]
    try:
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        parts.append(sys.platform)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def me() -> str:
    """This process as a worker: its number, and when it began, so that another of its number is not taken for it."""
    return f"{os.getpid()}-{_began(os.getpid())}"


def ended(worker: str) -> bool:
    """Whether a worker of this machine is no more."""
    number, _, began = worker.partition("-")
    if not number.isdigit():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    now = _began(int(number))
    return now == "Z" or now != began


def has_gpu() -> bool:
    """Whether this machine has a GPU that work could want whole; looked up without loading torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    return sys.platform == "darwin" or Path("/dev/kfd").exists() or any(Path("/dev").glob("nvidia[0-9]*"))


def out_of_memory() -> int:
    """How often this machine has ended a process for want of memory since it was started; 0 where it does not say."""
    lines = (line.split() for line in _text("/proc/vmstat").splitlines())
    return next((int(words[1]) for words in lines if words[0] == "oom_kill"), 0)


def _began(number: int) -> str:
    """When a process began, in the system's own count; "Z" for one that has ended and was not yet asked after."""
    fields = _text(f"/proc/{number}/stat").rpartition(")")[2].split()
    if not fields:
        return ""
    return "Z" if fields[0] == "Z" else fields[19]


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
