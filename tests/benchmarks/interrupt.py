"""`interrupt`: audits stopped at random moments, by Ctrl-C and by a kill, and run again as if nothing had happened.

Audits of rankings, and of the answers of a language model, forked from one process that has imported everything and
read the text model, so that a run's time is the audit's own and a stop falls into it. The moments of a stop are drawn
from the time that the last whole audit took. What was found so far is said after every audit.
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
import time
from pathlib import Path
from typing import Any

from core.cli import main
from core.config import ASSETS
from tests.benchmarks._warm import import_what, warm

MOST_STOPS = 3
"""How often one audit is stopped at most."""
VERB = {"audit": ["audit"], "lvlm": ["lvlm", "audit"]}
"""Room -> the verb that audits."""


def run(runs: int = 200, seed: int = 0, room: str = "audit") -> dict[str, Any]:
    """How many of so many interrupted audits of each room end byte-equal and verified; the rest is listed by its draw.

    Parameters
    ----------
    room : audit, lvlm, or both with a comma.
    """
    with warm():
        found = {one: stopped(one, runs, seed) for one in room.split(",")}
    return found if len(found) > 1 else next(iter(found.values()))


def stopped(room: str, runs: int, seed: int) -> dict[str, Any]:
    """The figures of one room."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        world(folder / "right", room)
        import_what(lambda: (audited(folder / "right", room), verified(folder / "right")))
        shutil.rmtree(folder / "right")
        world(folder / "right", room)
        began = time.monotonic()
        assert waited(started(folder / "right", room)) == 0, "the audit does not end"
        took = time.monotonic() - began
        right, failed, stops = (folder / "right" / "report" / "evidence.npz").read_bytes(), [], []
        for number in range(runs):
            here = folder / "run"
            world(here, room)
            codes = []
            for _ in range(draw.randint(1, MOST_STOPS)):
                sent, after = draw.choice([signal.SIGKILL, signal.SIGINT]), draw.uniform(0, took)
                child = started(here, room)
                time.sleep(after)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, sent)
                codes.append((sent.name, round(after, 3), waited(child)))
            stops += [after for _, after, code in codes if code != 0]
            why = wrong(here, right, [code for *_, code in codes], room)
            if why:
                failed.append({"run": number, "stops": codes, "why": why})
            shutil.rmtree(here)
            said = f"{room} {number + 1} of {runs}: {len(stops)} stopped, {len(failed)} failed"
            print(said + (f": {why}" if why else ""), file=sys.stderr, flush=True)
    return {
        "runs": runs,
        "equal_and_verified": runs - len(failed),
        "stopped": len(stops),
        "median_stop_s": statistics.median(stops) if stops else None,
        "uninterrupted_s": took,
        "failed": failed,
    }


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


def started(folder: Path, room: str) -> int:
    """A child that runs the audit of a folder; its process id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
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


def waited(child: int) -> int:
    """Exit code of a child; minus the signal where one ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wrong(folder: Path, right: bytes, codes: list[int], room: str) -> str | None:
    """Why an audit that was stopped is not what it would have been, after it has been run to its end."""
    if strange := [code for code in codes if code not in (0, 130, -signal.SIGKILL, -signal.SIGINT)]:
        return f"stopped with code {strange[0]}"
    if (code := waited(started(folder, room))) != 0:
        return f"run again it ends with code {code}"
    if (folder / "report" / "evidence.npz").read_bytes() != right:
        return "the evidence is not what it would have been"
    if left := [path.name for path in folder.iterdir() if path.name not in ("gallery", "spec.json", "report")]:
        return f"leaves {left[0]}"
    child = os.fork()
    if not child:
        os._exit(not verified(folder))
    if waited(child) != 0:
        return "verify: " + ((folder / "verdict").read_text().split("\n")[0] if (folder / "verdict").exists() else "?")
    return None
