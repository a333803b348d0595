"""Searched items under a neuron edit, answered by the live engine instead of a new index."""

import numpy as np

from core.config import Edit, Progress
from core.interventions import INTERVENTIONS, Material
from core.ranking.items import Items, baseline_items, engine_part, item_material
from core.ranking.rows import Part
from core.retrieval import (
    FlatIndex,
    Index,
    LiveEngine,
    LiveGallery,
    PartIndex,
    Ranking,
    StoredIndex,
    best_ranking,
    place_for,
    unit_query,
)
from core.scene import Scene
from core.units import unit_rows


def live_engine(material: Material, index: Index | None = None, kept: np.ndarray | None = None) -> LiveEngine:
    """The engine over the items of a material with codes; an index over the same items may know their lengths.

    `kept` are sums over these very items, where they are stored with their codes.
    """
    codes, arrays = material.require_codes(), material.require_sae().arrays()
    residual = material.attach == "residual"
    return LiveEngine(
        LiveGallery(
            material.x,
            codes,
            arrays["W_dec"],
            arrays["b_dec"],
            material.pooled if residual else None,
            material.readout if residual else None,
            index.lengths if isinstance(index, StoredIndex) else None,
            material.codes_by_row,
            place_for(material.x, material.pooled),
            kept,
        )
    )


def engine_for(scene: Scene, part: Part) -> tuple[LiveEngine, Material]:
    """The remembered engine that answers edits of a part, and the items that it works on; see `engine_part`."""
    wide, sae_file = engine_part(scene.gallery, part), scene.sae()
    material = item_material(scene, wide, sae_file)

    def make() -> LiveEngine:
        stored = scene.gallery.codes(sae_file.digest) if wide.n == scene.gallery.n else None
        return live_engine(material, baseline_items(scene, wide).index, None if stored is None else stored.sums)

    return scene.bench.remember(("engine", wide.digest, sae_file.digest), make), material


class LiveIndex:
    """What a flat index over the edited items would answer, from the engine and the index of the unedited ones.

    Where the items are a part of what the engine works on, `baseline` says which.
    """

    def __init__(self, engine: LiveEngine, edit: Edit, baseline: Index, material: Material) -> None:
        self._engine, self._edit, self._baseline, self._material = engine, edit, baseline, material
        self._unit: np.ndarray | None = None
        self.n, self.d = baseline.n, baseline.d
        self.nbytes = baseline.nbytes  # what `unit` will take if somebody asks for it

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Cosine of every item with the query, float32 (n,); items that the edit leaves alone keep theirs."""
        unit = unit_query(query, self.d)
        if isinstance(self._baseline, PartIndex):
            scores = self._engine.scores(unit, self._edit, self._baseline.whole.scores(query))
            return scores[self._baseline.rows]
        return self._engine.scores(unit, self._edit, self._baseline.scores(query))

    def search(self, query: np.ndarray, k: int) -> Ranking:
        """The k items most similar to the query (d,); see `FlatIndex.search`."""
        if isinstance(self._baseline, PartIndex):
            return best_ranking(self.scores(query), k)
        return self._engine.search(unit_query(query, self.d), k, self._edit, self._baseline.scores(query))

    def unit_at(self, rows: np.ndarray | slice) -> np.ndarray:
        """Some of the edited unit rows, float32 (m, d)."""
        unit = np.array(self._baseline.unit_at(rows))
        rows = np.arange(*rows.indices(self.n)) if isinstance(rows, slice) else rows
        rows = self._baseline.rows[rows] if isinstance(self._baseline, PartIndex) else rows
        changed = self._engine.edited(self._edit).changes(rows)
        unit[changed] = unit_rows(INTERVENTIONS.get("neuron-edit")()(self._material.at(rows[changed]), self._edit))
        return unit

    @property
    def unit(self) -> np.ndarray:
        """The edited unit rows, for whoever needs more than scores; kept where the baseline keeps its own."""
        if self._unit is not None:
            return self._unit
        unit = self.unit_at(np.arange(self.n))
        if isinstance(self._baseline, FlatIndex):
            self._unit = unit
        return unit


def live_items(
    engine: LiveEngine,
    material: Material,
    baseline: Items,
    edit: Edit,
    digest: str,
    progress: Progress | None = None,
) -> Items:
    """The items after a neuron edit; rows that it leaves alone keep their unit embedding and their scores."""
    live, index = engine.edited(edit, progress), baseline.index
    rows, cosines = engine.on.get(live.rows), engine.on.get(live.cosines)
    if isinstance(index, PartIndex):
        place = np.minimum(np.searchsorted(index.rows, rows), index.n - 1)
        inside = index.rows[place] == rows
        rows, cosines = place[inside], cosines[inside]
    if not len(rows):
        return Items(index, rows, np.zeros(0), baseline.digest)
    return Items(LiveIndex(engine, edit, index, material), rows, cosines, digest)
