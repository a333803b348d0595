"""Real work of a small world, done by workers that are killed at random moments; and the same done in peace."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.access import Person
from core.jobs.store import JobStore
from tests.jobs import toy_worker

ROOT = Path(__file__).resolve().parent.parent.parent
WHO = Person("tester@example.org", "Tester", frozenset({"operator"}))
SECONDS = 900
WORKER = (sys.executable, "-m", "core.jobs")
AT_ONCE = toy_worker.SCRIPT
"""A worker whose jobs have the priority of everybody else, so that a busy machine does not make the wait long."""
WORDS = ("doctor", "nurse", "man", "woman", "person", "pilot", "cook")


def world(folder: Path, captions: int = 1500) -> None:
    """What the jobs are made from: embeddings with a table, captions, and a gallery to train on."""
    from core.gallery import import_gallery

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.save(folder / "x.npy", rng.normal(size=(400, 16)).astype(np.float32))
    rows = [{"id": f"item-{i}", "gender": ("Female", "Male")[i % 2]} for i in range(400)]
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    texts = [f"a photo of a {WORDS[i % len(WORDS)]} number {i}" for i in range(captions)]
    pd.DataFrame({"text": texts, "gender": [("Female", "Male")[i % 2] for i in range(captions)]}).to_csv(
        folder / "captions.csv", index=False
    )
    import_gallery(folder / "x.npy", folder / "table.csv", model_name="random", out=folder / "gallery")


def orders(folder: Path, out: Path, few: bool = False) -> dict[str, dict[str, Any]]:
    """Kind -> what is asked for, with results below `out`; a few short ones, or all."""
    from core.saes.base import sae_config
    from core.training.config import TrainingConfig

    asked: dict[str, dict[str, Any]] = {
        "gallery-import": {
            "source": str(folder / "x.npy"),
            "table": str(folder / "table.csv"),
            "model_name": "random",
            "out": str(out / "imported"),
        },
        "sae-train": {
            "gallery": str(folder / "gallery"),
            "out": str(out / "sae"),
            "config": sae_config("matryoshka-batch-topk", 16, 48, 4).to_json(),
            "training": TrainingConfig(steps=500 if few else 1500, batch=64).to_json(),
        },
    }
    if not few:
        asked["gallery-build"] = {"way": "captions", "source": str(folder / "captions.csv"), "out": str(out / "built")}
        spec = {"schema": 2, "gallery": "default", "attributes": ["gender"], "prompts": ["a photo of a doctor"]}
        spec |= {"k": 30, "target": "gallery", "title": f"Round {out.name}", "seed": 0, "sae": "default-image"}
        asked["audit"] = {"spec": spec | {"edit": {"select": "rule"}}}
    return asked


def below(process: int) -> list[int]:
    """A process and all that it started."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [process, *(one for child in text.split() for one in below(int(child)))]


class Workers:
    """Some workers, of which one process after the other is killed and whose number is kept up."""

    def __init__(self, number: int, seed: int = 0, command: Sequence[str] = WORKER) -> None:
        self.command = command
        self.draw = random.Random(seed)
        self.running = [self._start() for _ in range(number)]
        self.kills = 0

    def _start(self) -> subprocess.Popen:
        quiet = {**os.environ, "OMP_NUM_THREADS": "1", "TOY_NICENESS": "0"}
        return subprocess.Popen(self.command, cwd=ROOT, env=quiet, stderr=subprocess.DEVNULL)

    def kill_one(self) -> None:
        """Kill a worker, what watches below it, or what works; whichever is drawn."""
        number = self.draw.randrange(len(self.running))
        victims = below(self.running[number].pid)
        if victims:
            self.kills += 1
            os.kill(self.draw.choice(victims), signal.SIGKILL)
        self.keep_up()

    def keep_up(self) -> None:
        time.sleep(0.05)
        for number, one in enumerate(self.running):
            if one.poll() is not None:
                self.running[number] = self._start()

    def stop(self) -> None:
        for one in self.running:
            one.terminate()
        for one in self.running:
            one.wait(30)


def done(store: JobStore, jobs: Iterable[str], workers: Workers, kills: int = 0, pause: float = 2.0) -> None:
    """Wait until the jobs are over, killing so many processes on the way."""
    jobs, end = list(jobs), time.monotonic() + SECONDS
    while any(store.get(job).open for job in jobs):
        assert time.monotonic() < end, [(job.kind, job.state, store.log(job.id)[-5:]) for job in map(store.get, jobs)]
        time.sleep(workers.draw.uniform(0.05, pause))
        if kills > 0:
            before = workers.kills
            workers.kill_one()
            kills -= workers.kills - before
        else:
            workers.keep_up()


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of every file; of a manifest without the time at which it was written."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
    if "manifest.json" in found:
        manifest = json.loads(found["manifest.json"])
        manifest.pop("created_at", None)
        found["manifest.json"] = json.dumps(manifest).encode()
    return found


def wrong(store: JobStore, job: str, right: str) -> str | None:
    """What is wrong with the result of a job, beside the one that nobody disturbed."""
    mine, theirs = store.get(job), store.get(right)
    if mine.state != "done":
        return f"{mine.kind} is {mine.state}: {mine.reason}"
    ours, wanted = contents(Path(mine.place)), contents(Path(theirs.place))
    if mine.kind == "audit":  # a report says when it was written, and its title
        ours, wanted = ({name: said[name] for name in said if name.endswith("evidence.npz")} for said in (ours, wanted))
        if len(ours) != 1:
            return "an audit has no evidence"
    different = [name for name in ours.keys() | wanted.keys() if ours.get(name) != wanted.get(name)]
    return f"{mine.kind}: {', '.join(sorted(different))} differ" if different else None
