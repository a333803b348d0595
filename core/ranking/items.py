"""Step 3: the searched items as interventions see them, and what an intervention makes of them."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sparse

from core.config import Attach, Edit, InputError, digest_of
from core.gallery import Gallery
from core.interventions import INTERVENTIONS, Material
from core.ranking.rows import Part
from core.retrieval import FlatIndex, Index, LackingIndex, PartIndex, StoredIndex, blocks
from core.saes.frozen import FrozenFile, FrozenSAE
from core.scene import Scene
from core.units import unit_rows

if TYPE_CHECKING:
    from core.saes.checkpoint import SAEFile

ROWS_AT_ONCE = 4096
"""Rows that are encoded together where it is done without torch: 4,096 x 16,384 float64 are 512 MB."""
EDITED_BYTES = 1 << 26
"""Embeddings (float32) that go through a method at a time, which makes several arrays of their size."""
INDEX_BYTES = 1 << 28
"""Unit rows (float32) up to this size are copied into an index (130,000 x 512); larger galleries are searched as they
are stored, with no copy of them in memory."""


@dataclass(frozen=True, eq=False)
class Items:
    """The searched items of one arm, ready to be searched."""

    index: Index
    changed: np.ndarray
    """Places (m,) of the searched rows whose embedding the edit changes."""
    cosines: np.ndarray
    """Cosine before and after of the changed rows (m,)."""
    digest: str
    lost: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Places (m,) of the searched rows of which the method leaves nothing: their cosine is 0, and no list has them."""

    @property
    def nbytes(self) -> int:
        return self.index.nbytes + self.changed.nbytes + self.cosines.nbytes + self.lost.nbytes

    def require(self, k: int) -> None:
        """InputError where fewer than k rows are left to be ranked."""
        n = self.index.n - len(self.lost)
        if k > n:
            lost = f" ({len(self.lost)} others lie in what the method removes)" if len(self.lost) else ""
            raise InputError(f"k was {k}; expected 1 to {n}, the number of searched rows{lost}: choose a smaller k")

    def note(self, method: str) -> tuple[str, ...]:
        """How many rows the method took away wholly, in one line; nothing where it took none."""
        if not len(self.lost):
            return ()
        title, n = INTERVENTIONS.get(method).title, self.index.n
        return (
            f"{title} leaves nothing of {len(self.lost)} of {n} searched rows: they lie in what it removes and "
            "are not ranked",
        )

    @cached_property
    def mean_cosine(self) -> float:
        """Mean over all searched rows; an unchanged row has 1."""
        return float(1.0 - (1.0 - self.cosines.astype(np.float64)).sum() / self.index.n)

    @property
    def smallest_cosine(self) -> float:
        return float(self.cosines.min()) if len(self.cosines) else 1.0


def item_material(scene: Scene, part: Part, sae_file: "SAEFile | FrozenFile | None") -> Material:
    """The searched items as an intervention sees them; refuses an SAE that was made for other embeddings."""
    gallery = scene.gallery
    whole = part.n == gallery.n

    def rows_of(attach: Attach) -> np.ndarray:
        stored = gallery.embeddings(attach)
        return stored if whole else scene.bench.remember(("rows", part.digest, attach), lambda: stored[part.rows])

    if sae_file is None:
        return Material(gallery.side, rows_of("pooled"))
    attach = editable_at(gallery, sae_file)

    def make() -> Material:
        pooled = rows_of("pooled")
        x = pooled if attach == "pooled" else rows_of(attach)
        stored = gallery.codes(sae_file.digest)
        by_row = encode(x, sae_file) if stored is None else stored.csr if whole else stored.csr[part.rows]
        codes = stored.csc if stored is not None and whole else by_row.tocsc()
        readout = gallery.readout() if attach == "residual" else None
        return Material(gallery.side, pooled, attach, x, codes, sae_file.sae, readout, by_row=by_row)

    return scene.bench.remember(("material", part.digest, sae_file.digest, attach), make)


def editable_at(gallery: Gallery, sae_file: "SAEFile | FrozenFile") -> Attach:
    """Where the SAE edits the gallery's items; InputError where it was made for other embeddings."""
    attach = sae_file.attach or "pooled"
    if not gallery.has(attach):
        raise InputError(
            f"the SAE {sae_file.name!r} edits the {attach} attach point, which gallery {gallery.name!r} does not "
            f"hold; use an SAE of another attach point or build the gallery with --attach pooled,{attach}"
        )
    sae_file.require(gallery.fingerprint(attach), f"gallery {gallery.name!r}")
    return attach


def part_codes(scene: Scene, part: Part) -> sparse.spmatrix:
    """Codes (n, F) of the searched items by their side's SAE; of a part of a large gallery they alone are copied."""
    wide, sae_file = engine_part(scene.gallery, part), scene.sae()
    material = item_material(scene, wide, sae_file)
    if wide is part:
        return material.require_codes()
    key = ("codes", part.digest, sae_file.digest)
    return scene.bench.remember(key, lambda: material.codes_by_row[part.rows].tocsc())


def baseline_items(scene: Scene, part: Part) -> Items:
    """The items as they are stored."""
    gallery, bench = scene.gallery, scene.bench

    def make() -> Items:
        whole, nothing = part.n == gallery.n, np.zeros(0)
        if is_large(gallery):
            stored = bench.remember(("stored", gallery.digest), lambda: StoredIndex(gallery.embeddings("pooled")))
            index: Index = stored if whole else PartIndex(stored, part.rows)
        else:
            index = FlatIndex(gallery.unit() if whole else gallery.unit(part.rows))
        return Items(index, nothing.astype(np.int64), nothing, part.digest)

    return bench.remember(("items", part.digest), make)


def is_large(gallery: Gallery) -> bool:
    """Whether the gallery is searched as it is stored instead of being copied into an index."""
    return gallery.embeddings("pooled").size * 4 > INDEX_BYTES


def engine_part(gallery: Gallery, part: Part) -> Part:
    """The rows on which edits are worked out: the part, or all rows of a large gallery, which need no copy."""
    if part.n == gallery.n or not is_large(gallery):
        return part
    return replace(part, rows=np.arange(gallery.n), digest=digest_of([gallery.digest, "every row"]))


def edited_items(
    material: Material, baseline: Items, method: str, edit: Edit, digest: str, fitted: Any = None
) -> Items:
    """The items of a gallery that has an index of unit rows after an intervention; see `core.ranking.edited_rows` for
    larger ones. Rows that it leaves alone keep their unit embedding bit by bit.

    A method's answer for a row depends on that row alone: many rows go through it block by block.
    """
    parts = blocks(len(material.pooled), material.pooled.shape[1], 4, EDITED_BYTES)
    unit, found = None, []
    for at in parts:
        few = material if len(parts) == 1 else material.at(at)
        with np.errstate(over="ignore", invalid="ignore"):  # said in words below
            edited = INTERVENTIONS.get(method)()(few, edit, fitted)
        refuse_infinite(edited, edit)
        rows = np.flatnonzero((edited != few.pooled).any(axis=1))
        if not len(rows):
            continue
        if unit is None:
            unit = np.array(baseline.index.unit)
        left = edited[rows].any(axis=1)
        moved = np.zeros_like(unit, shape=(len(rows), unit.shape[1]))
        moved[left] = unit_rows(edited[rows[left]])
        rows += at.start
        found.append((rows, np.einsum("ij,ij->i", moved, unit[rows]), rows[~left]))
        unit[rows] = moved
    if unit is None:
        return Items(baseline.index, np.zeros(0, dtype=np.int64), np.zeros(0), baseline.digest)
    changed, cosines, lost = (np.concatenate(one) for one in zip(*found, strict=True))
    return items_of(FlatIndex(unit), changed, cosines, digest, lost)


def items_of(index: Index, changed: np.ndarray, cosines: np.ndarray, digest: str, lost: np.ndarray) -> Items:
    """Items after a method, without those of which it leaves nothing."""
    return Items(LackingIndex(index, lost) if len(lost) else index, changed, cosines, digest, lost)


def refuse_infinite(edited: np.ndarray, edit: Edit) -> None:
    """InputError where edited embeddings are not finite."""
    if not np.isfinite(edited).all():
        raise InputError(
            f"the edit (gamma {edit.gamma:g}) gives embeddings that are not finite; choose a smaller gamma"
        )


def encode(x: np.ndarray, sae_file: "SAEFile | FrozenFile") -> sparse.csr_matrix:
    """Codes (n, F) of embeddings, as a sparse matrix by rows; without torch where the SAE is a frozen one."""
    if isinstance(sae_file.sae, FrozenSAE):
        blocks = (x[start : start + ROWS_AT_ONCE] for start in range(0, len(x), ROWS_AT_ONCE))
        return sparse.vstack([sparse.csr_matrix(sae_file.sae.encode(block)) for block in blocks], format="csr")
    from core.neurons import encode_rows

    return encode_rows(x, sae_file.sae)
