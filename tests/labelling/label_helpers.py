"""Labels of a made-up SAE, and a writer process that tells on its output what is on disk."""

import random
import sys
import time
from pathlib import Path

from core.labelling import TYPES, LabelEvent, LabelLog

SAE, GALLERY = "a" * 64, "b" * 64


def label(neuron: int, rater: str = "ann", type: str = "social", attribute: str | None = None, **more) -> LabelEvent:
    given = {"sae": SAE, "gallery": GALLERY, "type": type, "attribute": attribute} | more
    return LabelEvent(neuron=neuron, rater=rater, **given)


def write_for(where: str, rater: str, seconds: float) -> None:
    """Add labels until the time is over; a line for each that is on disk."""
    log, end, i = LabelLog(where), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        entry = label(i, rater, random.Random(f"{rater} {i}").choice(TYPES), text=f"event {i}")
        log.add(entry)
        log.add(entry)  # a retry after a lost answer
        print(entry.id, flush=True)
        i += 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    write_for(sys.argv[1], sys.argv[2], float(sys.argv[3]))
