"""`hostile`: files that somebody made to break what reads them, through every door of the command line.

The first inputs are the corpus: what ../shared/attacks/make.py writes, where it is there, and what a faulty or hostile
writer makes of our own files. The others are seeded changes of these. The inputs run in forked children of one warm
process, a hundred in each, every input with a limit of processor time, of time and of memory of its own; it has to end
with 0, or with 2 and one line that names the file; nothing lies under the final name of what was refused, and no code
of a file runs. An input that ends its child is a fault, and the next child goes on behind it; each fault is tried again
in a child of its own.
`python -m tests.benchmarks hostile --number 20000 --seed 1`
"""

import contextlib
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.cli import main
from tests.benchmarks._hostile_files import DOORS, MAKER, Door, changed, corpus, filled, world
from tests.benchmarks._warm import ANSWERS, Found, count_memory_anew, forked, import_what, most_memory, parts, warm
from tests.lvlm.few import few_pictures

SECONDS, WALL, BYTES = 10, 300, 2 << 30
"""Most processor time, time and memory of one input; a busy machine gives a process a part of the time alone."""
CHILD = 100
"""Inputs of one child."""
FOREIGN = re.compile(r"Traceback|allow_pickle|numpy|pyarrow|Pickl|sqlite3|HeaderToo|<class|object at 0x|codec can't")
"""What only a library says."""


@dataclass(frozen=True)
class Inputs:
    """Every input by its number: the corpus through all doors of its kind, then changes of it."""

    folder: Path
    """Where the corpus, the whole things and the runs lie."""
    files: dict[str, list[Path]]
    first: list[tuple[str, Path, Door]]
    seed: int

    def put(self, number: int, here: Path) -> tuple[str, Path, Door]:
        """Kind, file and door of an input; the file is written into a folder of its own, where it may be written to."""
        data = None
        if number < len(self.first):
            kind, source, door = self.first[number]
        else:
            draw = random.Random(f"{self.seed} {number - len(self.first)}")
            kind = draw.choice([kind for kind in DOORS if any(path.is_file() for path in self.files[kind])])
            source = draw.choice([path for path in self.files[kind] if path.is_file()])
            data = changed(source.read_bytes(), draw)
            door = draw.choice(DOORS[kind])
        if source.is_dir():
            return kind, source, door
        path = here / f"input-{number}" / source.name
        path.parent.mkdir(parents=True)
        path.write_bytes(source.read_bytes() if data is None else data)
        return kind, path, door


# --- one input --------------------------------------------------------------------------------------------------


def one(inputs: Inputs, number: int) -> dict[str, Any]:
    """What this process makes of one input, in folders that no other input has."""
    here, whole = inputs.folder / f"run-{number}", inputs.folder / "whole"
    out, copy = here / "out", here / "copy"
    out.mkdir(parents=True)
    kind, path, door = inputs.put(number, here)
    named = {path.name, path.parent.name} | ({"pictures"} if door.name == "pictures" else set())
    if door.put is not None:
        first = door.put.split("/")[0]
        shutil.copytree(whole / first, copy / first)
        for place in sorted(copy.glob(door.put)) or [copy / door.put]:
            shutil.copyfile(path, place)
            named |= {place.name, first}
    verb = filled(door.command, p=path, out=out / "made", o=out, w=whole, c=copy)
    count_memory_anew()
    signal.setitimer(signal.ITIMER_REAL, WALL)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    began = sum(os.times()[:4])
    code, error = _ended(verb)
    seconds = sum(os.times()[:4]) - began
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    held = most_memory()
    fault = _fault(door, code, error, named, out)
    if not fault and held > BYTES:
        fault = f"memory: {held >> 20} MB"
    shutil.rmtree(here)
    outcome = {0: "in", 1: "differs", 2: "refused"}.get(code, f"code {code}")
    found = {"number": number, "kind": kind, "door": door.name, "file": path.name, "outcome": outcome, "fault": fault}
    return found | {"seconds": round(seconds, 3), "bytes": held}


def _ended(verb: list[str]) -> tuple[int, str]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            code = main(verb)
        except BaseException:
            return 70, said.getvalue() + traceback.format_exc()
    return code, said.getvalue()


def _fault(door: Door, code: int, error: str, named: set[str], out: Path) -> str | None:
    lines = [line for line in error.splitlines() if line.strip()]
    if code not in (0, 1, 2) or (code == 1 and door.command[0] not in ("verify", "gallery")):
        return f"trace: code {code}: {error[-300:]}"
    if code == 1 and "Traceback" in error:
        return f"trace: {error[-300:]}"
    if code != 2:
        return None
    if len(lines) != 1:
        return f"{len(lines)} lines: {error[:200]}"
    if FOREIGN.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", lines[0])):
        return f"a library's words: {lines[0][:200]}"
    if not any(name in lines[0] for name in named):
        return f"the file is not named: {lines[0][:200]}"
    left = [p.name for p in out.iterdir() if p.name != "log.db" and not p.name.startswith("log.db-")]
    return f"left: {left[0]}" if left else None


# --- many -------------------------------------------------------------------------------------------------------


def run(number: int = 1000, seed: int = 1, n: int = 99, at_once: int = 0) -> dict[str, Any]:
    """Every file of the corpus through every door of its kind, then changes of them, `number` inputs in all.

    Parameters
    ----------
    n : doors that each file of the corpus goes through at most.
    at_once : children at once; 0: as many as there are cores.
    """
    memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as work, warm(), few_pictures():
        folder = Path(work)
        world(folder / "whole")
        files = corpus(folder, folder / "whole")
        first = [(kind, path, door) for kind in DOORS for path in files[kind] for door in DOORS[kind][:n]]
        inputs = Inputs(folder, files, first, seed)
        import_what(lambda: [one(inputs, at) for at in _one_of_each_door(first)], ANSWERS)
        results = _results(inputs, number, at_once)
        pwned = (folder / "given" / "pwned").exists()
    return _figures(results, len(first), seed) | {"code_ran": pwned}


def _one_of_each_door(first: Sequence[tuple[str, Path, Door]]) -> list[int]:
    """Numbers of inputs that take every door once: the last file of each kind is a whole one of our own."""
    return list({(kind, door.name): at for at, (kind, _, door) in enumerate(first)}.values())


def _results(inputs: Inputs, number: int, at_once: int) -> list[Found]:
    """What came of so many inputs, in their order; each fault is tried again alone."""
    results: list[Found] = []
    lost = partial(_of_the_one_that_ended_it, inputs)
    for found in forked(parts(range(number), CHILD), partial(_child, inputs), lost, at_once):
        results += found
        faults = sum(result["fault"] is not None for result in results)
        print(f"{len(results):,} of {number:,}: {faults} faults", file=sys.stderr, flush=True)
        for result in found:
            if result["fault"]:
                print(json.dumps(result), file=sys.stderr, flush=True)
    for result in results:
        if result["fault"]:
            at = result["number"]
            for again in forked([range(at, at + 1)], partial(_child, inputs), lost):
                result["alone"] = again[0]["fault"]
    return sorted(results, key=lambda result: result["number"])


def _child(inputs: Inputs, numbers: range) -> Iterator[Found]:
    """What a child makes of its inputs, under limits."""
    for ends in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(ends, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 3 * BYTES, held + 3 * BYTES))
    for number in numbers:
        yield one(inputs, number)


def _of_the_one_that_ended_it(inputs: Inputs, number: int, ended: int) -> dict[str, Any]:
    """What is known of an input whose child said nothing more."""
    here = inputs.folder / f"run-{number}"
    shutil.rmtree(here, ignore_errors=True)
    kind, path, door = inputs.put(number, here)
    shutil.rmtree(here, ignore_errors=True)
    hangs = ended in (-signal.SIGPROF, -signal.SIGALRM)
    found = {"number": number, "kind": kind, "door": door.name, "file": path.name, "outcome": f"code {ended}"}
    fault = "hang" if hangs else f"trace: the process ended with code {ended}"
    return found | {"fault": fault, "seconds": SECONDS if hangs else 0.0, "bytes": 0}


def _figures(results: Sequence[dict[str, Any]], corpus_inputs: int, seed: int) -> dict[str, Any]:
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    for one_result in results:
        count = by_kind[one_result["kind"]]
        count["inputs"] += 1
        count[one_result["outcome"]] += 1
        fault = one_result["fault"]
        count["traces"] += bool(fault and fault.startswith("trace"))
        count["hangs"] += fault == "hang"
        count["above_2_gb"] += one_result["bytes"] > BYTES
        count["other_faults"] += bool(fault and fault != "hang" and not fault.startswith("trace"))
    faults = [one_result for one_result in results if one_result["fault"]]
    slowest = max(results, key=lambda result: result["seconds"])
    return {
        "inputs": len(results),
        "corpus": min(corpus_inputs, len(results)),
        "given_corpus": MAKER.is_file(),
        "seed": seed,
        "faults": len(faults),
        "slowest_s": slowest["seconds"],
        "slowest": {name: slowest[name] for name in ("number", "kind", "door", "file", "outcome")},
        "peak_bytes": max(one_result["bytes"] for one_result in results),
        "by_kind": {kind: dict(count) for kind, count in by_kind.items()},
        "first_faults": faults[:60],
    }
