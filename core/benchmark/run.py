"""Running a benchmark: one file a cell, so that an interrupted run goes on where it was."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core import access
from core.benchmark.arms import Arm, find_arm
from core.benchmark.base import PROTOCOLS, SCHEMA, Cell, Protocol
from core.benchmark.draws import SEEDS, over_seeds
from core.benchmark.results import RESULT, BenchmarkResult
from core.benchmark.world import World
from core.config import InputError, Progress, digest_of
from core.interventions import INTERVENTIONS
from core.store import plain, read_json, write_json

CELLS = "cells"


def run_benchmark(
    protocol: str,
    worlds: Sequence[World],
    methods: Sequence[str],
    out: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> BenchmarkResult:
    """Every method measured on every gallery by a registered protocol.

    A method that lacks something on a gallery fills its cell with the reason. Cells do not depend on each other: the
    order of methods and galleries plays no part in the numbers.

    Parameters
    ----------
    out : folder for one file a cell, named by the digest of everything that the cell depends on, and for the tables;
        None keeps nothing.
    resume : cells that are in `out` already are read; without it `out` must not hold a benchmark.

    Raises
    ------
    InputError : unknown names, no method, two galleries of one name, or `out` exists.
    """
    access.require("benchmark")
    chosen = PROTOCOLS.get(protocol)()
    arms = [find_arm(name) for name in dict.fromkeys(methods)]
    names = [world.gallery.name for world in worlds]
    if not arms or not worlds:
        raise InputError("a benchmark needs at least one gallery and one method")
    if len(set(names)) < len(names):
        raise InputError(f"two galleries are called {max(names, key=names.count)}; give them different names")
    if out is not None:
        require_place(Path(out), resume)
        (Path(out) / CELLS).mkdir(parents=True, exist_ok=True)
    plan = [(world, arm) for world in worlds for arm in arms]
    cells = []
    for done, (world, arm) in enumerate(plan):
        if progress:
            progress(done, len(plan), f"cells: {arm.name}")
        cells.append(_cell(chosen, world, arm, out))
    if progress:
        progress(len(plan), len(plan), "cells: done")
    result = BenchmarkResult(protocol, tuple(cells), {world.gallery.name: world.to_json() for world in worlds})
    if out is not None:
        result.write(Path(out))
    return result


def cell_digest(protocol: str, world: World, arm: Arm) -> str:
    """What a cell's file is named by."""
    return digest_of([SCHEMA, protocol, world.digest, arm.digest])


def _cell(protocol: Protocol, world: World, arm: Arm, out: Path | None) -> Cell:
    """The cell from its file, or measured and filed."""
    name = next(name for name in PROTOCOLS if isinstance(protocol, PROTOCOLS.get(name)))
    path = Path(out) / CELLS / f"{cell_digest(name, world, arm)}.json" if out is not None else None
    if path is not None and path.is_file():
        return Cell.from_json(read_json(path))
    try:
        random = INTERVENTIONS.get(arm.method).random
        worlds = [replace(world, seed=world.seed + i) for i in range(SEEDS)] if random else [world]
        ready = [arm.ready(one) for one in worlds]
        cells = [protocol.measure(one.world, one) for one in ready]
        cell = over_seeds(cells, protocol.skew) if random else cells[0]
        cell = replace(cell, notes=(*cell.notes, *ready[0].remarks()))
    except InputError as error:
        cell = Cell(arm.name, world.gallery.name, refused=str(error))
    if path is not None:
        write_json(path, plain(cell.to_json()))
    return cell


def require_place(out: Path, resume: bool) -> None:
    """InputError where the folder holds something and this is no resumption, or holds no benchmark to go on with."""
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already; give --resume to go on with it, or choose another folder")
    if resume and out.is_dir() and any(out.iterdir()) and not (out / CELLS).is_dir():
        raise InputError(f"{out} holds no benchmark ({CELLS}/ or {RESULT}); choose its folder, or an empty one")
