"""`doors`: files as people have them, damaged at random and given to every door of the command line.

The first mutations give every door every one of forty files that are something else than their name says. For each
mutation: the verb ends with 0, or with 2 and one line that no library wrote; nothing lies under the final name
of what was refused; and of what came in, every row, file and picture that was given is kept or named. The mutations
run in forked children of one warm process, `real` of them through the command line itself.
`python -m tests.benchmarks doors --number 10000 --seed 1`
"""

import contextlib
import io
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from core.cli import main
from core.config import InputError
from tests.benchmarks._door_files import Door, doors, wrong_files
from tests.benchmarks._warm import Found, count_memory_anew, forked, import_what, most_memory, parts, warm

ROOT = Path(__file__).resolve().parents[2]
CHILD = 250
"""Mutations of one child."""
MEMORY = 2 << 30
"""Bytes that a child may hold at most."""
FOREIGN = re.compile(
    r"Traceback|allow_pickle|pandas|pyarrow|Arrow|numpy|torch\.(?!save)|PIL|Pickl|sqlalchemy|sqlite3|HeaderToo|<class|"
    r"HeaderTooLarge|cannot identify|truncated|File Read|synchronously|invalid load|Weights only|Errno|takes \d|"
    r"object at 0x|codec can't|Expecting |invalid literal|could not convert|NoneType|KeyError|ValueError|unhashable"
)
"""What only a library says."""


@dataclass
class Tally:
    """What came of some mutations."""

    outcomes: Counter[str] = field(default_factory=Counter)
    by_door: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    slowest: dict[str, Any] = field(default_factory=lambda: {"seconds": 0.0})
    faults: list[dict[str, Any]] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    peak: int = 0


# --- damage -----------------------------------------------------------------------------------------------------

TOKENS = [
    *(b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\\", b"\0", b"\xff", b"\xef\xbb\xbf", "\u200b".encode()),
    *(
        b"#N/A",
        b"NA",
        b"None",
        b"1.0",
        b",,",
        b'""',
        b"sep=;\n",
        b"=cmd()",
        b"-1",
        b"nan",
        b"inf",
        b"1e999",
        b"{",
        b"]",
    ),
    *("e\u0301".encode(), b"../../etc/passwd", b"C:\\x\\1.jpg", b"./", b"//", b"\x1a", b"\xc3\x28"),
]


def damaged(data: bytes, draw: random.Random, wrong: list[bytes]) -> bytes:
    """The bytes after one to three accidents."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        at = draw.randrange(len(data) + 1)
        length = draw.choice((1, 2, 7, 40, 200))
        lines = data.split(b"\n")
        what = draw.randrange(12)
        if what == 0:
            data = data[:at]
        elif what == 1:
            data = data[:at] + data[at + length :]
        elif what == 2:
            data = data[:at] + data[at : at + length] + data[at:]
        elif what in (3, 4, 5):
            data = data[:at] + draw.choice(TOKENS) + data[at:]
        elif what == 6:
            data = data[:at] + draw.randbytes(length) + data[at + length :]
        elif what == 7 and data:
            place = draw.randrange(len(data))
            data = data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]
        elif what == 8 and len(lines) > 2:
            one = draw.randrange(len(lines))
            lines.insert(draw.randrange(len(lines)), lines[one])
            data = b"\n".join(lines)
        elif what == 9 and len(lines) > 2:
            lines.pop(draw.randrange(len(lines)))
            data = b"\n".join(lines)
        elif what == 10 and len(lines) > 2:
            lines.insert(draw.randrange(1, len(lines)), lines[0])
            data = b"\n".join(lines)
        elif what == 11:
            data = draw.choice(wrong)
    return data


# --- one mutation -----------------------------------------------------------------------------------------------


def one(door: Door, number: int, seed: int, folder: Path, wrong: list[bytes], real: bool = False) -> dict[str, Any]:
    """What came of one mutation: its outcome, and the fault where there is one."""
    draw = random.Random(f"{seed} {number}")
    files, out = _put(door, folder)
    spoiled = draw.choice(door.spoiled or tuple(door.files))
    systematic = number < len(doors()) * len(wrong)
    data = wrong[number // len(doors())] if systematic else damaged(door.files[spoiled], draw, wrong)
    (files / spoiled).write_bytes(data)
    count_memory_anew()
    began = sum(os.times()[:4])
    code, said, err = _through(door, files, out, real)
    fault = _fault(door, files, out, code, said, err)
    what = {0: "in", 2: "refused"}.get(code, f"code {code}")
    return {
        "outcome": what,
        "fault": fault,
        "door": door.name,
        "number": number,
        "file": spoiled,
        "message": err.strip(),
        "seconds": round(sum(os.times()[:4]) - began, 3),
        "bytes": most_memory(),
    }


def _put(door: Door, folder: Path) -> tuple[Path, Path]:
    """The door's files, whole, in a new folder; where they lie, and what is to be made."""
    files, out = folder / "files", folder / "out" / "made"
    shutil.rmtree(folder, ignore_errors=True)
    out.parent.mkdir(parents=True)
    for name, data in door.files.items():
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files, out


def _through(door: Door, files: Path, out: Path, real: bool = False) -> tuple[int, str, str]:
    """Exit code of a door, and what it said on both ways out."""
    if door.reads:
        return _read(door, files)
    verb = [part.format(f=files, out=out) for part in door.command] + ["--json"] * door.told
    return _real(verb) if real else _here(verb)


def _here(verb: list[str]) -> tuple[int, str, str]:
    said, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(err):
        try:
            code = main(verb)
        except BaseException:
            return 1, said.getvalue(), traceback.format_exc()
    return code, said.getvalue(), err.getvalue()


def _read(door: Door, files: Path) -> tuple[int, str, str]:
    assert door.reads is not None
    try:
        door.reads(files)
    except InputError as error:
        return 2, "", f"{error}\n"
    except BaseException:
        return 1, "", traceback.format_exc()
    return 0, "{}", ""


def _real(verb: list[str]) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "core", *verb]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def _fault(door: Door, files: Path, out: Path, code: int, said: str, err: str) -> str | None:
    shown = [line.rpartition("\r")[2] for line in err.split("\n")]  # a bar that was wiped is no line
    lines = [line for line in shown if line.strip() and not line.startswith("warning:")]
    if code not in (0, 2):
        return f"trace: {err[-400:]}"
    if code == 2:
        if len(lines) != 1:
            return f"{len(lines)} lines"
        if FOREIGN.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", lines[0])):
            return "a library's words"
        if os.path.lexists(out) or list(out.parent.iterdir()):
            return "something is left under the final name or beside it"
        return None
    if any(FOREIGN.search(line) for line in lines):
        return f"a library's warning: {lines[0][:200]}"
    if not door.told:
        return None
    try:
        info = json.loads(said)
    except json.JSONDecodeError:
        return "no JSON document"
    given = door.given(files)
    if given is not None and "left_out" in info:
        pictures = sum("row is in the gallery" in lost["reason"] for lost in info["left_out"])
        if info["n"] + len(info["left_out"]) - pictures < given:
            return f"{given} were given, {info['n']} are kept and {len(info['left_out'])} named"
    return None


# --- many -------------------------------------------------------------------------------------------------------


def run(number: int = 10000, seed: int = 1, n: int = 0, at_once: int = 0) -> dict[str, Any]:
    """Mutations in forked children of this process, whose model, libraries and parsers are loaded once.

    Parameters
    ----------
    number : mutations in all.
    n : how many more go through the real command line, each in a process of its own.
    at_once : children at once; 0: as many as there are cores.
    """
    places, wrong, found = doors(), list(wrong_files().values()), Tally()
    if number:
        _here_in_children(found, number, n, seed, at_once)
    # behind every wrong file, which is given to the doors in turn
    first = number + len(places) * len(wrong)
    for results in forked(parts(range(first, first + n), 1), partial(_commands, seed), _lost, at_once):
        _count(found, results, number + n)
    return {
        "inputs": sum(found.outcomes.values()),
        "mutations": number,
        "through_the_command_line": n,
        "doors": len(places),
        "seed": seed,
        "outcomes": dict(found.outcomes),
        "by_door": {door: dict(count) for door, count in found.by_door.items()},
        "slowest": found.slowest,
        "traces": sum(str(fault["fault"]).startswith("trace") for fault in found.faults),
        "faults": len(found.faults),
        "peak_bytes": found.peak,
        "peak_below_2_gb": found.peak < MEMORY,
        "first_faults": found.faults[:20],
        "messages": [message for message, _ in found.messages.most_common(40)],
    }


def _here_in_children(found: Tally, number: int, n: int, seed: int, at_once: int) -> None:
    with warm(), tempfile.TemporaryDirectory() as folder:
        import_what(lambda: [_through(door, *_put(door, Path(folder) / "m")) for door in doors()])
        for results in forked(parts(range(number), CHILD), partial(_mutations, seed), _lost, at_once):
            _count(found, results, number + n)


def _mutations(seed: int, numbers: range) -> Iterator[Found]:
    """What one child finds of its mutations."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    places, wrong = doors(), list(wrong_files().values())
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        for number in numbers:
            yield one(places[number % len(places)], number, seed, Path(folder) / "m", wrong)


def _commands(seed: int, numbers: range) -> Iterator[Found]:
    """What the command line itself makes of mutations."""
    places, wrong = [door for door in doors() if not door.reads], list(wrong_files().values())
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            yield one(places[number % len(places)], number, seed, Path(folder) / "m", wrong, real=True)


def _lost(number: int, code: int) -> Found:
    """A mutation whose child said nothing more."""
    fault = f"trace: the process ended with code {code}"
    door = doors()[number % len(doors())].name
    found = {"outcome": f"code {code}", "fault": fault, "door": door, "number": number, "file": "", "message": ""}
    return found | {"seconds": 0.0, "bytes": 0}


def _count(found: Tally, results: Sequence[Found], number: int) -> None:
    for result in results:
        found.outcomes[result["outcome"]] += 1
        found.by_door[result["door"]][result["outcome"]] += 1
        found.peak = max(found.peak, result["bytes"])
        if result["seconds"] > found.slowest["seconds"]:
            found.slowest = {name: result[name] for name in ("seconds", "door", "number", "file")}
        if result["outcome"] == "refused":
            found.messages[re.sub(r"\S*/files/", "", result["message"])[:160]] += 1
        if result["fault"] is not None:
            found.faults.append(result)
    done = sum(found.outcomes.values())
    print(f"{done:,} of {number:,}: {len(found.faults)} faults", file=sys.stderr, flush=True)
