"""`diskfull`: a disk of 4 MB that is full at random places of every verb that writes.

Where mounting is allowed, each run has a file system of its own in memory, filled so far that so many bytes are free
as the draw says; elsewhere the largest size of a file is limited. Runs are forked from one warm process. Each has to
end with 0, or with 2 and one line that names a path on that disk; what was there is as it was, nothing lies under the
name of what could not be finished, and with room again the same command ends well.
`python -m tests.benchmarks diskfull --runs 50`
"""

import contextlib
import ctypes
import hashlib
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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from core.cli import main
from tests.benchmarks import _hostile_files as hostile
from tests.benchmarks._warm import alone, import_what, warm

DISK = 4 << 20
NEWNS, NEWUSER, PRIVATE, BIND = 0x00020000, 0x10000000, (1 << 18) | (1 << 14), 1 << 12
"""Flags of unshare and of mount: file systems of one's own, users of one's own, seen by nobody else."""
SECONDS = 300
LVLM = {"schema": 1, "kind": "lvlm", "gallery": "default", "attributes": ["gender"], "words": ["doctor", "nurse"]}
LOGITS = Path(__file__).parents[1] / "oracles" / "lvlm_scoring.npz"
LABELS = ["labels", "export", "--log", "{d}/log.db"]
TRAIN = ["sae", "train", "--gallery", "{w}/gallery", "--d-sae", "512", "--k", "4", "--steps", "20"]
EDIT = ["edit", "export", "--gallery", "{w}/gallery", "--sae", "{w}/sae", "--off", "1", "--attribute", "gender"]
EDIT += ["--query", "a nurse", "--k", "8"]
LVLM |= {"sae": "default-image-residual", "protocol": "vla", "edit": {"neurons": [1]}, "n": 6, "seed": 3}


PROGRESS = re.compile(r"\d%\|.*\|")
"""A line of a progress bar, which a terminal writes over."""


@dataclass(frozen=True)
class Verb:
    """A command that writes; {w} is the folder of whole things, {d} the disk."""

    name: str
    command: Sequence[str]
    copied: tuple[str, ...] = ()
    """What of the whole things lies on the disk from the beginning."""
    made: str | None = None
    """What the command makes there; None: it changes what is there, and what it had must still be read."""
    checked: Sequence[str] = ()
    """A command that ends with 0 where what is there is whole."""


INFO = ["gallery", "info", "{d}/gallery", "--check"]
VERBS = [
    Verb("gallery build", ["gallery", "build", "--images", "{w}/pictures", "--out", "{d}/made"], (), "made"),
    Verb("gallery import", [*hostile.IMPORT[:-1], "--embeddings", "{w}/x.npy"], (), "made"),
    Verb("gallery synth", ["gallery", "synth", "--n", "900", "--d", "64", "--out", "{d}/made"], (), "made"),
    Verb("gallery index", ["gallery", "index", "{d}/gallery"], ("gallery",), checked=INFO),
    Verb("codes", ["sae", "encode", "{w}/sae", "--gallery", "{d}/gallery"], ("gallery",), checked=INFO),
    Verb("sae encode", ["sae", "encode", "{w}/sae", "--in", "{w}/x.npy", "--out", "{d}/made.npz"], (), "made.npz"),
    Verb("sae train", [*TRAIN, "--out", "{d}/made"], (), "made"),
    Verb("sae import", ["sae", "import", "{w}/foreign", "--out", "{d}/made"], (), "made"),
    Verb("sae export", ["sae", "export", "{w}/sae", "--format", "saelens", "--out", "{d}/made"], (), "made"),
    Verb("audit", ["audit", "{w}/spec.json", "--out", "{d}/made"], (), "made"),
    Verb("lvlm audit", ["lvlm", "audit", "{w}/lvlm.json", "--out", "{d}/made"], (), "made"),
    Verb("lvlm score", ["lvlm", "score", "--in", str(LOGITS), "--out", "{d}/made.npz"], (), "made.npz"),
    Verb("labels export", ["labels", "export", "--log", "{w}/many.db", "--out", "{d}/made.csv"], (), "made.csv"),
    Verb("labels import", ["labels", "import", "{w}/many.json", "--log", "{d}/log.db"], ("log.db",), checked=LABELS),
    Verb("edit export", [*EDIT, "--out", "{d}/made"], (), "made"),
    Verb("edit apply", ["edit", "apply", "{w}/edit", "--in", "{w}/x.npy", "--out", "{d}/made.npy"], (), "made.npy"),
    Verb("keys", ["keys", "make", "--out", "{d}/made"], (), "made"),
    Verb("sign", ["keys", "sign", "{d}/report", "--key", "{w}/key"], ("report",)),
    Verb("map", ["map"], (), None),
]
"""What changes a thing that is there leaves it whole (`checked`); a map is computed as the page's child computes it."""


def run(runs: int = 50, seed: int = 0, module: str = "") -> dict[str, Any]:
    """Every verb at so many random places of a disk that is full there; faults are listed with their draw.

    Parameters
    ----------
    module : names of verbs with commas; all of them without it.
    """
    verbs = [verb for verb in VERBS if not module or verb.name in module.split(",")]
    found: dict[str, Counter[str]] = {}
    faults: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work, warm():
        whole, disk = Path(work) / "whole", Path(work) / "disk"
        world(whole)
        disk.mkdir()
        mounted = alone(lambda: {"mounted": mount(disk)})["mounted"]
        import_what(lambda: _in_this_process(verbs, whole, disk))
        for verb in verbs:
            needed = alone(lambda verb=verb: attempt(verb, whole, disk, None, mounted))
            if needed["fault"]:
                faults.append({"verb": verb.name, "free": None, **needed})
                continue
            count = found[verb.name] = Counter(runs=0, refused=0, needs=needed["used"])
            for number in range(runs):
                free = random.Random(f"{seed} {verb.name} {number}").randrange(needed["used"])
                result = alone(lambda verb=verb, free=free: attempt(verb, whole, disk, free, mounted))
                count["runs"] += 1
                count["refused"] += result["code"] == 2
                if result["fault"]:
                    faults.append({"verb": verb.name, "free": free, **result})
            print(f"{verb.name}: {dict(count)}, {len(faults)} faults", file=sys.stderr, flush=True)
    return {
        "disk": f"{DISK:,} bytes in memory, mounted for each run" if mounted else "files of limited size",
        "runs": sum(count["runs"] for count in found.values()),
        "faults": len(faults),
        "by_verb": {name: dict(count) for name, count in found.items()},
        "first_faults": faults[:20],
    }


def world(folder: Path) -> None:
    """What the commands read."""
    hostile.world(folder)
    places = {"w": folder, "d": folder}
    events = [
        {"neuron": n, "rater": f"rater {n % 7}", "sae": "a" * 64, "type": "social", "text": "x" * 60}
        for n in range(900)
    ]
    (folder / "many.json").write_text(json.dumps({"events": events}))
    hostile.made(["labels", "import", str(folder / "many.json"), "--log", str(folder / "many.db")])
    hostile.made(
        ["sae", "export", str(folder / "sae"), "--format", "dictionary-learning", "--out", f"{folder}/foreign"]
    )
    hostile.made([*hostile.filled(EDIT, **places), "--out", str(folder / "edit")])
    hostile.made(["keys", "make", "--out", str(folder / "key")])
    (folder / "lvlm.json").write_text(json.dumps(LVLM))


# --- one run ----------------------------------------------------------------------------------------------------


def _in_this_process(verbs: Sequence[Verb], whole: Path, disk: Path) -> None:
    """Every verb once on a disk with room, for what it imports."""
    for verb in verbs:
        _put(verb, whole, disk)
        os.environ.update(UNSKEW_HOME=str(disk / "home"))
        _said(verb.command, whole, disk)
        for path in disk.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def attempt(verb: Verb, whole: Path, disk: Path, free: int | None, mounted: bool) -> dict[str, Any]:
    """What one command makes of a disk with so many bytes free (None: all), and what is there afterwards."""
    if mounted:
        mount(disk)
    _put(verb, whole, disk)
    before = _bytes(disk)
    filler = disk / "filler"
    start = room(disk)
    if free is not None and mounted:
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(start - free, 1))
    limit = None if mounted or free is None else free
    code, said = _ended(verb.command, whole, disk, limit)
    used = max(start - room(disk), _largest(disk, before)) if mounted else _largest(disk, before)
    filler.unlink(missing_ok=True)
    fault = _fault(code, said, disk)
    if not fault and code == 2:
        changed = [str(p) for p, digest in before.items() if verb.made and _digest(p) != digest]
        if changed:
            fault = f"{changed[0]} is not what it was"
        elif verb.made and (disk / verb.made).exists():
            fault = f"{verb.made} is there, unfinished"
        elif verb.checked and (ended := _ended(verb.checked, whole, disk))[0] != 0:
            fault = f"what was there is broken: {ended[1][-300:]}"
        elif (ended := _ended(verb.command, whole, disk))[0] != 0:
            fault = f"with room again: {ended[1][-300:]}"
    return {"code": code, "used": max(used, 4096), "fault": fault}


def _put(verb: Verb, whole: Path, disk: Path) -> None:
    """What lies on the disk before a command begins."""
    (disk / "home").mkdir()
    for name in verb.copied:
        copy = shutil.copytree if (whole / name).is_dir() else shutil.copyfile
        copy(whole / name, disk / name)


def _said(command: Sequence[str], whole: Path, disk: Path) -> tuple[int, str]:
    """Exit code of a command in this process, and what it said of errors."""
    code = 70
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as words:
        try:
            if command[0] == "map":
                code = _map(disk)
            else:
                code = main(hostile.filled(command, w=whole, d=disk, out=disk / "made"))
        except BaseException:
            traceback.print_exc()
    return code, words.getvalue()


def _fault(code: int, said: str, disk: Path) -> str | None:
    lines = [line for line in said.splitlines() if line.strip() and not PROGRESS.search(line)]
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    if "Traceback" in said or code not in (0, 2):
        return f"code {code}: {said[-400:]}"
    if code == 2 and len(lines) != 1:
        return f"{len(lines)} lines: {said[:300]}"
    return None if code == 0 or str(disk) in lines[0] else f"names no path: {lines[0][:300]}"


def _ended(command: Sequence[str], whole: Path, disk: Path, limit: int | None = None) -> tuple[int, str]:
    """Exit code of a command in a child of its own, minus the signal that ended it, and what it said of errors."""
    told = Path(tempfile.mkstemp(dir=whole.parent)[1])
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 70
        try:
            os.environ.update(UNSKEW_HOME=str(disk / "home"), TMPDIR=str(disk))
            tempfile.tempdir = None
            os.chdir(disk)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            file = open(told, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
            os.dup2(file.fileno(), 2)
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            code, words = _said(command, whole, disk)
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
            )
            file.write(words[-4000:])
            file.flush()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said = told.read_text(encoding="utf-8", errors="replace")
    told.unlink()
    return code, said


def _map(disk: Path) -> int:
    """The map of the page on neurons, as its child computes it."""
    import numpy as np

    from core.config import InputError
    from core.projection import process

    x = np.random.default_rng(0).normal(size=(900, 64)).astype(np.float32)
    try:
        with mock.patch.object(process.subprocess, "Popen", return_value=mock.Mock(pid=0)):
            process.start(disk / "home" / "maps" / "m", x)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def mount(disk: Path) -> bool:
    """Mount a file system of DISK bytes for this process and its children alone; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    users, groups = os.getuid(), os.getgid()
    if libc.unshare(NEWNS if users == 0 else NEWNS | NEWUSER):
        return False
    if users:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {users} 1")
        Path("/proc/self/gid_map").write_text(f"0 {groups} 1")
    if libc.mount(b"none", b"/", None, PRIVATE, None):
        return False
    return not libc.mount(b"tmpfs", str(disk).encode(), b"tmpfs", 0, f"size={DISK}".encode())


def bind(folder: Path, place: Path) -> None:
    """Let a folder also be found at another place, for this process and its children alone."""
    if ctypes.CDLL(None).mount(str(folder).encode(), str(place).encode(), None, BIND, None):
        raise OSError(f"{folder} cannot be found at {place}")


def room(disk: Path) -> int:
    at = os.statvfs(disk)
    return at.f_bavail * at.f_frsize


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _bytes(disk: Path) -> dict[Path, str]:
    return {path: _digest(path) for path in disk.rglob("*") if path.is_file()}


def _largest(disk: Path, before: dict[Path, str]) -> int:
    """Bytes of the largest file that is new."""
    return max((p.stat().st_size for p in disk.rglob("*") if p.is_file() and p not in before), default=0)
