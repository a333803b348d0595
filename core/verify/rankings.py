"""Every ranking again, in float64 and by formulas of their own: who is retrieved is not taken from the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sparse

from core.audit.bench import Bench
from core.audit.evidence import Edits, Ranked, arms_of, request_for
from core.audit.material import embed_texts, sae_of, select_part
from core.audit.ranking import intervene
from core.audit.results import Part
from core.audit.sources import Sources
from core.audit.spec import AuditSpec
from core.config import Edit, Side

TIE = 5e-6
"""Cosines this close are a tie: float32 rounds a cosine of some hundred columns to about 1e-6."""
COSINE = 1e-5
"""Largest difference of a mean cosine that rounding explains."""
EXACT = ("identity", "neuron-edit", "reconstruction-only")
"""Methods that this module knows by formula; others are carried out again by the method itself."""


@dataclass(eq=False)
class Rankings:
    """Checks recorded rankings against the embeddings, arm by arm."""

    spec: AuditSpec
    sources: Sources
    bench: Bench
    _units: dict[Any, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    _codes: dict[str, sparse.csr_matrix] = field(default_factory=dict)

    def differences(self, attribute: str, prompt: str, edits: Edits, recorded: Ranked, controlled: bool) -> list[str]:
        """One line for each arm whose ranking, cosine or number of changed rows is not what the embeddings give."""
        request = request_for(self.spec, attribute, prompt, edits)
        part = select_part(self.sources.gallery, request, self.bench)
        arms = arms_of(self.spec, self.sources, part, request, controlled, self.bench)
        where = f"{attribute} | {prompt}"
        if tuple(name for name, _, _ in arms) != recorded.arms:
            return [f"{where}: the arms are {', '.join(recorded.arms)}; expected {', '.join(a[0] for a in arms)}"]
        wrong = []
        for at, (name, method, arm_edits) in enumerate(arms):
            unit, cosine = self._items(part, method, arm_edits)
            scores = unit @ self._query(prompt, attribute, method, arm_edits)
            line = not_ranked(recorded.rows[at], scores)
            if line:
                wrong.append(f"{where} | {name}: {line}")
            if abs(float(cosine.mean()) - recorded.cosine[at]) > COSINE:
                wrong.append(f"{where} | {name} | cosine: says {recorded.cosine[at]:.7f}, is {cosine.mean():.7f}")
            if abs(float(cosine.std()) - recorded.spread[at]) > COSINE:
                wrong.append(f"{where} | {name} | spread: says {recorded.spread[at]:.7f}, is {cosine.std():.7f}")
        return wrong

    # --- items --------------------------------------------------------------------------------------------------

    def _items(self, part: Part, method: str, edits: Edits) -> tuple[np.ndarray, np.ndarray]:
        """Unit embeddings (n, d) of the searched items under an arm, and their cosines to the original (n,)."""
        side: Side = self.sources.gallery.side
        edit = edits.get(side)
        key = (part.digest, method if edit else "identity", edit.digest if edit else "")
        if key not in self._units:
            plain = unit(self._stored("pooled", part))
            changed = plain if edit is None or method == "identity" else unit(self._edited(part, method, edit, edits))
            self._units[key] = changed, np.einsum("ij,ij->i", plain, changed)
        return self._units[key]

    def _stored(self, attach: str, part: Part) -> np.ndarray:
        return np.asarray(self.sources.gallery.embeddings(attach)[part.rows], dtype=np.float64)

    def _edited(self, part: Part, method: str, edit: Edit, edits: Edits) -> np.ndarray:
        side: Side = self.sources.gallery.side
        if method not in EXACT:
            return self._by_the_method(part, method, edits)
        sae_file = sae_of(side, self.sources.saes)
        attach = sae_file.attach or "pooled"
        x = self._stored(attach, part)
        codes = self.codes(sae_file)[part.rows]
        moved = edited(x, codes, sae_file.sae.arrays(), method, edit)
        if attach == "pooled":
            return moved
        readout = self.sources.gallery.readout()
        same = (moved == x).all(axis=1)[:, None]
        return np.where(same, self._stored("pooled", part), readout(moved))

    def _by_the_method(self, part: Part, method: str, edits: Edits) -> np.ndarray:
        request = replace(request_for(self.spec, self.spec.attributes[0], self.spec.prompts[0], edits), method=method)
        gallery, texts, saes = self.sources.gallery, self.sources.texts, self.sources.saes
        queries = embed_texts([self.spec.prompts[0]], gallery, request, texts, saes, self.bench)
        items, _ = intervene(gallery, part, queries, request, method, saes, self.bench)
        return items.index.unit.astype(np.float64)

    def codes(self, sae_file: Any) -> sparse.csr_matrix:
        """The stored codes that the audit used, or those of the numpy rule where the gallery stores none."""
        if sae_file.digest not in self._codes:
            stored = self.sources.gallery.codes(sae_file.digest)
            if stored is not None:
                self._codes[sae_file.digest] = stored.csr
            else:
                x = np.asarray(self.sources.gallery.embeddings(sae_file.attach or "pooled"), dtype=np.float32)
                self._codes[sae_file.digest] = sparse.csr_matrix(sae_file.sae.encode(x))
        return self._codes[sae_file.digest]

    # --- queries ------------------------------------------------------------------------------------------------

    def _query(self, prompt: str, attribute: str, method: str, edits: Edits) -> np.ndarray:
        """Unit embedding (d,) of the prompt under an arm; text edits change it where the gallery holds pictures."""
        gallery, texts = self.sources.gallery, self.sources.texts
        request = request_for(self.spec, attribute, prompt, edits)
        queries = embed_texts([prompt], gallery, request, texts, self.sources.saes, self.bench)
        edit = edits.get("text") if gallery.side == "image" else None
        if edit is None or method not in EXACT[1:]:
            return unit(np.asarray(queries.vectors(method, edit), dtype=np.float64))[0]
        material, sae_file = queries.material, sae_of("text", self.sources.saes)
        x = np.asarray(material.x, dtype=np.float64)
        moved = edited(x, sparse.csr_matrix(sae_file.sae.encode(x)), sae_file.sae.arrays(), method, edit)
        if material.attach == "residual":
            moved = np.where((moved == x).all(axis=1)[:, None], material.pooled, material.readout(moved))
        return unit(moved)[0]


def edited(
    x: np.ndarray, codes: sparse.csr_matrix, weights: Mapping[str, np.ndarray], method: str, edit: Edit
) -> np.ndarray:
    """x' (n, d) in float64 of neuron editing or of the reconstruction alone; see `core.config.Edit`."""
    z, W_dec = np.asarray(codes.toarray(), dtype=np.float64), weights["W_dec"].astype(np.float64)
    switched = list(edit.neurons) if method == "neuron-edit" else []
    change = np.zeros_like(x)
    if switched:
        change = (edit.strength * (z[:, switched] - edit.gamma)) @ W_dec[switched]
    if method == "neuron-edit" and edit.form == "error-preserving":
        return x - change
    alpha = edit.alpha if edit.form == "blend" else 1.0
    return alpha * (z @ W_dec + weights["b_dec"].astype(np.float64) - change) + (1 - alpha) * x


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length one, float64."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def not_ranked(rows: np.ndarray, scores: np.ndarray, tie: float = TIE) -> str | None:
    """Why `rows` are not the first rows by falling score, or None where they are, ties within `tie` allowed."""
    if len(rows) != len(set(rows.tolist())) or rows.min(initial=0) < 0 or rows.max(initial=0) >= len(scores):
        return "the ranking holds a row twice, or one that was not searched"
    own = scores[rows]
    falls = np.diff(own) <= tie
    if not falls.all():
        at = int(np.argmin(falls)) + 1
        return f"rank {at + 1} has score {own[at]:.7f}, more than rank {at} with {own[at - 1]:.7f}"
    out = np.ones(len(scores), dtype=bool)
    out[rows] = False
    if out.any() and float(scores[out].max()) > float(own.min()) + tie:
        return f"a row with score {scores[out].max():.7f} is missing above the last one's {own.min():.7f}"
    return None


def wrong_codes(sources: Sources, rows: np.ndarray, tolerance: float = 1e-4, block: int = 2048) -> str | None:
    """Why the stored codes of some rows are not what the SAE gives for the stored embeddings, or None.

    A neuron that is only just above where it begins to fire, by the tolerance, may be on or off.
    """
    sae_file = sources.saes.get(sources.gallery.side)
    stored = sources.gallery.codes(sae_file.digest) if sae_file is not None else None
    if sae_file is None or stored is None:
        return None
    x = sources.gallery.embeddings(sae_file.attach or "pooled")
    for start in range(0, len(rows), block):
        here = rows[start : start + block]
        own = sae_file.sae.encode(np.asarray(x[here], dtype=np.float64))
        kept = stored.csr[here].toarray().astype(np.float64)
        scale = tolerance * max(float(own.max(initial=0.0)), 1e-12)
        off = np.abs(own - kept) > scale
        # one of the two is 0: right where the other has only just begun to fire
        onset = sae_file.sae.onset(own)
        off &= ~(((own == 0) != (kept == 0)) & (np.maximum(own, kept) <= onset + scale))
        if off.any():
            row, neuron = (int(i) for i in np.argwhere(off)[0])
            return f"row {int(here[row])}, neuron {neuron}: the code is {kept[row, neuron]:.6g}, not {own[row, neuron]:.6g}"
    return None
