"""What the map of neurons, or of items, shows: places, sizes, colours; computed once and kept by digest."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core import projection
from core.config import own_folder
from core.ui.session import cache, probing, work

if TYPE_CHECKING:
    from pathlib import Path

    from core.jobs.rows import Job
    from core.ui.session.state import AppState
    from core.ui.session.uploads import Upload

ITEMS = 4000
"""Items on the map of items; of more, as many are drawn at random."""


@dataclass(frozen=True)
class Points:
    """What lies on a map: numbers (of neurons, or rows of items), and what the places are computed from."""

    numbers: np.ndarray
    x: np.ndarray
    folder: "Path"


def neuron_points(probe: probing.Probe) -> Points:
    """Decoder directions of the living neurons."""

    def compute() -> Points:
        alive = probing.living(probe)
        return _points(alive, probe.sae.sae.W_dec.detach().cpu().numpy()[alive])

    return cache.result("map-neurons", probe.parts, compute)


def fired_points(probe: probing.Probe) -> Points:
    """What fires each living neuron: the centre of its items in the probe set, at the SAE's attach point."""
    from core.neurons import firing_centres

    def compute() -> Points:
        alive, x = probing.living(probe), probe.gallery.embeddings(probe.sae.attach or "pooled")
        return _points(alive, firing_centres(probe.codes.csr, x, probe.rows, alive).astype(np.float32))

    return cache.result("map-fired", probe.parts, compute)


def item_points(probe: probing.Probe) -> Points:
    """Embeddings of the items of the probe set at the SAE's attach point."""

    def compute() -> Points:
        rows = probe.rows
        if len(rows) > ITEMS:
            rows = np.sort(np.random.default_rng(0).choice(rows, ITEMS, replace=False))
        return _points(rows, np.array(probe.gallery.embeddings(probe.sae.attach or "pooled")[rows], dtype=np.float32))

    return cache.result("map-items", probe.parts, compute)


POINTS = {"neurons": neuron_points, "fired": fired_points, "items": item_points}
"""What lies on each map: neurons by what they write, neurons by what fires them, items."""


def _points(numbers: np.ndarray, x: np.ndarray) -> Points:
    return Points(numbers, x, own_folder() / "maps" / projection.map_digest(x)[:24])


def pca(points: Points) -> np.ndarray:
    return cache.result("map-pca", str(points.folder), lambda: projection.pca_places(points.x))


def finished(points: Points) -> projection.Projection | None:
    """The UMAP map, where it is there."""
    return projection.read_map(points.folder)


def begin(points: Points, what: str) -> None:
    """Have the UMAP map computed: in a process beside this one, on a team server by a worker."""
    if not work.as_jobs():
        projection.start(points.folder, points.x)
    elif job(points.folder.name, what) is None and projection.prepare(points.folder, points.x):
        work.store().submit("map", _order(points.folder.name, what))


def job(name: str, what: str) -> "Job | None":
    """The job that computes a map; None where there is none, or where what it made is gone."""
    found = work.latest("map", _order(name, what)) if work.as_jobs() else None
    return None if found is not None and found.state in ("done", "cancelled") else found


def _order(name: str, what: str) -> dict[str, str]:
    return {"map": name, "what": what}


def association(probe: probing.Probe, numbers: np.ndarray, attribute: str, group: str) -> dict[str, np.ndarray]:
    """For each neuron: `sign` = 2 AUC - 1 for the group in [-1, 1], `rate` of all items, `p` adjusted.

    `sign` and `auc` are NaN where there is no other group to be told from.
    """
    table = probing.statistics(probe, attribute)
    lines = table[table["group"] == group].set_index("neuron").loc[numbers]
    fired = np.diff(probe.codes.csc.indptr)[numbers] / probe.gallery.n
    return {
        "sign": 2 * lines["auc"].to_numpy() - 1,
        "auc": lines["auc"].to_numpy(),
        "p": lines["p_adjusted"].to_numpy(),
        "rate": fired,
    }


def landed(
    state: "AppState", probe: probing.Probe, points: Points, places: np.ndarray
) -> "tuple[list[Upload], np.ndarray]":
    """The session's uploads and where they land among the items; computed each time: uploads are never kept."""
    attach = probe.sae.attach or "pooled"
    uploads = probing.uploads_of(state, probe.gallery.side)
    uploads = [u for u in uploads if attach in u.embeddings and len(u.embeddings[attach]) == points.x.shape[1]]
    if not uploads:
        return [], np.empty((0, 2))
    return uploads, projection.place_among(points.x, places, np.stack([u.embeddings[attach] for u in uploads]))
