"""`mutants`: what share of small faults, planted one at a time in a room of core, the tests of the room find.

What a fault is: `_planting`; no file is touched. A first run without a fault notes which tests reach which lines. A
fault is then given to the tests that reach its line (`_testing`), and the first failure, or no end in sight, finds it.

A fault that changes nothing that can be observed is *equivalent*. These are listed in `mutants_equivalent.txt` with the
reason, and are not counted. `python -m tests.benchmarks mutants --room statistics --number 200 --seed 1`
"""

import importlib
import json
import os
import random
import resource
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.benchmarks._planting import planted
from tests.benchmarks._reaching import sources, without_fault
from tests.benchmarks._testing import SURVIVED, tried

WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.txt")


def run(
    room: str = "statistics",
    number: int | None = None,
    seed: int = 0,
    module: str | None = None,
    without: str | None = None,
    again: str | None = None,
) -> dict[str, Any]:
    """Plant `number` faults (all without it) in a room, or in one module of it, and list those that no test finds.

    Parameters
    ----------
    without : folder of the room that is left out.
    again : what an earlier run printed; only the faults are planted that survived there.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    modules = {
        path: name
        for path, name in sources(room).items()
        if module in (None, name.rpartition(".")[2]) and without not in name.split(".")
    }
    if not modules:
        raise SystemExit(f"core/{room} has no module {module}")
    known = equivalent()
    faults = [fault for path, name in modules.items() for fault in planted(path, name)]
    if again is not None:
        earlier = json.loads(Path(again).read_text())["modules"]
        left = {f"{name} {one.partition(': ')[2]}" for name, row in earlier.items() for one in row["survivors"]}
        faults = [fault for fault in faults if fault.key in left]
    elif number is not None and number < len(faults):
        faults = sorted(random.Random(seed).sample(faults, number), key=lambda f: (f.module, f.place))
    reached = without_fault(room)
    for library in reached.libraries:
        with suppress(Exception):
            importlib.import_module(library)
    ended = tried(room, [fault for fault in faults if fault.key not in known], reached)
    survivors = [fault for fault in faults if ended.get(fault) in SURVIVED]
    table = {}
    for name in modules.values():
        own = [fault for fault in faults if fault.module == name]
        left = [fault for fault in survivors if fault.module == name]
        same = sum(fault.key in known for fault in own)
        counted = len(own) - same
        table[name.removeprefix("core.")] = {
            "mutants": len(own),
            "equivalent": same,
            "killed": counted - len(left),
            "share": round((counted - len(left)) / counted, 3) if counted else None,
            "survivors": [f"{fault.line}: {fault.key.partition(' ')[2]}" for fault in left],
        }
    total = sum(row["mutants"] - row["equivalent"] for row in table.values())
    return {
        "room": room,
        "seed": seed,
        "mutants": len(faults),
        "equivalent": len(faults) - total,
        "killed": total - len(survivors),
        "share": round((total - len(survivors)) / total, 3) if total else None,
        "without_end": sum(code < 0 for code in ended.values()),
        "processor_seconds": round(sum(sum(resource.getrusage(whose)[:2]) for whose in WHOSE)),
        "modules": table,
    }


def equivalent() -> dict[str, str]:
    """Key of each listed fault that changes nothing, and why."""
    lines = EQUIVALENT.read_text().splitlines() if EQUIVALENT.exists() else []
    return dict(line.rsplit(" | ", 1) for line in lines if " | " in line)
