"""Searched items under a neuron edit, answered by the live engine instead of a new index."""

from functools import cached_property

import numpy as np

from core.audit.material import Items
from core.config import Edit
from core.gallery import unit_rows
from core.interventions import INTERVENTIONS, Material
from core.retrieval import FlatIndex, LiveEngine, Ranking, best_rows, unit_query


def live_engine(material: Material) -> LiveEngine:
    """The engine over the items of a material with codes."""
    codes, arrays = material.require_codes(), material.sae.arrays()
    residual = material.attach == "residual"
    return LiveEngine(
        material.x,
        codes,
        arrays["W_dec"],
        arrays["b_dec"],
        material.pooled if residual else None,
        material.readout if residual else None,
    )


class LiveIndex:
    """What a flat index over the edited items would answer, from the engine and the index of the unedited ones."""

    def __init__(self, engine: LiveEngine, edit: Edit, baseline: FlatIndex, material: Material) -> None:
        self._engine, self._edit, self._baseline, self._material = engine, edit, baseline, material
        self.n, self.d = baseline.n, baseline.d
        self.nbytes = baseline.nbytes  # what `unit` will take if somebody asks for it

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Cosine of every item with the query, float32 (n,); items that the edit leaves alone keep theirs."""
        return self._engine.scores(unit_query(query, self.d), self._edit, self._baseline.scores(query))

    def search(self, query: np.ndarray, k: int) -> Ranking:
        scores = self.scores(query)
        rows = best_rows(scores, k)
        return Ranking(rows, scores[rows])

    @cached_property
    def unit(self) -> np.ndarray:
        """The edited unit rows themselves, for whoever needs more of them than scores."""
        changed = self._engine.edited(self._edit).rows
        unit = np.array(self._baseline.unit)
        unit[changed] = unit_rows(INTERVENTIONS.get("neuron-edit")()(self._material, self._edit)[changed])
        return unit


def live_items(engine: LiveEngine, material: Material, baseline: Items, edit: Edit, digest: str) -> Items:
    """The items after a neuron edit; rows that it leaves alone keep their unit embedding and their scores."""
    live = engine.edited(edit)
    if not len(live.rows):
        return Items(baseline.index, live.rows, np.zeros(0), baseline.digest)
    return Items(LiveIndex(engine, edit, baseline.index, material), live.rows, live.cosines, digest)
