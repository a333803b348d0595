"""From a request to what interventions work on: searched rows, the query, the items, with every mismatch refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sparse

from core.config import UNKNOWN, Attach, Edit, InputError, NothingLeft, digest_of
from core.gallery import Gallery
from core.interventions import INTERVENTIONS, QUERY_ROLES, Material
from core.interventions.base import NO_EDIT, ROLE_WORDS, lacking
from core.metrics import target_distribution
from core.ranking.bench import Bench
from core.ranking.evidence import Fitter, SAEs, sae_of
from core.ranking.request import RankRequest
from core.ranking.results import Part
from core.ranking.texts import query_embedding, text_embeddings
from core.retrieval import FlatIndex, Index, LackingIndex, PartIndex, StoredIndex
from core.saes.frozen import FrozenSAE
from core.store import array_digest
from core.units import unit_rows

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.saes.checkpoint import SAEFile

__all__ = ["SAEs", "query_embedding", "sae_of"]

ROWS_AT_ONCE = 4096
"""Rows that are encoded together where it is done without torch: 4,096 x 16,384 float64 are 512 MB."""


INDEX_BYTES = 1 << 28
"""Unit rows (float32) up to this size are copied into an index (130,000 x 512); larger galleries are searched as they
are stored, with no copy of them in memory."""


@dataclass(frozen=True, eq=False)
class Queries:
    """One or more queries as an intervention sees them: rows of the text side."""

    material: Material
    fitter: Fitter
    notes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ("the query",)
    """What each query is called."""

    def vectors(self, method: str, edit: Edit | None) -> np.ndarray:
        """Pooled embeddings (n, d) after the intervention; the stored ones where it leaves queries alone.

        A method that edits chosen neurons does so where there is an edit. NothingLeft names the queries of which the
        method leaves nothing: there is nothing that they would be nearest to.
        """
        found = INTERVENTIONS.get(method)()
        if found.changes == "items" or (found.changes == "edit" and edit is None):
            return np.asarray(self.material.pooled)
        after = found(self.material, edit or NO_EDIT, self.fitter(method))
        lost = [text for text, row in zip(self.texts, after, strict=True) if not row.any()]
        if lost:
            raise NothingLeft(found.title, lost)
        return after


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


# ------------------------------------------------------------------------------------------- step 1: the rows


def select_part(gallery: Gallery, request: RankRequest, bench: Bench) -> Part:
    """The searched rows, their groups and the target shares of the part."""
    target = request.target if isinstance(request.target, str) else dict(request.target)
    key = digest_of([gallery.digest, request.half, dict(request.where), request.attribute, target])
    return bench.remember(("part", key), lambda: _select_part(gallery, request))


def _select_part(gallery: Gallery, request: RankRequest) -> Part:
    rows = gallery.rows(request.half, request.where)
    every, numbers = gallery.groups(request.attribute), gallery.group_numbers(request.attribute)[rows]
    counts = np.bincount(numbers[numbers >= 0], minlength=len(every))
    present = np.flatnonzero(counts)
    place = np.full(len(every) + 1, -1, dtype=np.int16)
    place[present] = np.arange(len(present))  # the last entry stays -1: that is where unknown (-1) points
    groups = tuple(every[g] for g in present)
    target = target_distribution(request.target, groups, counts[present].tolist())
    absent = (*(g for g in every if g not in groups), *gallery.empty_cells(request.attribute))
    digest = digest_of([gallery.digest, array_digest(rows)])
    together = gallery.clusters()
    clusters = None if together is None else together[rows]
    return Part(rows, digest, groups, place[numbers], tuple(counts[present].tolist()), target, absent, clusters)


# ------------------------------------------------------------------------------------------ step 2: the query


def embed_query(
    gallery: Gallery, request: RankRequest, backbone: "Backbone | None", saes: SAEs, bench: Bench
) -> Queries:
    """The request's query, from words or from the embedding that was given."""
    if request.query_embedding is None:
        return embed_texts([request.query or ""], gallery, request, backbone, saes, bench)
    pooled = np.asarray(request.query_embedding, dtype=np.float32)[None]
    fitter = Fitter(gallery, request, backbone, saes, bench)
    if not reads_codes(gallery, request):
        return Queries(Material("text", pooled), fitter)
    return _editable({"pooled": pooled}, fitter, ())


def embed_texts(
    texts: Sequence[str],
    gallery: Gallery,
    request: RankRequest,
    backbone: "Backbone | None",
    saes: SAEs,
    bench: Bench,
) -> Queries:
    """Queries in words with what the request's method reads of them: codes, paraphrases, what they say of groups."""
    fitter = Fitter(gallery, request, backbone, saes, bench)
    codes = reads_codes(gallery, request)
    attaches: tuple[Attach, ...] = ("pooled",)
    if codes and "text" in saes and saes["text"].attach == "residual":
        attaches = ("pooled", "residual")
    found, notes = text_embeddings(texts, attaches, gallery, backbone, bench)
    queries = _editable(found, fitter, notes) if codes else Queries(Material("text", found["pooled"]), fitter, notes)
    queries = replace(queries, texts=tuple(texts))
    return _with_companions(queries, texts, found[attaches[-1]])


def edits_queries(gallery: Gallery, request: RankRequest) -> bool:
    """Whether the request edits queries; those of a caption gallery never are: there a text SAE edits the items."""
    return gallery.side == "image" and "text" in request.edits


def reads_codes(gallery: Gallery, request: RankRequest) -> bool:
    """Whether the request's method reads what an SAE finds in the queries."""
    method = INTERVENTIONS.get(request.method)
    return method.needs.sae and (
        method.changes == "query" or (method.changes == "edit" and edits_queries(gallery, request))
    )


def _with_companions(queries: Queries, texts: Sequence[str], x: np.ndarray) -> Queries:
    """The queries with the texts that belong to each of them, embedded query by query.

    One query at a time, so that its numbers do not depend on the others. What a method can do without is left out
    where it cannot be embedded, and said in a note.
    """
    fitter, notes = queries.fitter, list(queries.notes)
    method = INTERVENTIONS.get(fitter.request.method)
    attaches = fitter.attaches(method)
    rows: dict[str, tuple[np.ndarray, ...]] = {}
    for role in (r for r in (*method.needs.prompts, *method.needs.wanted) if r in QUERY_ROLES):
        at = attaches[-1] if role == "paraphrases" else "pooled"
        try:
            said = [fitter.companions(role, text) for text in texts]
            embedded = [text_embeddings(s, (*attaches,), fitter.gallery, fitter.backbone, fitter.bench) for s in said]
        except InputError as error:
            if role in method.needs.prompts:
                raise InputError(f"{fitter.request.method}: {lacking(role, str(error))}") from None
            notes.append(f"{fitter.request.method} did without {ROLE_WORDS[role]}: {error}")
            continue
        rows[role] = tuple(found[at] for found, _ in embedded)
    if "paraphrases" in rows:
        # the first paraphrase is the query: exactly its row, however it was batched
        rows["paraphrases"] = tuple(
            np.concatenate([own[None], more[1:]]) for own, more in zip(x, rows["paraphrases"], strict=True)
        )
    return replace(queries, material=replace(queries.material, **rows), notes=tuple(notes))


def _editable(texts: dict[Attach, np.ndarray], fitter: Fitter, notes: tuple[str, ...]) -> Queries:
    """Queries with their codes; refuses a text SAE of another model."""
    gallery, backbone, request = fitter.gallery, fitter.backbone, fitter.request
    sae_file = sae_of("text", fitter.saes)
    attach = sae_file.attach or "pooled"
    if attach not in texts:
        raise InputError(
            f"the text SAE {sae_file.name!r} edits the {attach} attach point, which a query embedding does not hold; "
            "give the query in words or use a text SAE of the pooled attach point"
        )
    if backbone is not None and request.query is not None:
        fingerprint = backbone.fingerprint("text", attach)
    else:
        fingerprint = replace(gallery.fingerprint("pooled"), side="text", preprocess=UNKNOWN, normalised=None)
    unsure = sae_file.require(fingerprint, "the query")
    if unsure:
        notes = (*notes, f"could not compare {', '.join(unsure)} of the text SAE {sae_file.name} and the query")
    readout = backbone.readout("text") if backbone is not None and attach == "residual" else None
    codes = encode(texts[attach], sae_file)
    material = Material("text", texts["pooled"], attach, texts[attach], codes, sae_file.sae, readout)
    return Queries(material, fitter, notes)


# ------------------------------------------------------------------------------------------ step 3: the items


def item_material(gallery: Gallery, part: Part, sae_file: "SAEFile | None", bench: Bench) -> Material:
    """The searched items as an intervention sees them; refuses an SAE that was made for other embeddings."""
    whole = part.n == gallery.n
    pooled = gallery.embeddings("pooled") if whole else gallery.embeddings("pooled")[part.rows]
    if sae_file is None:
        return Material(gallery.side, pooled)
    attach = editable_at(gallery, sae_file)

    def make() -> Material:
        x = pooled
        if attach != "pooled":
            x = gallery.embeddings(attach) if whole else gallery.embeddings(attach)[part.rows]
        stored = gallery.codes(sae_file.digest)
        by_row = encode(x, sae_file) if stored is None else stored.csr if whole else stored.csr[part.rows]
        codes = stored.csc if stored is not None and whole else by_row.tocsc()
        readout = gallery.readout() if attach == "residual" else None
        return Material(gallery.side, pooled, attach, x, codes, sae_file.sae, readout, by_row=by_row)

    return bench.remember(("material", part.digest, sae_file.digest, attach), make)


def editable_at(gallery: Gallery, sae_file: "SAEFile") -> Attach:
    """Where the SAE edits the gallery's items; InputError where it was made for other embeddings."""
    attach = sae_file.attach or "pooled"
    if not gallery.has(attach):
        raise InputError(
            f"the SAE {sae_file.name!r} edits the {attach} attach point, which gallery {gallery.name!r} does not "
            f"hold; use an SAE of another attach point or build the gallery with --attach pooled,{attach}"
        )
    sae_file.require(gallery.fingerprint(attach), f"gallery {gallery.name!r}")
    return attach


def part_codes(gallery: Gallery, part: Part, sae_file: "SAEFile", bench: Bench) -> sparse.spmatrix:
    """Codes (n, F) of the searched items; of a part of a large gallery they alone are copied."""
    wide = engine_part(gallery, part)
    material = item_material(gallery, wide, sae_file, bench)
    if wide is part:
        return material.require_codes()
    key = ("codes", part.digest, sae_file.digest)
    return bench.remember(key, lambda: material.codes_by_row[part.rows].tocsc())


def baseline_items(gallery: Gallery, part: Part, bench: Bench) -> Items:
    """The items as they are stored."""

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
    """
    with np.errstate(over="ignore", invalid="ignore"):  # said in words below
        edited = INTERVENTIONS.get(method)()(material, edit, fitted)
    refuse_infinite(edited, edit)
    changed = np.flatnonzero((edited != material.pooled).any(axis=1))
    if not len(changed):
        return Items(baseline.index, changed, np.zeros(0), baseline.digest)
    unit = np.array(baseline.index.unit)
    left = edited[changed].any(axis=1)
    moved = np.zeros_like(unit, shape=(len(changed), unit.shape[1]))
    moved[left] = unit_rows(edited[changed[left]])
    cosines = np.einsum("ij,ij->i", moved, unit[changed])
    unit[changed] = moved
    return items_of(FlatIndex(unit), changed, cosines, digest, changed[~left])


def items_of(index: Index, changed: np.ndarray, cosines: np.ndarray, digest: str, lost: np.ndarray) -> Items:
    """Items after a method, without those of which it leaves nothing."""
    return Items(LackingIndex(index, lost) if len(lost) else index, changed, cosines, digest, lost)


def refuse_infinite(edited: np.ndarray, edit: Edit) -> None:
    """InputError where edited embeddings are not finite."""
    if not np.isfinite(edited).all():
        raise InputError(
            f"the edit (gamma {edit.gamma:g}) gives embeddings that are not finite; choose a smaller gamma"
        )


# ------------------------------------------------------------------------------------------------------- SAEs


def encode(x: np.ndarray, sae_file: "SAEFile"):
    """Codes (n, F) of embeddings, as a sparse matrix by rows; without torch where the SAE is a frozen one."""
    if isinstance(sae_file.sae, FrozenSAE):
        blocks = (x[start : start + ROWS_AT_ONCE] for start in range(0, len(x), ROWS_AT_ONCE))
        return sparse.vstack([sparse.csr_matrix(sae_file.sae.encode(block)) for block in blocks], format="csr")
    from core.neurons import encode_rows

    return encode_rows(x, sae_file.sae)
