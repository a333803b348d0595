"""One edit of the live engine: which rows of a gallery change, and by what."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.config import NOTHING, Edit, InputError, Progress
from core.retrieval.live_gallery import LiveGallery
from core.retrieval.switched import SwitchedRows

THIN = 1e-2
"""Share of its squared length below which a changed row is measured anew."""
LARGEST = float(np.finfo(np.float32).max)
"""Squared lengths beyond it are no embeddings: float32 could not hold them."""


@dataclass(frozen=True, eq=False)
class Change:
    """What an edit does, row by row."""

    rows: np.ndarray
    """Rows whose embedding changes, rising (m,)."""
    of: slice | np.ndarray
    """The same, to read numbers of the rows by: all of them without a copy where every row changes."""
    switched: SwitchedRows
    at: slice | np.ndarray
    """Places among `rows` where a switched neuron fires."""
    neurons: np.ndarray
    factors: np.ndarray
    """c s_j of every switched neuron (S,)."""
    alpha: float
    """Share of the reconstruction in B; 0 in the error-preserving form."""
    shift: np.ndarray | None
    """w (d_in,); None: no gamma."""


@dataclass(frozen=True, eq=False)
class LiveEdit(Change):
    """One edit on the gallery: which rows change, and by what; serves any number of queries."""

    gallery: LiveGallery
    scales: np.ndarray | float
    """What push is divided by in the changed rows (m,), or in all of them."""
    lengths: np.ndarray
    """||x'|| of the changed rows (m,)."""

    def changes(self, rows: np.ndarray) -> np.ndarray:
        """Whether the edit changes each of some rows of the gallery (m,) bool."""
        everybody = isinstance(self.of, slice)
        return np.ones(len(rows), dtype=bool) if everybody else self.gallery.on.get(self.switched.fires)[rows]

    @cached_property
    def whole(self) -> np.ndarray:
        """What the inner product of push(x') with a query is divided by (m,)."""
        return self.scales * self.lengths

    @cached_property
    def cosines(self) -> np.ndarray:
        """Cosine before and after of the changed rows (m,)."""
        gallery, on = self.gallery, self.gallery.on
        inner = on.exact(gallery.base(self.alpha).along_stored[self.of])
        if len(self.neurons):
            inner[self.at] -= gallery.along_pooled(self.switched, self.neurons, self.factors)
        if self.shift is not None:
            inner += on.times(gallery.rows_pooled, gallery.geometry.push(self.shift[None]))[0][self.of]
        inner /= self.scales
        if gallery.geometry.offset.any():
            inner += on.put(gallery.sums.pooled_along_offset)[self.of]
        return inner / (self.lengths * gallery.pooled_lengths[self.of])


def edited(gallery: LiveGallery, edit: Edit, progress: Progress | None = None) -> LiveEdit:
    """The rows that an edit changes. InputError for a neuron that is not there, and where nothing is left of an item.

    `progress` follows the passes over the gallery that the first edit of a kind needs; later ones need none.
    """
    alpha = edit.alpha if edit.form == "blend" else 0.0
    share = alpha if edit.form == "blend" else 1.0
    on = [place for place, s in enumerate(edit.each_strength) if s > 0 and not edit.changes_nothing]
    neurons = np.array([edit.neurons[place] for place in on], dtype=np.int64)
    if edit.neurons and edit.neurons[-1] >= gallery.d_sae:
        raise InputError(f"neuron {edit.neurons[-1]} was given; this SAE has neurons 0 to {gallery.d_sae - 1}")
    factors = share * np.array([edit.each_strength[place] for place in on])
    gammas = np.array([edit.each_gamma[place] for place in on])
    shifts = factors * gammas  # may vanish where neither factor does
    shift = shifts @ gallery.W[neurons] if shifts.any() else None
    switched = gallery.switched(neurons)
    everybody = alpha > 0 or shift is not None
    rows, of = (gallery.on.put(np.arange(gallery.n)), slice(None)) if everybody else (switched.rows, switched.rows)
    at = switched.rows if everybody else slice(None)
    change = Change(rows, of, switched, at, neurons, factors, alpha, shift)
    gallery.base(alpha, progress)
    with np.errstate(over="ignore", invalid="ignore"):  # said in words below
        squares = _squares(gallery, change)
        scales = gallery.geometry.scales(squares)
        lengths = gallery.geometry.lengths(squares, _along_offset(gallery, change))
    if not (squares < LARGEST).all():
        raise InputError("the edit gives embeddings that are not finite; choose a smaller gamma or fewer neurons")
    lost = ~(lengths >= NOTHING * gallery.pooled_lengths[change.of])
    lost |= (squares < NOTHING**2 * gallery.base(0.0).squares[:, change.of]).any(axis=0)
    if lost.any():
        raise InputError(
            f"the edit leaves nothing of some items ({int(lost.sum())} of {gallery.n}); switch fewer neurons, or less "
            "strongly"
        )
    return LiveEdit(**vars(change), gallery=gallery, scales=scales, lengths=lengths)


def _squares(gallery: LiveGallery, change: Change) -> np.ndarray:
    """The geometry's forms of the changed rows (forms, m)."""
    rows, switched, factors, alpha, shift = change.rows, change.switched, change.factors, change.alpha, change.shift
    squares = gallery.on.exact(gallery.base(alpha).squares[:, change.of])
    least = THIN * squares
    if shift is not None:
        _add_shift(gallery, squares, shift, alpha)
    directions = gallery.W[change.neurons]
    for form, cross in enumerate(gallery.crosses(change.neurons)):
        inner = switched.along(form, 2.0 * (1.0 - alpha) * factors)
        if alpha > 0:
            decoded = [gallery.decoded_crosses(int(j))[form] for j in change.neurons]
            inner += switched.weighted(decoded, 2.0 * alpha * factors)
        if shift is not None:
            inner += switched.sums(2.0 * factors * (cross @ shift))
        inner -= switched.squares(np.outer(factors, factors) * (directions @ cross.T))
        squares[form, change.at] -= inner
    thin = (squares < least).any(axis=0)
    if thin.any():  # nearly everything is taken away: the difference of large numbers says too little
        few = gallery.on.get(rows[thin])
        away = (switched.codes_of(few) * factors) @ directions
        squares[:, thin] = gallery.on.put(_forms_of(gallery, few, alpha, shift, away))
    return squares


def _add_shift(gallery: LiveGallery, squares: np.ndarray, shift: np.ndarray, alpha: float) -> None:
    """Add what a constant vector does to every row's forms: one dense product."""
    crosses = gallery.geometry.cross(shift[None])[:, 0]
    inner = (1.0 - alpha) * gallery.on.times(gallery.rows_x, crosses)
    if alpha > 0:
        inner = inner + gallery.on.put(alpha * (gallery.codes @ (gallery.W @ crosses.T) + crosses @ gallery.b).T)
    squares += 2.0 * inner + gallery.on.put((crosses @ shift)[:, None])


def _along_offset(gallery: LiveGallery, change: Change) -> np.ndarray:
    """push(B - sum_j e_j W_j) . offset of the changed rows (m,); (1,) where there is no offset."""
    offset = gallery.geometry.offset
    if not offset.any():
        return np.zeros(1)
    along = gallery.on.exact(gallery.base(change.alpha).along_offset[change.of])
    if len(change.neurons):
        pushed = np.stack([gallery.direction(int(j)).pushed for j in change.neurons])
        along[change.at] -= change.switched.sums(change.factors * (pushed @ offset))
    if change.shift is not None:
        along += float(gallery.geometry.push(change.shift[None])[0] @ offset)
    return along


def _forms_of(
    gallery: LiveGallery, rows: np.ndarray, alpha: float, shift: np.ndarray | None, away: np.ndarray
) -> np.ndarray:
    """The forms of a few changed rows, from the rows themselves."""
    b = (1.0 - alpha) * np.asarray(gallery.x[rows], dtype=np.float64) - away
    if alpha > 0:
        b += alpha * gallery.sums.decode(rows)
    if shift is not None:
        b += shift
    pushed = gallery.geometry.push(b)
    return gallery.geometry.forms(b, b, pushed, pushed)
