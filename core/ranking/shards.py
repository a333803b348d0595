"""The searched items held by the workers of a cluster, each with the engine over its own rows; answers merged here."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.config import Edit
from core.interventions import Material
from core.ranking.items import Items, editable_at, encode, is_large
from core.ranking.live_items import live_engine, live_items
from core.ranking.rows import Part
from core.retrieval import FlatIndex, LiveEngine, Ranking, StoredIndex
from core.retrieval.shards import ShardedIndex
from core.saes.frozen import FrozenFile
from core.scene import Scene
from core.units import unit_rows

if TYPE_CHECKING:
    from core.cluster import Cluster, Held
    from core.saes.checkpoint import SAEFile


class Shard:
    """Some rows of a gallery in a worker: what a search here asks of all rows, asked of these."""

    def __init__(
        self, path: Path, digest: str, rows: np.ndarray, sae_file: "SAEFile | FrozenFile | None", number: int
    ) -> None:
        from core.gallery.spreading import gallery_there

        gallery = gallery_there(path, digest)
        self._gallery, self._sae_file, self._number = gallery, sae_file, number
        at = slice(int(rows[0]), int(rows[-1]) + 1)
        self._at = at if at.stop - at.start == len(rows) else rows  # consecutive rows stay where they are mapped
        pooled = gallery.embeddings("pooled")[self._at]
        index = StoredIndex(pooled) if is_large(gallery) else FlatIndex(unit_rows(pooled))
        nothing = np.zeros(0)
        self._baseline = Items(index, nothing.astype(np.int64), nothing, "")
        self._edited: dict[str, Items] = {}

    @cached_property
    def _editable(self) -> tuple[LiveEngine, Material]:
        """The engine over the rows, made at the first edit."""
        gallery, at, sae_file = self._gallery, self._at, self._sae_file
        assert sae_file is not None, "an edit names neurons of an SAE"
        attach, pooled = editable_at(gallery, sae_file), gallery.embeddings("pooled")[at]
        x = pooled if attach == "pooled" else gallery.embeddings(attach)[at]
        stored = gallery.codes(sae_file.digest)
        by_row = encode(x, sae_file) if stored is None else stored.csr[at]
        readout = gallery.readout() if attach == "residual" else None
        material = Material(gallery.side, pooled, attach, x, by_row.tocsc(), sae_file.sae, readout, by_row=by_row)
        kept = None if stored is None or stored.sums is None else stored.sums[:, at]
        return live_engine(material, self._baseline.index, kept), material

    def items(self, edit: Edit | None) -> Items:
        """The items without and with an edit; the last one is remembered."""
        if edit is None:
            return self._baseline
        if edit.digest not in self._edited:
            self._edited = {edit.digest: live_items(*self._editable, self._baseline, edit, edit.digest)}
        return self._edited[edit.digest]

    def changed(self, edit: Edit | None) -> tuple[np.ndarray, np.ndarray]:
        """Places of the rows that the edit changes, and their cosines before and after."""
        items = self.items(edit)
        return items.changed, items.cosines

    def search(self, edit: Edit | None, query: np.ndarray, k: int) -> Ranking:
        index = self.items(edit).index
        return index.search(query, min(k, index.n))

    def scores(self, edit: Edit | None, query: np.ndarray) -> np.ndarray:
        return self.items(edit).index.scores(query)

    def unit_at(self, edit: Edit | None, rows: list[np.ndarray]) -> np.ndarray:
        """Of the rows that were asked of each shard, this one's."""
        return self.items(edit).index.unit_at(rows[self._number])


class Shards:
    """The items of a part, spread over workers."""

    def __init__(self, held: "Held", sizes: list[int], d: int) -> None:
        self._held, self._sizes, self._d = held, sizes, d

    def items(self, edit: Edit | None, digest: str) -> Items:
        """What `baseline_items` and `live_items` give, asked of the workers."""
        starts = np.cumsum([0, *self._sizes[:-1]])
        places, cosines = zip(*self._held.ask("changed", edit), strict=True)
        changed = np.concatenate([own + start for own, start in zip(places, starts, strict=True)])
        index = ShardedIndex(lambda method, *asked: self._held.ask(method, edit, *asked), self._sizes, self._d)
        return Items(index, changed, np.concatenate(cosines), digest)


@contextmanager
def spread(cluster: "Cluster | None", scene: Scene, part: Part) -> Iterator[Shards | None]:
    """The part's items on the workers of a cluster, until the context ends; None where there is no cluster.

    Workers open the gallery themselves, whose folder must be there for all of them, under the same path.
    """
    if cluster is None:
        yield None
        return
    gallery, sae_file = scene.gallery, scene.saes.get(scene.gallery.side)
    pieces = np.array_split(part.rows, min(cluster.at_once(), part.n))
    recipe = partial(Shard, gallery.path.absolute(), gallery.digest)
    recipes = [partial(recipe, rows, sae_file, number) for number, rows in enumerate(pieces)]
    with cluster.holding(recipes) as held:
        yield Shards(held, [len(rows) for rows in pieces], gallery.embeddings("pooled").shape[1])
