"""`fullpages`: what pages write, on a disk of 4 MB that is full at random places; somebody else is at work beside.

A real server, of a copy of the app, whose own folder and temporary folder lie on that disk, and two visitors by
websocket. One of them asks for what is written: a gallery, an audit, answers about many pictures, an SAE, codes, a map,
a label. It is there in the end, or a line says that the disk is full and nothing lies under its name; the server lives,
the other one's next question is answered, and with room again the same clicks end well. Where mounting is not allowed
nothing is measured.
`python -m tests.benchmarks fullpages --runs 50`
"""

import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.gallery import import_gallery
from tests.benchmarks import _hostile_files as hostile
from tests.benchmarks._warm import alone
from tests.benchmarks.diskfull import DISK, bind, mount, room
from tests.browser import serving
from tests.team.visiting import Run, Visitor

SECONDS = 400.0
"""The longest that anything may take on a busy machine."""
OWN = ("galleries", "saes")
"""Where pages put what is made on one's own machine, beside the app: on the disk for as long as this runs."""
FULL = ("the disk is full or a limit", "a disk is full or a limit", "(database or disk is full)")


@dataclass(frozen=True)
class Asked:
    """Something that a page writes."""

    name: str
    clicks: Callable[[Visitor, Path], Run]
    """Asks for it; {the visitor, the folder of whole things}."""
    done: Callable[[Run], bool]
    """Whether the page says that it is there, whatever it says besides."""
    made: str = ""
    """What it makes in the own folder, as a pattern; empty: it changes a file that is there."""


def run(runs: int = 50, seed: int = 0, module: str = "") -> dict[str, Any]:
    """Everything at so many random places of a disk that is full there; faults are listed with their draw.

    Parameters
    ----------
    module : names of what is asked for, with commas; all without it.
    """
    chosen = [asked for asked in ASKED if not module or asked.name in module.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        whole, disk = Path(folder) / "whole", Path(folder) / "disk"
        hostile.world(whole)
        disk.mkdir()
        app = serving.copied(Path(folder) / "app")
        return alone(lambda: _measured(chosen, app, whole, disk, runs, seed))


def _measured(chosen: list[Asked], app: Path, whole: Path, disk: Path, runs: int, seed: int) -> dict[str, Any]:
    """Many parameters: three folders, and what is drawn."""
    if not mount(disk):
        return {"skipped": "no file system may be mounted here"}
    home = disk / "home"
    for name in OWN:
        (home / name).mkdir(parents=True)
        (app / name).mkdir()
        bind(home / name, app / name)
    places = {"UNSKEW_HOME": str(home), "TMPDIR": str(home), "UNSKEW_FOLDERS": str(disk), "OMP_NUM_THREADS": "1"}
    server, address = serving.start(root=app, **places)
    found, faults = {}, []
    try:
        with Visitor(address, seconds=SECONDS) as other:
            _answered(other)
            for asked in chosen:
                _clear(disk, whole, -1)
                start = room(disk)
                result = _attempt(address, asked, whole, disk, None)
                needed = max(start - room(disk), 4096)
                count = found[asked.name] = Counter(runs=0, refused=0, needs=needed)
                if result != "done":
                    faults.append({"asked": asked.name, "free": None, "fault": result})
                    continue
                for number in range(runs):
                    free = random.Random(f"{seed} {asked.name} {number}").randrange(needed)
                    _clear(disk, whole, number)
                    fault = _one(address, other, asked, whole, disk, free, count)
                    if fault is None and server.poll() is not None:
                        fault = f"the server ended with {server.returncode}"
                    if fault is not None:
                        faults.append({"asked": asked.name, "free": free, "fault": fault})
                        print(f"{asked.name} with {free:,} bytes free: {fault}", file=sys.stderr, flush=True)
                    if server.poll() is not None:
                        break
                print(f"{asked.name}: {dict(count)}, {len(faults)} faults", file=sys.stderr, flush=True)
    finally:
        server.terminate()
        server.wait(timeout=20)
    return {
        "disk": f"{DISK:,} bytes in memory",
        "runs": sum(count["runs"] for count in found.values()),
        "faults": len(faults),
        "by_name": {name: dict(count) for name, count in found.items()},
        "first_faults": faults[:20],
    }


def _one(
    address: str, other: Visitor, asked: Asked, whole: Path, disk: Path, free: int, count: Counter[str]
) -> str | None:
    """The fault of one run at a full disk, of the other's question after it, and of the same clicks with room again.

    Many parameters: the two sides, what is asked and where.
    """
    count["runs"] += 1
    result = _attempt(address, asked, whole, disk, free)
    if result == "full":
        count["refused"] += 1
        left = list((disk / "home").glob(asked.made)) if asked.made else []
        if left:
            return f"{left[0].relative_to(disk)} is there, unfinished"
    elif result != "done":
        return result
    if fault := _answered(other):
        return fault
    (disk / "filler").unlink(missing_ok=True)
    if result == "full" and (again := _attempt(address, asked, whole, disk, None)) != "done":
        return f"with room again: {again}"
    return None


def _attempt(address: str, asked: Asked, whole: Path, disk: Path, free: int | None) -> str:
    """ "done", "full", or what is wrong."""
    if free is not None:
        with open(disk / "filler", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(room(disk) - free, 1))
    with Visitor(address, seconds=SECONDS) as visitor:
        run = asked.clicks(visitor, whole)
        end = time.monotonic() + SECONDS
        while True:
            if any(delta.new_element.WhichOneof("type") == "exception" for delta in run.deltas):
                return f"an exception on the page: {run.text[-400:]}"
            if asked.done(run):
                return "done"
            if _full(run):
                return "full"
            if time.monotonic() > end or not run.fragments:
                return f"neither made nor refused: {_told(run) or run.text[-600:]}"
            time.sleep(0.5)
            run = visitor.again(run.fragments[-1])
            run = run if run.fragments or asked.done(run) or _full(run) else visitor.again()


def _told(run: Run) -> list[str]:
    """What boxes of the page say."""
    kinds = [(delta.new_element.WhichOneof("type"), delta.new_element) for delta in run.deltas]
    return [element.alert.body for kind, element in kinds if kind == "alert"]


def _full(run: Run) -> bool:
    """Whether somebody is told that the disk is full."""
    return any(words in run.everything for words in FULL)


def _answered(other: Visitor) -> str | None:
    """What is wrong with the answer that somebody else gets; None where nothing is."""
    word = random.choice(("doctor", "nurse", "judge", "chef", "teacher"))
    run = other.open("compare", f"q=a+photo+of+a+{word}&edit=image:3")
    return None if "nearest to" in run.text and word in run.text else f"the other's answer is missing: {run.text[:300]}"


def _clear(disk: Path, whole: Path, number: int) -> None:
    """The disk as it is before somebody asks: a gallery that nobody has looked at, an SAE, the log of labels."""
    kept = [disk / "home", *(disk / "home" / name for name in OWN), *(disk / "home").glob("labels.sqlite*")]
    for path in [path for folder in kept[: 1 + len(OWN)] for path in folder.iterdir() if path not in kept]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in [path for path in disk.iterdir() if path not in kept]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    x = np.random.default_rng(number + 1).normal(size=np.load(whole / "x.npy").shape).astype(np.float32)
    import_gallery(x, whole / "labels.csv", model_name="m", out=disk / "gallery")
    shutil.copytree(whole / "sae", disk / "sae")


# -- what pages write -------------------------------------------------------------------------------------------------


def _gallery(visitor: Visitor, whole: Path) -> Run:
    run = visitor.open("data_and_models", "view=gallery")
    visitor.type(run, "Path on this server", str(whole / "pictures"))
    visitor.type(run, "Name", "made")
    return visitor.click(run, "Make the gallery")


def _audit(visitor: Visitor, whole: Path) -> Run:
    run = visitor.click(visitor.open("report"), "First audit: occupations x gender")
    return visitor.click(run, "Run the audit")


def _answers(visitor: Visitor, whole: Path) -> Run:
    run = visitor.open("ask", "view=many")
    visitor.type(run, "Words, with commas", "doctor")
    return visitor.click(run, "Ask them all")


def _training(visitor: Visitor, whole: Path) -> Run:
    run = visitor.open("data_and_models", f"view=sae&gallery={_disk(whole)}/gallery")
    if "Train another" in run.buttons:  # the one before this is still shown
        run = visitor.click(run, "Train another")
    for label, number in (("Steps", 20), ("Neurons", 2048), ("Active neurons per item (k)", 4)):
        visitor.type(run, label, number)
    visitor.type(run, "Name", "made")
    return visitor.click(run, "Train")


def _codes(visitor: Visitor, whole: Path) -> Run:
    return visitor.open("neurons", f"gallery={_disk(whole)}/gallery&image_sae={_disk(whole)}/sae")


def _disk(whole: Path) -> Path:
    return whole.parent / "disk"


def _map(visitor: Visitor, whole: Path) -> Run:
    return visitor.open("neurons", "view=map")


def _label(visitor: Visitor, whole: Path) -> Run:
    run = visitor.type(visitor.open("label"), "Your name", "Ada")
    return visitor.click(run, "Gender :gray[1]")


ASKED = [
    Asked("gallery", _gallery, lambda run: "made" in run.text and not _full(run), "galleries/made"),
    Asked("audit", _audit, lambda run: "Everything" in run.everything and not _full(run), "audits/*"),
    Asked("answers", _answers, lambda run: "Mean gap by arm" in run.text, "audits/*"),
    Asked("training", _training, lambda run: "is trained" in run.text, "saes/made"),
    Asked("codes", _codes, lambda run: bool(run.numbers) and not _full(run)),
    Asked("map", _map, lambda run: "UMAP" in run.text, "maps/*/map.json"),
    Asked("label", _label, lambda run: "you said" in run.text),
]
