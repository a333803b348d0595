"""One edit of the live engine: which rows of a gallery change, and by what."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.config import NOTHING, Edit, InputError, Progress
from core.retrieval.geometry import Pooled
from core.retrieval.live_gallery import LiveGallery
from core.retrieval.switched import Placed, Start, SwitchedRows

THIN = 1e-2
"""Share of its squared length below which a changed row is measured anew."""
LARGEST = float(np.finfo(np.float32).max)
"""Squared lengths beyond it are no embeddings: float32 could not hold them."""


@dataclass(frozen=True, eq=False)
class Change:
    """What an edit does, row by row.

    Numbers of the changed rows stand in the order of the gallery where it changes every row, else in that of
    `switched.rows`.
    """

    everybody: bool
    """Whether every row changes, not only those on which a switched neuron fires."""
    switched: SwitchedRows
    neurons: np.ndarray
    factors: np.ndarray
    """c s_j of every switched neuron (S,)."""
    alpha: float
    """Share of the reconstruction in B; 0 in the error-preserving form."""
    shift: np.ndarray | None
    """w (d_in,); None: no gamma."""

    @property
    def of(self) -> slice | Placed:
        """Where the numbers of the changed rows are among those of all rows."""
        return slice(None) if self.everybody else self.switched.rows

    @property
    def at(self) -> slice | Placed:
        """Places among the changed rows where a switched neuron fires, in the order of `switched.rows`."""
        return self.switched.rows if self.everybody else slice(None)


@dataclass(frozen=True, eq=False)
class LiveEdit(Change):
    """One edit on the gallery: which rows change, and by what; serves any number of queries."""

    gallery: LiveGallery
    scales: np.ndarray | float
    """What push is divided by in the changed rows (m,), or in all of them."""
    lengths: np.ndarray
    """||x'|| of the changed rows (m,)."""

    @property
    def count(self) -> int:
        """How many rows change, m."""
        return self.gallery.n if self.everybody else self.switched.count

    @cached_property
    def rows(self) -> Placed:
        """Rows whose embedding changes, rising (m,)."""
        if self.everybody:
            return self.gallery.on.put(np.arange(self.gallery.n))
        return self.switched.rows[self.switched.rising]

    def changes(self, rows: np.ndarray) -> np.ndarray:
        """Whether the edit changes each of some rows of the gallery (m,) bool."""
        return np.ones(len(rows), dtype=bool) if self.everybody else self.switched.fires(rows)

    @cached_property
    def whole(self) -> np.ndarray:
        """What the inner product of push(x') with a query is divided by (m,)."""
        return self.lengths if isinstance(self.gallery.geometry, Pooled) else self.scales * self.lengths

    @cached_property
    def cosines(self) -> np.ndarray:
        """Cosine before and after of every one of `rows` (m,)."""
        gallery, on = self.gallery, self.gallery.on
        inner = on.exact(gallery.base(self.alpha).along_stored, self.of)
        if len(self.neurons):
            inner[self.at] -= gallery.along_pooled(self.switched, self.neurons, self.factors)
        if self.shift is not None:
            inner += on.times(gallery.rows_pooled, gallery.geometry.push(self.shift[None]))[0][self.of]
        inner /= self.scales
        if gallery.geometry.offset.any():
            inner += on.put(gallery.sums.pooled_along_offset)[self.of]
        cosines = inner / (self.lengths * gallery.pooled_lengths[self.of])
        return cosines if self.everybody else cosines[self.switched.rising]


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
    change = Change(everybody, switched, neurons, factors, alpha, shift)
    gallery.base(alpha, progress)
    with np.errstate(over="ignore", invalid="ignore"):  # said in words below
        squares = _squares(gallery, change)
        if not all(here.max() < LARGEST for here in squares if len(here)):  # NaN included
            raise InputError("the edit gives embeddings that are not finite; choose a smaller gamma or fewer neurons")
        mended = _mend(gallery, change, squares)
        scales = gallery.geometry.scales(squares)
        lengths = gallery.geometry.lengths(squares, _along_offset(gallery, change))
    # where the length is that of the only form, every row that was not mended keeps more than THIN of it
    safe = not mended and alpha == 0.0 and isinstance(gallery.geometry, Pooled)
    lost = 0 if safe else _lost(gallery, change, squares, lengths)
    if lost:
        raise InputError(
            f"the edit leaves nothing of some items ({lost} of {gallery.n}); switch fewer neurons, or less strongly"
        )
    return LiveEdit(**vars(change), gallery=gallery, scales=scales, lengths=lengths)


def _squares(gallery: LiveGallery, change: Change) -> list[Placed]:
    """The geometry's forms of the changed rows, (m,) each, by differences."""
    shifted = None if change.shift is None else _shifted(gallery, change.shift, change.alpha)
    forms = range(len(gallery.base(change.alpha).squares))
    return [_form(gallery, change, form, None if shifted is None else shifted[form]) for form in forms]


def _mend(gallery: LiveGallery, change: Change, squares: list[Placed]) -> bool:
    """Make forms anew from the rows themselves where nearly everything of one is taken away: less than THIN is left.

    There the difference of large numbers says too little. Whether there was such a row.
    """
    thin, base = None, gallery.base(change.alpha)
    for here, before, most in zip(squares, base.squares, base.most, strict=True):
        thin = _either(thin, _under(gallery, change, here, THIN, before, most))
    if thin is None or not thin.any():
        return False
    few = np.flatnonzero(gallery.on.get(thin))
    few = few if change.everybody else change.switched.rows_at(few)
    away = (change.switched.codes_of(few) * change.factors) @ gallery.W[change.neurons]
    for here, exact in zip(squares, _forms_of(gallery, few, change.alpha, change.shift, away), strict=True):
        here[thin] = gallery.on.put(exact)
    return True


def _form(gallery: LiveGallery, change: Change, form: int, shifted: Placed | None) -> Placed:
    """One form of the changed rows (m,)."""
    switched, factors, alpha = change.switched, change.factors, change.alpha
    neurons = [int(j) for j in change.neurons]
    if change.everybody:
        squares = gallery.on.exact(gallery.base(alpha).squares[form])
        if shifted is not None:
            squares += shifted
        here: Start = squares[switched.rows]
    else:
        here = [gallery.squares(j)[form] for j in neurons]
    directions, crosses = gallery.W[neurons], gallery.crosses(neurons, form)
    gram = np.outer(factors, factors) * (directions @ crosses.T)
    here = switched.squares(form, -2.0 * (1.0 - alpha) * factors, gram, here)
    if alpha > 0:
        here = switched.weighted([gallery.decoded_crosses(j)[form] for j in neurons], -2.0 * alpha * factors, here)
    if change.shift is not None:
        here = switched.sums(-2.0 * factors * (crosses @ change.shift), here)
    if not change.everybody:
        return here
    squares[switched.rows] = here
    return squares


def _lost(gallery: LiveGallery, change: Change, squares: list[Placed], lengths: Placed) -> int:
    """Of how many changed rows nothing is left."""
    lost = _under(gallery, change, lengths, NOTHING, gallery.pooled_lengths, gallery.longest)
    base = gallery.base(0.0)
    for here, before, most in zip(squares, base.squares, base.most, strict=True):
        lost = _either(lost, _under(gallery, change, here, NOTHING**2, before, most))
    return 0 if lost is None else int(lost.sum())


def _under(
    gallery: LiveGallery, change: Change, numbers: Placed, share: float, before: Placed, most: float
) -> Placed | None:
    """Where numbers of the changed rows are less than a share of what all rows had before, or are none (m,).

    None where the smallest of them says that no number can be, as `most` is the largest that a row had.
    """
    if not len(numbers) or numbers.min() >= share * most:  # never of NaN
        return None
    return ~(numbers >= share * gallery.on.exact(before, change.of))


def _either(one: Placed | None, other: Placed | None) -> Placed | None:
    """Where one of two holds; None is nowhere."""
    return other if one is None else one if other is None else one | other


def _shifted(gallery: LiveGallery, shift: np.ndarray, alpha: float) -> Placed:
    """What a constant vector adds to the forms of every row (forms, n): one dense product."""
    crosses = gallery.geometry.cross(shift[None])[:, 0]
    inner = (1.0 - alpha) * gallery.on.times(gallery.rows_x, crosses)
    if alpha > 0:
        inner = inner + gallery.on.put(alpha * (gallery.codes @ (gallery.W @ crosses.T) + crosses @ gallery.b).T)
    return 2.0 * inner + gallery.on.put((crosses @ shift)[:, None])


def _along_offset(gallery: LiveGallery, change: Change) -> np.ndarray:
    """push(B - sum_j e_j W_j) . offset of the changed rows (m,); (1,) where there is no offset."""
    offset = gallery.geometry.offset
    if not offset.any():
        return np.zeros(1)
    along = gallery.on.exact(gallery.base(change.alpha).along_offset, change.of)
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
