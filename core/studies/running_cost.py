"""Seconds and floating-point operations a sample: what the model, the SAE and a method take for one item."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
from PIL import Image

from core.backbones.base import Backbone
from core.config import Progress
from core.figures import Picture, Series
from core.interventions import INTERVENTIONS
from core.interventions.base import NO_EDIT
from core.neurons import encode_rows
from core.ranking import RankRequest
from core.ranking.arms import moves_items
from core.ranking.fitting import Fitter
from core.ranking.heads import PictureHeads
from core.ranking.items import item_material
from core.ranking.queries import embed_texts
from core.ranking.rows import part_of
from core.scene import Bench, Scene
from core.studies.asking import ask
from core.studies.base import STUDIES, Study, StudyRequest, StudyResult
from core.studies.preservation import method_arms

RUNS = 5
PICTURES, ROWS = 16, 256
"""Pictures and stored items that are timed together."""


@STUDIES.register("running-cost")
class RunningCost(Study):
    """Processor time a sample (median of 5 runs after one that is not counted) and operations a sample, step by step.

    Operations of the towers are counted as torch carries them out (matrix products and convolutions, two for a
    multiplication with its addition), those of the SAE are 2 d F. Methods in NumPy are timed alone. Times are of this
    machine and differ from run to run.
    """

    title = "Seconds and operations a sample"
    question = "What does one more picture or prompt cost, with and without the method?"
    needs_model: ClassVar = True

    def __call__(self, request: StudyRequest, progress: Progress | None = None) -> StudyResult:
        (attribute,) = request.require_attributes()[:1]
        texts, (_, (arm, edits, method)) = sorted(set(request.require_prompts())), method_arms(request)
        scene, rows = replace(request.scene, bench=Bench()), []
        asked = ask(request, attribute, edits, method)
        fit, steps = _method(scene, asked, texts, arm)
        steps = [*_towers(scene, texts), *_sae(scene, asked), *steps]
        for done, (name, n, run, operations) in enumerate(steps):
            if progress:
                progress(done, len(steps), name)
            rows.append({"step": name, **_times(run, n), "flops_per_sample": operations, "n": n})
        if progress:
            progress(len(steps), len(steps), "done")
        table = pd.DataFrame(rows)
        table["flops_per_sample"] = table["flops_per_sample"].astype("float64")
        names = table["step"].tolist()
        series = Series("microseconds", names, *(table[f"microseconds{end}"].tolist() for end in ("", "_lo", "_hi")))
        words = "processor time of one sample; strokes: fastest and slowest of 5 runs"
        picture = Picture(self.title, "bars", "", "microseconds a sample", (series,), words)
        settings = {"study": "running-cost", **asked.to_json(), "runs": RUNS, **request.digests()}
        notes = (f"{arm} is fitted once, in {fit:.2f} s of processor time",)
        return StudyResult(table, picture, settings, notes, {"fit_seconds": fit})


Step = tuple[str, int, Callable[[], object], float | None]
"""Name, samples, what is timed, and operations a sample where they are known."""


def _method(scene: Scene, asked: RankRequest, texts: list[str], arm: str) -> tuple[float, list[Step]]:
    """Seconds of fitting, and the method on the searched items, on the queries, or on both."""
    kind, fitter, part = INTERVENTIONS.get(asked.method), Fitter(scene, asked), part_of(scene, asked)
    start = time.process_time()
    fitted = fitter(asked.method)
    seconds, steps = time.process_time() - start, list[Step]()
    edit = asked.edits.get(scene.gallery.side)
    if moves_items(kind, edit, asked):
        material = item_material(scene, part, scene.sae() if kind.needs.sae else None)
        if kind.needs.heads:
            material = replace(material, heads=PictureHeads(scene, scene.gallery, part.rows))
        steps.append((f"{arm}: an item", part.n, lambda: kind()(material, edit or NO_EDIT, fitted), None))
    if kind.changes in ("query", "both") or "text" in asked.edits:
        queries = embed_texts(scene, asked, texts)
        of_text = asked.edits.get("text")
        steps.append((f"{arm}: a prompt", len(texts), lambda: queries.vectors(asked.method, of_text), None))
    return seconds, steps


def _towers(scene: Scene, texts: list[str]) -> list[Step]:
    """One picture and one prompt through the model, where it is here."""
    model, steps = scene.model, list[Step]()
    if model is None:
        return steps
    if isinstance(model, Backbone):
        rng, (height, width) = np.random.default_rng(0), model.image_size
        pixels = rng.integers(0, 256, (PICTURES, height, width, 3), dtype=np.uint8)
        pictures = [Image.fromarray(one) for one in pixels]
        seen = partial(model.encode_images, pictures, ("pooled",))
        steps.append(("image tower: a picture", PICTURES, seen, operations(seen) / PICTURES))
    read = partial(model.encode_texts, texts, ("pooled",))
    return [*steps, ("text tower: a prompt", len(texts), read, operations(read) / len(texts))]


def _sae(scene: Scene, asked: RankRequest) -> list[Step]:
    """One item encoded by the SAE, where there is one of the items' side."""
    if scene.gallery.side not in scene.saes:
        return []
    sae, part = scene.sae(), part_of(scene, asked)
    rows = np.asarray(scene.gallery.embeddings(sae.attach or "pooled")[part.rows[:ROWS]], dtype=np.float32)
    config = sae.sae.config
    return [("SAE: encoding an item", len(rows), lambda: encode_rows(rows, sae.sae), 2.0 * config.d_in * config.d_sae)]


def operations(run: Callable[[], object]) -> float:
    """Floating-point operations of matrix products and convolutions that torch carries out, two for a multiplication
    with its addition; 0 for what is not computed by torch.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it does in one step what else is counted product by product
    try:
        with FlopCounterMode(display=False) as counter:
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return float(counter.get_total_flops())


def _times(run: Callable[[], object], n: int) -> dict[str, float]:
    """Median, fastest and slowest processor time divided by n, in microseconds."""
    run()
    taken = []
    for _ in range(RUNS):
        start = time.process_time()
        run()
        taken.append((time.process_time() - start) / max(n, 1) * 1e6)
    median = float(np.median(taken))
    return {"microseconds": median, "microseconds_lo": min(taken), "microseconds_hi": max(taken)}
