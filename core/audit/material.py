"""From a request to what interventions work on: searched rows, the query, the items, with every mismatch refused."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from core.audit.bench import Bench
from core.audit.request import RankRequest
from core.audit.results import Part
from core.config import UNKNOWN, Attach, Edit, InputError, Side, digest_of
from core.gallery import Gallery, unit_rows
from core.interventions import INTERVENTIONS, Material
from core.metrics import target_distribution
from core.retrieval import FlatIndex
from core.store import array_digest

if TYPE_CHECKING:
    from core.backbones.base import Backbone
    from core.saes.checkpoint import SAEFile

SAEs = Mapping[Side, "SAEFile"]


@dataclass(frozen=True, eq=False)
class Queries:
    """One or more queries as an intervention sees them: rows of the text side."""

    material: Material
    notes: tuple[str, ...] = ()

    def vectors(self, method: str, edit: Edit | None) -> np.ndarray:
        """Pooled embeddings (n, d) after the intervention; the stored ones where there is no edit."""
        if edit is None or method == "identity":
            return np.asarray(self.material.pooled)
        return INTERVENTIONS.get(method)()(self.material, edit)


@dataclass(frozen=True, eq=False)
class Items:
    """The searched items of one arm, ready to be searched."""

    index: FlatIndex
    changed: np.ndarray
    """Places (m,) of the searched rows whose embedding the edit changes."""
    cosines: np.ndarray
    """Cosine before and after of the changed rows (m,)."""
    digest: str

    @property
    def nbytes(self) -> int:
        return self.index.nbytes + self.changed.nbytes + self.cosines.nbytes

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
    return Part(rows, digest, groups, place[numbers], tuple(counts[present].tolist()), target, absent)


# ------------------------------------------------------------------------------------------ step 2: the query


def embed_query(
    gallery: Gallery, request: RankRequest, backbone: "Backbone | None", saes: SAEs, bench: Bench
) -> Queries:
    """The request's query, from words or from the embedding that was given."""
    if request.query_embedding is None:
        return embed_texts([request.query or ""], gallery, request, backbone, saes, bench)
    pooled = np.asarray(request.query_embedding, dtype=np.float32)[None]
    if not edits_queries(gallery, request):
        return Queries(Material("text", pooled))
    return _editable({"pooled": pooled}, gallery, request, None, saes, ())


def embed_texts(
    texts: Sequence[str],
    gallery: Gallery,
    request: RankRequest,
    backbone: "Backbone | None",
    saes: SAEs,
    bench: Bench,
) -> Queries:
    """Queries in words and, where the request has a text SAE edit them, their codes at the SAE's attach point."""
    edited = edits_queries(gallery, request)
    attaches: tuple[Attach, ...] = ("pooled",)
    if edited and "text" in saes and saes["text"].attach == "residual":
        attaches = ("pooled", "residual")
    found, notes = _text_embeddings(texts, attaches, gallery, backbone, bench)
    if not edited:
        return Queries(Material("text", found["pooled"]), notes)
    return _editable(found, gallery, request, backbone, saes, notes)


def edits_queries(gallery: Gallery, request: RankRequest) -> bool:
    """Whether the request edits queries; those of a caption gallery never are: there a text SAE edits the items."""
    return gallery.side == "image" and "text" in request.edits


def query_embedding(text: str, backbone: "Backbone | None", gallery: Gallery) -> np.ndarray:
    """Embedding (d,) of a prompt for searching this gallery, un-normalised where the model gives it so.

    From the backbone where it is the gallery's model, else from the gallery's known prompts.
    InputError that names near prompts where neither knows it.
    """
    return _text_embeddings([text], ("pooled",), gallery, backbone, Bench())[0]["pooled"][0]


def _text_embeddings(
    texts: Sequence[str],
    attaches: tuple[Attach, ...],
    gallery: Gallery,
    backbone: "Backbone | None",
    bench: Bench,
) -> tuple[dict[Attach, np.ndarray], tuple[str, ...]]:
    """Embeddings (n, d) of texts at each attach point, and warnings about them."""
    refusal = None
    if backbone is not None:
        try:
            unsure = _same_model(gallery, backbone)
        except InputError as error:
            refusal = str(error)
        else:
            key = ("texts", backbone.weights_digest, digest_of([list(texts), *attaches]))
            found = bench.remember(key, lambda: backbone.encode_texts(list(texts), attaches))
            notes = [note for text in texts for note in _about_words(text, backbone)]
            if unsure:
                notes.append(f"could not compare {', '.join(unsure)} of the text model and gallery {gallery.name}")
            return found, tuple(dict.fromkeys(notes))
    known = [gallery.prompt_embedding(text) for text in texts]
    strange = [text for text, row in zip(texts, known, strict=True) if row is None]
    if attaches == ("pooled",) and not strange:
        return {"pooled": np.stack(known)}, ()
    raise InputError(refusal or _cannot_embed(strange, attaches, gallery))


def _same_model(gallery: Gallery, backbone: "Backbone") -> list[str]:
    """Names of what could not be compared; InputError where the text model is not the gallery's model.

    Treatment of the items (normalised, preprocessing) does not concern the query: scores are cosines.
    """
    neutral = {"normalised": None, "preprocess": UNKNOWN}
    mine = replace(backbone.fingerprint(gallery.side, "pooled"), **neutral)
    theirs = replace(gallery.fingerprint("pooled"), **neutral)
    unsure = mine.require_match(theirs, f"the text model {backbone.name!r}", f"gallery {gallery.name!r}")
    return [name for name in unsure if name not in neutral]


def _about_words(text: str, backbone: "Backbone") -> list[str]:
    notes = []
    unknown = backbone.unknown_words(text)
    if unknown:
        notes.append(f"the model does not know: {', '.join(unknown)}; the ranking ignores what these words mean")
    if backbone.truncated(text):
        notes.append("the query is longer than the model reads; its end is cut off")
    return notes


def _cannot_embed(strange: list[str], attaches: tuple[Attach, ...], gallery: Gallery) -> str:
    if not gallery.prompts:
        return f"no text model is loaded and gallery {gallery.name} has no known prompts; load the gallery's model"
    if not strange:
        return (
            "the embeddings of known prompts are known at the pooled attach point only, and the text SAE edits "
            f"{attaches[-1]}; load the gallery's model"
        )
    prompts = list(gallery.prompts)
    near = difflib.get_close_matches(strange[0], prompts, n=5, cutoff=0.3) or prompts[:5]
    return f"no text model is loaded and {strange[0]!r} is not among the known prompts; near ones: {'; '.join(near)}"


def _editable(
    texts: dict[Attach, np.ndarray],
    gallery: Gallery,
    request: RankRequest,
    backbone: "Backbone | None",
    saes: SAEs,
    notes: tuple[str, ...],
) -> Queries:
    """Queries with their codes; refuses a text SAE of another model."""
    if not INTERVENTIONS.get(request.method).needs_sae:
        return Queries(Material("text", texts["pooled"]), notes)
    sae_file = sae_of("text", saes)
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
    return Queries(Material("text", texts["pooled"], attach, texts[attach], codes, sae_file.sae, readout), notes)


# ------------------------------------------------------------------------------------------ step 3: the items


def item_material(gallery: Gallery, part: Part, sae_file: "SAEFile | None", bench: Bench) -> Material:
    """The searched items as an intervention sees them; refuses an SAE that was made for other embeddings."""
    whole = part.n == gallery.n
    pooled = gallery.embeddings("pooled") if whole else gallery.embeddings("pooled")[part.rows]
    if sae_file is None:
        return Material(gallery.side, pooled)
    attach = sae_file.attach or "pooled"
    if not gallery.has(attach):
        raise InputError(
            f"the SAE {sae_file.name!r} edits the {attach} attach point, which gallery {gallery.name!r} does not "
            f"hold; use an SAE of another attach point or build the gallery with --attach pooled,{attach}"
        )
    sae_file.require(gallery.fingerprint(attach), f"gallery {gallery.name!r}")

    def make() -> Material:
        x = gallery.embeddings(attach) if whole else gallery.embeddings(attach)[part.rows]
        stored = gallery.codes(sae_file.digest)
        if stored is None:
            codes = encode(x, sae_file).tocsc()
        else:
            codes = stored.csc if whole else stored.csr[part.rows].tocsc()
        readout = gallery.readout() if attach == "residual" else None
        return Material(gallery.side, pooled, attach, x, codes, sae_file.sae, readout)

    return bench.remember(("material", part.digest, sae_file.digest, attach), make)


def baseline_items(gallery: Gallery, part: Part, bench: Bench) -> Items:
    """The items as they are stored."""

    def make() -> Items:
        whole = part.n == gallery.n
        unit = gallery.unit() if whole else gallery.unit(part.rows)
        nothing = np.zeros(0)
        return Items(FlatIndex(unit), nothing.astype(np.int64), nothing, part.digest)

    return bench.remember(("items", part.digest), make)


def edited_items(material: Material, baseline: Items, method: str, edit: Edit, digest: str) -> Items:
    """The items after an intervention; rows that it leaves alone keep their unit embedding bit by bit."""
    with np.errstate(over="ignore", invalid="ignore"):  # said in words below
        edited = INTERVENTIONS.get(method)()(material, edit)
    if not np.isfinite(edited).all():
        raise InputError(
            f"the edit (gamma {edit.gamma:g}) gives embeddings that are not finite; choose a smaller gamma"
        )
    changed = np.flatnonzero((edited != material.pooled).any(axis=1))
    if not len(changed):
        return Items(baseline.index, changed, np.zeros(0), baseline.digest)
    unit = np.array(baseline.index.unit)
    moved = unit_rows(edited[changed])
    cosines = np.einsum("ij,ij->i", moved, unit[changed])
    unit[changed] = moved
    return Items(FlatIndex(unit), changed, cosines, digest)


# ------------------------------------------------------------------------------------------------------- SAEs


def sae_of(side: Side, saes: SAEs) -> "SAEFile":
    """The SAE given for a side; InputError where there is none or it belongs to the other side."""
    if side not in saes:
        raise InputError(f"neurons of the {side} side are to be switched, but no {side} SAE was given; choose one")
    sae_file = saes[side]
    if sae_file.side not in (None, side):
        raise InputError(
            f"the SAE {sae_file.name!r} belongs to the {sae_file.side} side; choose one of the {side} side"
        )
    return sae_file


def encode(x: np.ndarray, sae_file: "SAEFile"):
    """Codes (n, F) of embeddings, as a sparse matrix by rows."""
    from core.neurons import encode_rows

    return encode_rows(x, sae_file.sae)
