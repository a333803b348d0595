"""`crowd`: twenty people on Compare at once, by websockets: how long a switch takes, how much memory one needs.

Websocket clients, not browsers: twenty browsers would take the cores from the server that is measured. Each session
asks a prompt and switches a neuron of its own: in its own time, as people do who look at what they see, and all at the
same moment, which is the most that twenty can ask. As many have been there before and have gone, so that what all
share (answers, models, libraries) is there when memory is first looked at.
"""

import os
import random
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from core.ui.parts import answer_first
from tests.benchmarks._tab import Tab
from tests.browser import serving

PEOPLE, P95_S, SESSION_MB = 20, 1.0, 30.0
LOOKS = (2.0, 5.0)
"""Seconds that somebody looks at an answer before the next switch."""
PROMPTS = ("doctor", "nurse", "engineer", "secretary", "judge", "cleaner", "chef", "teacher")
GONE_SECONDS = 150
"""Longest until the memory of a closed tab is free: it may come back for two minutes."""


def run(runs: int = 10, number: int = PEOPLE) -> dict[str, Any]:
    """Seconds of a switch with one session and with `number`, megabytes of one session, and what closing gives back."""
    server, address = serving.start()
    try:
        first = _open(address, 0)
        alone = [_timed(first, i) for i in range(runs + 2)][2:]
        tabs = _come(address, number)
        for i in range(runs):
            _together([lambda t=t, i=i: _timed(t, i) for t in tabs])
        for tab in tabs:
            tab.leave()
        base = _settled(server.pid, 0.0)
        tabs = _come(address, number)
        own = [
            s
            for some in _together([lambda t=t, i=i: _in_own_time(t, i, runs) for i, t in enumerate((first, *tabs))])
            for s in some
        ]
        busy = processor_s(server.pid)
        took = [s for i in range(runs) for s in _together([lambda t=t, i=i: _timed(t, i) for t in (first, *tabs)])]
        busy = (processor_s(server.pid) - busy) / len(took)
        full = memory_mb(server.pid)
        for tab in tabs:
            tab.leave()
        after = _settled(server.pid, base)
        first.leave()
    finally:
        server.terminate()
        server.wait(timeout=20)
    each = (full - base) / max(len(tabs), 1)
    return {
        "alone": {"median_s": statistics.median(alone)},
        "in their own time": _spread(own),
        "at the same moment": _spread(took) | {"processor_s": busy},
        "sessions": number,
        "session_mb": each,
        "kept_mb": (after - base) / max(len(tabs), 1),
        "holds": {
            "in their own time": _spread(own)["p95_s"] < P95_S,
            "at the same moment": _spread(took)["p95_s"] < P95_S,
            "memory": each < SESSION_MB,
        },
        "what": "websocket clients, from a switch to its answer",
    }


def _come(address: str, number: int) -> list[Tab]:
    """All but the first open Compare and switch once."""
    tabs: list[Tab] = []
    _together([lambda i=i: tabs.append(_open(address, i)) for i in range(1, number)])
    _together([lambda t=t: t.toggle() for t in tabs])
    return tabs


def _open(address: str, number: int) -> Tab:
    tab = Tab(address)
    tab.compare(urlencode({"q": f"a photo of a {PROMPTS[number % len(PROMPTS)]}", "k": 20 + 10 * number}))
    return tab


def _timed(tab: Tab, which: int) -> float:
    run = tab.toggle(which)
    took = tab.took
    time.sleep(answer_first.PAUSE_MS / 1000)
    tab.rest(run)
    return took


def _in_own_time(tab: Tab, number: int, runs: int) -> list[float]:
    """Seconds of somebody's switches, with a look at each answer."""
    draw, took = random.Random(number), []
    for i in range(runs):
        time.sleep(draw.uniform(*LOOKS))
        took.append(_timed(tab, i))
    return took


def _spread(seconds: list[float]) -> dict[str, float]:
    return {
        "median_s": round(statistics.median(seconds), 3),
        "p95_s": round(statistics.quantiles(seconds, n=20)[-1], 3),
        "n": len(seconds),
    }


def _together(work: list[Callable[[], Any]]) -> list[Any]:
    """What each gives, all begun at once; the first error of any."""
    found: list[Any] = [None] * len(work)
    failed: list[BaseException] = []

    def one(place: int) -> None:
        try:
            found[place] = work[place]()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return found


def memory_mb(process: int) -> float:
    """Memory of a process that no other one shares, in megabytes."""
    rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith(("Private_Clean", "Private_Dirty"))) / 1024


def processor_s(process: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _settled(process: int, base: float) -> float:
    """Megabytes when they have come down to what they were before, or when the time for it is over."""
    end = time.monotonic() + GONE_SECONDS
    while (now := memory_mb(process)) > base and time.monotonic() < end:
        time.sleep(5)
    return now
