"""Step 2: from words, or an embedding, to queries as interventions see them, with every mismatch refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.config import UNKNOWN, Attach, Edit, InputError, NothingLeft
from core.gallery import Gallery
from core.interventions import INTERVENTIONS, QUERY_ROLES, Material
from core.interventions.base import NO_EDIT, ROLE_WORDS, lacking
from core.ranking.fitting import Fitter
from core.ranking.items import encode
from core.ranking.request import RankRequest
from core.scene import Scene, text_embeddings


@dataclass(frozen=True, eq=False)
class Queries:
    """One or more queries as an intervention sees them: rows of the text side."""

    material: Material
    fitter: Fitter
    notes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ("the query",)
    """What each query is called."""

    def asked_by(self, request: RankRequest) -> "Queries":
        """The same queries under another edit of the same method and sides."""
        return replace(self, fitter=Fitter(self.fitter.scene, request))

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


def embed_query(scene: Scene, request: RankRequest) -> Queries:
    """The request's query, from words or from the embedding that was given."""
    if request.query_embedding is None:
        return embed_texts(scene, request, [request.query or ""])
    pooled = np.asarray(request.query_embedding, dtype=np.float32)[None]
    fitter = Fitter(scene, request)
    if not reads_codes(scene.gallery, request):
        return Queries(Material("text", pooled), fitter)
    return _editable({"pooled": pooled}, fitter, ())


def embed_texts(scene: Scene, request: RankRequest, texts: Sequence[str]) -> Queries:
    """Queries in words with what the request's method reads of them: codes, paraphrases, what they say of groups."""
    fitter = Fitter(scene, request)
    codes = reads_codes(scene.gallery, request)
    attaches: tuple[Attach, ...] = ("pooled",)
    if codes and "text" in scene.saes and scene.saes["text"].attach == "residual":
        attaches = ("pooled", "residual")
    rows, notes = text_embeddings(scene, texts, attaches)
    queries = _editable(rows, fitter, notes) if codes else Queries(Material("text", rows["pooled"]), fitter, notes)
    queries = replace(queries, texts=tuple(texts))
    return _with_companions(queries, texts, rows[attaches[-1]])


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
            companions = [fitter.companions(role, text) for text in texts]
            embedded = [text_embeddings(fitter.scene, of_one, attaches)[0] for of_one in companions]
        except InputError as error:
            if role in method.needs.prompts:
                raise InputError(f"{fitter.request.method}: {lacking(role, str(error))}") from None
            notes.append(f"{fitter.request.method} did without {ROLE_WORDS[role]}: {error}")
            continue
        rows[role] = tuple(one[at] for one in embedded)
    if "paraphrases" in rows:
        # the first paraphrase is the query: exactly its row, however it was batched
        rows["paraphrases"] = tuple(
            np.concatenate([query[None], others[1:]]) for query, others in zip(x, rows["paraphrases"], strict=True)
        )
    material = replace(queries.material, paraphrases=rows.get("paraphrases"), augmented=rows.get("augmented"))
    return replace(queries, material=material, notes=tuple(notes))


def _editable(texts: dict[Attach, np.ndarray], fitter: Fitter, notes: tuple[str, ...]) -> Queries:
    """Queries with their codes; refuses a text SAE of another model."""
    scene, request = fitter.scene, fitter.request
    sae_file, model = scene.sae("text"), scene.model
    attach = sae_file.attach or "pooled"
    if attach not in texts:
        raise InputError(
            f"the text SAE {sae_file.name!r} edits the {attach} attach point, which a query embedding does not hold; "
            "give the query in words or use a text SAE of the pooled attach point"
        )
    if model is not None and request.query is not None:
        fingerprint = model.fingerprint("text", attach)
    else:
        fingerprint = replace(scene.gallery.fingerprint("pooled"), side="text", preprocess=UNKNOWN, normalised=None)
    unsure = sae_file.require(fingerprint, "the query")
    if unsure:
        notes = (*notes, f"could not compare {', '.join(unsure)} of the text SAE {sae_file.name} and the query")
    readout = model.readout("text") if model is not None and attach == "residual" else None
    codes = encode(texts[attach], sae_file)
    material = Material("text", texts["pooled"], attach, texts[attach], codes, sae_file.sae, readout)
    return Queries(material, fitter, notes)
