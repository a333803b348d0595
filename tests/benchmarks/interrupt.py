"""`interrupt`: audits stopped at random moments, by Ctrl-C and by a kill, and run again as if nothing had happened.

Audits of rankings, and of the answers of a language model, forked from one process that has imported everything and
read the text model, so that a run's time is the audit's own; what a model still sees is asked of few pictures. The
moments of the stops are drawn from the processor time that a whole audit takes, so that they fall into it on a busy
machine too. What was found so far is said as it goes.
`python -m tests.benchmarks interrupt --runs 200 --room audit,lvlm`
"""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from core.cli import main
from core.config import ASSETS
from tests.benchmarks._warm import ANSWERS, Found, forked, import_what, parts, warm
from tests.lvlm.few import few_pictures

MOST_STOPS = 3
"""How often one audit is stopped at most."""
EACH = 5
"""Audits that one child stops, one after the other."""
ENDS = {"kill": signal.SIG_DFL, "Ctrl-C": signal.default_int_handler}
"""What the signal does that a timer of processor time sends: it ends the process at once, or as a keyboard does."""
VERB = {"audit": ["audit"], "lvlm": ["lvlm", "audit"]}
"""Room -> the verb that audits."""


def run(runs: int = 200, seed: int = 0, room: str = "audit", at_once: int = 0) -> dict[str, Any]:
    """How many of so many interrupted audits of each room end byte-equal and verified; the rest is listed by its draw.

    Parameters
    ----------
    room : audit, lvlm, or both with a comma.
    at_once : audits at once; 0: as many as there are cores.
    """
    with warm(), few_pictures():
        found = {one: stopped(one, runs, seed, at_once) for one in room.split(",")}
    return found if len(found) > 1 else next(iter(found.values()))


def stopped(room: str, runs: int, seed: int, at_once: int) -> dict[str, Any]:
    """The figures of one room."""
    with tempfile.TemporaryDirectory() as work:
        right = Path(work) / "right"
        world(right, room)
        import_what(lambda: (audited(right, room), verified(right)), ANSWERS if room == "lvlm" else ())
        shutil.rmtree(right)
        world(right, room)
        code, took = waited(started(right, room))
        assert code == 0, "the audit does not end"
        tried = partial(_tried, room, right, took, seed)
        found: list[Found] = []
        failed: list[Found] = []
        for results in forked(parts(range(runs), EACH), tried, _lost, at_once):
            found += results
            failed = [one for one in found if one["why"]]
            said = f"{room} {len(found)} of {runs}: {sum(map(_stopped, found))} stopped, {len(failed)} failed"
            print(said + "".join(f"; {one['why']}" for one in failed), file=sys.stderr, flush=True)
    stops = [after for one in found for _, after, code in one["stops"] if code != 0]
    return {
        "runs": len(found),
        "seed": seed,
        "equal_and_verified": len(found) - len(failed),
        "stopped": len(stops),
        "by_signal": dict(Counter(sent for one in found for sent, _, code in one["stops"] if code != 0)),
        "median_stop_s": statistics.median(stops) if stops else None,
        "uninterrupted_s": took,
        "failed": failed,
    }


def _tried(room: str, right: Path, took: float, seed: int, numbers: range) -> Iterator[Found]:
    """What comes of some audits that are stopped, each in a folder of its own."""
    evidence = (right / "report" / "evidence.npz").read_bytes()
    for number in numbers:
        draw, here = random.Random(f"{seed} {number}"), right.parent / f"run-{number}"
        world(here, room)
        stops = []
        for _ in range(draw.randint(1, MOST_STOPS)):
            sent, after = draw.choice(list(ENDS)), draw.uniform(0, took)
            code, _ = waited(started(here, room, sent, after))
            stops.append((sent, round(after, 3), code))
        yield {"run": number, "stops": stops, "why": wrong(here, evidence, [code for *_, code in stops], room)}
        shutil.rmtree(here)


def _lost(number: int, code: int) -> Found:
    return {"run": number, "stops": [], "why": f"its process ended with code {code}"}


def _stopped(one: Found) -> int:
    return sum(code != 0 for *_, code in one["stops"])


def world(folder: Path, room: str) -> None:
    """The shipped gallery without stored codes, which the audit writes, and a spec that needs the text model."""
    folder.mkdir()
    gallery = folder / "gallery"
    shutil.copytree(ASSETS / "galleries" / "default", gallery, ignore=shutil.ignore_patterns("codes"))
    if room == "lvlm":
        spec: dict[str, Any] = {"schema": 1, "kind": "lvlm", "gallery": "gallery", "attributes": ["gender"]}
        spec |= {"sae": "default-image-residual", "protocol": "vla", "words": ["doctor", "nurse"], "n": 6, "seed": 3}
        spec |= {"edit": {"neurons": [1]}, "title": "Interrupted"}
    else:
        spec = {"schema": 2, "gallery": "gallery", "sae": "default-image", "k": 30, "attributes": ["gender"]}
        spec |= {"prompts": ["a photo of a doctor", "a photo of a nurse", "a photo of a pilot"]}
        spec |= {"edit": {"select": "attribution", "size": 4, "per_query": True}, "title": "Interrupted"}
    (folder / "spec.json").write_text(json.dumps(spec))


def started(folder: Path, room: str, sent: str = "", after: float = 0.0) -> int:
    """A child that runs the audit of a folder, and is stopped after so many seconds of processor time; its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        if sent:
            signal.signal(signal.SIGPROF, ENDS[sent])
            signal.setitimer(signal.ITIMER_PROF, after)
        code = audited(folder, room)
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)


def audited(folder: Path, room: str) -> int:
    """Exit code of the audit of a folder."""
    os.chdir(folder)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        return main([*VERB[room], "spec.json", "--out", "report", "--json"])


def verified(folder: Path) -> bool:
    """Whether the report of a folder holds; what differs is written beside it."""
    from core.verify import verify

    os.chdir(folder)
    verdict = verify(Path("report"), [Path("gallery")])
    (folder / "verdict").write_text("\n".join(verdict.differences))
    return verdict.equal


def waited(child: int) -> tuple[int, float]:
    """Exit code of a child, minus the signal where one ended it, and its processor time in seconds."""
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def wrong(folder: Path, right: bytes, codes: list[int], room: str) -> str | None:
    """Why an audit that was stopped is not what it would have been, after it has been run to its end."""
    if strange := [code for code in codes if code not in (0, 130, -signal.SIGPROF)]:
        return f"stopped with code {strange[0]}"
    if (code := waited(started(folder, room))[0]) != 0:
        return f"run again it ends with code {code}"
    if (folder / "report" / "evidence.npz").read_bytes() != right:
        return "the evidence is not what it would have been"
    if left := [path.name for path in folder.iterdir() if path.name not in ("gallery", "spec.json", "report")]:
        return f"leaves {left[0]}"
    child = os.fork()
    if not child:
        os._exit(not verified(folder))
    if waited(child)[0] != 0:
        return "verify: " + ((folder / "verdict").read_text().split("\n")[0] if (folder / "verdict").exists() else "?")
    return None
