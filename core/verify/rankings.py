"""Every ranking again, in float64 and by formulas of their own: who is retrieved is not taken from the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
import scipy.sparse as sparse

from core.audit.arms import Ranked, arms_of
from core.audit.sources import Sources, request_for
from core.audit.spec import AuditSpec
from core.config import Attach, Edit, NothingLeft
from core.retrieval import Index
from core.saes.frozen import FrozenFile
from core.verify.carried import Edits, Part, RankRequest, items_of, part_of, queries_of, vectors_of

if TYPE_CHECKING:
    from core.saes.checkpoint import SAEFile

TIE = 5e-6
"""Cosines this close are a tie: float32 rounds a cosine of some hundred columns to about 1e-6."""
ROUNDED = 1e-5
"""A column of a unit row that moves by more has moved in float32 too."""
COSINE = 1e-5
"""Largest difference of a mean cosine that rounding explains."""
EXACT = ("neuron-edit", "reconstruction-only")
"""Methods that this module knows by formula; others are carried out again by the method itself."""
BLOCK = 16_384
"""Rows worked on at a time: 16,384 x 1,024 float64 are 128 MB."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """One ranking of the report, and what it should follow from."""

    where: str
    part: Part
    request: RankRequest
    query: np.ndarray
    """Unit embedding of the prompt under this arm (d,), float64."""
    rows: np.ndarray
    cosine: float
    spread: float
    ties: int
    rows_changed: int


@dataclass(eq=False)
class Rankings:
    """Checks recorded rankings against the embeddings; arms that search the same items are looked at together."""

    spec: AuditSpec
    sources: Sources
    wrong: list[str] = field(default_factory=list)
    """One line for each arm that is not what the embeddings give."""
    _together: dict[tuple[str, ...], list[Recorded]] = field(default_factory=dict)

    def add(self, attribute: str, prompt: str, edits: Edits, recorded: Ranked, controlled: bool) -> None:
        """Take the arms of one prompt up for `check`."""
        request = request_for(self.spec, attribute, prompt, edits)
        part = part_of(self.sources.scene, request)
        arms = arms_of(self.spec, self.sources, request, controlled)
        where = f"{attribute} | {prompt}"
        absent = dict(recorded.absent)
        for arm in (arm for arm in arms if arm.name in absent):
            reason = self._nothing_left(arm.of(request))
            if reason != absent[arm.name]:
                self.wrong.append(f"{where} | {arm.name}: says {absent[arm.name]!r}, recomputed {reason!r}")
        arms = [arm for arm in arms if arm.name not in absent]
        if tuple(arm.name for arm in arms) != recorded.arms:
            self.wrong.append(
                f"{where}: the arms are {', '.join(recorded.arms)}; expected {', '.join(arm.name for arm in arms)}"
            )
            return
        queries: dict[tuple[str, ...], np.ndarray] = {}
        for at, arm in enumerate(arms):
            facts = {name: getattr(recorded, name)[at] for name in ("rows", "cosine", "spread", "ties", "rows_changed")}
            asked, method = arm.of(request), arm.method
            edit = arm.edits.get(self.sources.gallery.side)
            # a query does not depend on the items' edit
            of_query = (method, *(f"{side} {own.digest}" for side, own in arm.edits.items() if own is not edit))
            if of_query not in queries:
                queries[of_query] = self._query(asked)
            one = Recorded(f"{where} | {arm.name}", part, asked, queries[of_query], **facts)
            same: tuple[str, ...] = (part.digest,)
            if edit is not None and method in EXACT:
                same = (part.digest, method, edit.digest)
            if method not in ("identity", *EXACT):
                same = (part.digest, method, attribute, prompt)
            self._together.setdefault(same, []).append(one)

    def check(self, progress: Callable[[int, int, str], None] | None = None) -> list[str]:
        """All lines, after looking at every ranking."""
        for done, group in enumerate(self._together.values()):
            if progress:
                progress(done, len(self._together), "rankings")
            lines, cosine, changed = self._read(group)
            for one, line in zip(group, lines, strict=True):
                if line is not None:
                    self.wrong.append(f"{one.where}: {line}")
                if not changed[0] <= one.rows_changed <= changed[1]:
                    count = f"says {one.rows_changed} rows, recomputed {changed[1]}"
                    self.wrong.append(f"{one.where} | rows_changed: {count}")
                for name, said, value in (("cosine", one.cosine, cosine.mean()), ("spread", one.spread, cosine.std())):
                    if not abs(float(value) - said) <= COSINE:
                        self.wrong.append(f"{one.where} | {name}: says {said:.7f}, recomputed {value:.7f}")
        return self.wrong

    # --- items --------------------------------------------------------------------------------------------------

    def _read(self, group: Sequence[Recorded]) -> tuple[list[str | None], np.ndarray, tuple[int, int]]:
        """Why each ranking of one set of items is wrong, or None; the items' cosines to the original (n,); and how many
        of them the arm changes, at least and at most: in float32 a very small change is none.

        One pass over the items: memory holds a block of them and its scores.
        """
        one, queries = group[0], np.stack([one.query for one in group], axis=1)
        followed, cosine = [Followed(each.rows, one.part.n) for each in group], np.empty(one.part.n)
        moved_at, least, most = self._moving(one), 0, 0
        for start in range(0, one.part.n, BLOCK):
            at = slice(start, start + BLOCK)
            plain = unit(self._stored("pooled", one.part.rows[at]))
            moved = moved_at(at, plain)
            left = np.any(moved, axis=1, keepdims=True)
            products = np.where(left, moved @ queries, -np.inf)
            for each, scores in zip(followed, products.T, strict=True):
                each.take(start, scores)
            cosine[at] = np.einsum("ij,ij->i", plain, moved)
            off = np.abs(moved - plain).max(axis=1)
            least, most = least + int((off > ROUNDED).sum()), most + int((off > 0).sum())
        wrong = [f.wrong() or f.wrong_ties(self.spec.k, each.ties) for f, each in zip(followed, group, strict=True)]
        asked = one.request
        if asked.method not in ("identity", *EXACT):
            least = most = len(items_of(self.sources.scene, asked).changed)
        return wrong, cosine, (least, most)

    def _moving(self, one: Recorded) -> Callable[[slice, np.ndarray], np.ndarray]:
        """From places among the searched items and their unit rows to the unit rows under an arm."""
        edit = one.request.edits.get(self.sources.gallery.side)
        if one.request.method not in ("identity", *EXACT):
            index = self._by_the_method(one)
            return lambda at, plain: index.unit_at(at).astype(np.float64)
        if edit is None or one.request.method == "identity":
            return lambda at, plain: plain
        return lambda at, plain: unit(self._edited(one, edit, at))

    def _stored(self, attach: Attach, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.sources.gallery.embeddings(attach)[rows], dtype=np.float64)

    def _edited(self, one: Recorded, edit: Edit, at: slice) -> np.ndarray:
        """Pooled embeddings (rows, d) after the edit; a row that it leaves alone keeps its stored one."""
        sae_file, rows = frozen(self.sources.scene.sae()), one.part.rows[at]
        attach = sae_file.attach or "pooled"
        x = self._stored(attach, rows)
        moved = edited(x, self._codes(one.part, sae_file, at), sae_file.sae.arrays(), one.request.method, edit)
        if attach == "pooled":
            return moved
        same = (moved == x).all(axis=1)[:, None]
        readout = self.sources.gallery.readout()
        assert readout is not None, "a gallery with residuals has a readout"
        return np.where(same, self._stored("pooled", rows), readout(moved))

    def _by_the_method(self, one: Recorded) -> Index:
        """The items of a method without a formula here: the method is carried out again, in float32."""
        return items_of(self.sources.scene, one.request).index

    def _codes(self, part: Part, sae_file: FrozenFile, at: slice) -> sparse.csr_matrix:
        """The stored codes that the audit used, or those of the numpy rule where the gallery stores none."""
        stored = self.sources.gallery.codes(sae_file.digest)
        if stored is not None:
            return stored.csr[part.rows[at]]

        def make() -> sparse.csr_matrix:
            x = self.sources.gallery.embeddings(sae_file.attach or "pooled")[part.rows]
            blocks = (x[start : start + BLOCK // 4] for start in range(0, len(x), BLOCK // 4))
            return sparse.vstack([sparse.csr_matrix(sae_file.sae.encode(block)) for block in blocks], format="csr")

        return self.sources.scene.bench.remember(("verify codes", part.digest, sae_file.digest), make)[at]

    # --- queries ------------------------------------------------------------------------------------------------

    def _nothing_left(self, request: RankRequest) -> str | None:
        """Why an arm leaves nothing of the prompt; None where it leaves something."""
        try:
            vectors_of(self.sources.scene, request, [str(request.query)])
        except NothingLeft as error:
            return str(error)
        return None

    def _query(self, request: RankRequest) -> np.ndarray:
        """Unit embedding (d,) of the prompt under an arm; text edits change it where the gallery holds pictures."""
        gallery, method, texts = self.sources.gallery, request.method, [str(request.query)]
        edit = request.edits.get("text") if gallery.side == "image" else None
        if edit is None or method not in EXACT:
            vectors = vectors_of(self.sources.scene, request, texts)
            return unit(np.asarray(vectors, dtype=np.float64))[0]
        queries = queries_of(self.sources.scene, request, texts)
        material, sae_file = queries.material, frozen(self.sources.scene.sae("text"))
        x = np.asarray(material.x, dtype=np.float64)
        moved = edited(x, sparse.csr_matrix(sae_file.sae.encode(x)), sae_file.sae.arrays(), method, edit)
        if material.attach == "residual":
            assert material.readout is not None, "material at the residual attach point has a readout"
            moved = np.where((moved == x).all(axis=1)[:, None], material.pooled, material.readout(moved))
        return unit(moved)[0]


def frozen(sae_file: "SAEFile | FrozenFile") -> FrozenFile:
    """The SAE as `verify` opens it, in plain NumPy: its codes are float64 where the embeddings are."""
    return cast(FrozenFile, sae_file)


def edited(
    x: np.ndarray, codes: sparse.csr_matrix, weights: Mapping[str, np.ndarray], method: str, edit: Edit
) -> np.ndarray:
    """x' (n, d) in float64 of neuron editing or of the reconstruction alone; see `core.config.Edit`."""
    switched = list(edit.neurons) if method == "neuron-edit" else []
    own = edit if switched else Edit()
    z = np.asarray(codes[:, switched].toarray(), dtype=np.float64)
    away = np.array(own.each_strength) * (z - np.array(own.each_gamma))
    change = away @ weights["W_dec"][switched].astype(np.float64)
    if method == "neuron-edit" and edit.form == "error-preserving":
        return x - change
    alpha = edit.alpha if edit.form == "blend" else 1.0
    x_hat = codes.astype(np.float64) @ weights["W_dec"].astype(np.float64) + weights["b_dec"].astype(np.float64)
    return alpha * (x_hat - change) + (1 - alpha) * x


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length one, float64."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


class Followed:
    """A ranking among n rows, and what their scores say about it, which come block by block."""

    def __init__(self, rows: np.ndarray, n: int) -> None:
        self._possible = len(rows) == len(set(rows.tolist())) and rows.min(initial=0) >= 0 and rows.max(initial=0) < n
        self._order = np.argsort(rows)
        self._rising = rows[self._order]
        self._own = np.full(len(rows), -np.inf)
        self._best_other = -np.inf

    def take(self, start: int, scores: np.ndarray) -> None:
        """Look at the scores of rows start, start + 1, ..."""
        here = slice(*np.searchsorted(self._rising, (start, start + len(scores))))
        places, others = self._rising[here] - start, np.ones(len(scores), dtype=bool)
        self._own[self._order[here]] = scores[places]
        others[places] = False
        self._best_other = max(self._best_other, float(scores[others].max(initial=-np.inf)))

    def wrong(self, tie: float = TIE) -> str | None:
        """Why the rows are not the first by falling score, or None where they are, ties within `tie` allowed."""
        if not self._possible:
            return "the ranking holds a row twice, or one that was not searched"
        own = self._own
        with np.errstate(invalid="ignore"):  # two rows of which nothing is left: -inf both, and in no order
            falls = np.diff(own) <= tie
        if not falls.all():
            at = int(np.argmin(falls)) + 1
            return f"rank {at + 1} has score {own[at]:.7f}, more than rank {at} with {own[at - 1]:.7f}"
        if self._best_other > float(own.min(initial=np.inf)) + tie:
            return f"a row with score {self._best_other:.7f} is missing above the last one's {own.min():.7f}"
        return None

    def wrong_ties(self, k: int, ties: int, tie: float = TIE) -> str | None:
        """Why so many rows cannot tie at place k, or None; how float32 rounded is not known, so fewer may."""
        near = int((np.abs(self._own - self._own[k - 1]) <= tie).sum())
        return f"says that {ties} rows tie at place {k}, of which {near} lie so close" if ties > near else None


def wrong_codes(sources: Sources, rows: np.ndarray, tolerance: float = 1e-4, block: int = 2048) -> str | None:
    """Why the stored codes of some rows are not what the SAE gives for the stored embeddings, or None.

    A neuron that is only just above where it begins to fire, by the tolerance, may be on or off.
    """
    given = sources.scene.saes.get(sources.gallery.side)
    stored = sources.gallery.codes(given.digest) if given is not None else None
    if given is None or stored is None:
        return None
    sae_file = frozen(given)
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
            said, is_ = kept[row, neuron], own[row, neuron]
            return f"row {int(here[row])}, neuron {neuron}: the code is {said:.6g}, not {is_:.6g}"
    return None
