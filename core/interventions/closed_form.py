"""Closed form: what a row says of the groups and what it says besides are weighed against each other, row by row."""

from typing import Any

import numpy as np

from core.config import Edit, InputError, Side
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import row_space, unit_means
from core.portable.pieces import Piece
from core.portable.pieces.weigh import Weigh
from core.saes.folder import Numbers
from core.units import unit

CUT = 1e-6
"""Singular values up to this times max(groups, d) of the largest give no direction."""
LEAST = 1e-6
"""Parts of a unit row up to this length have no direction: rounding alone would say where the row goes."""


@INTERVENTIONS.register("closed-form")
class ClosedForm(Intervention):
    """e' = sqrt(1 - a^2) e_perp / o + a e_par / p for a unit row e = e_par + e_perp with lengths p and o.

    e_par lies in the span of the differences of the groups' prototypes, the unit means of each group's unit prompts.
    a solves a / p = (1 - e.e') / (1 - o): the share of the group part that is kept equals the loss 1 - e.e' as a
    share of what deleting the part would lose. It is between (3 - sqrt 5) / 2 = .38 and 1/2, so that the loss is at
    most (1 - o) / 2 whatever the row (`losses`), and a refitted linear probe still reads the group. Rows that lie
    in that span, or outside it, stay as they are. Not linear, not idempotent.
    """

    title = "Closed form"
    plain = (
        "It weighs, for every search text and every picture, how much is said of the groups against how much the "
        "description would change, and keeps between 38 and 50 % of what was said. The price has a known upper "
        "bound, and the group can still be read from what is kept."
    )
    formula = (
        r"e' = \sqrt{1 - \alpha^2}\,\frac{e_\perp}{o} + \alpha \frac{e_\parallel}{p}, "
        r"\qquad \frac{\alpha}{p} = \frac{1 - e \cdot e'}{1 - o} \le \tfrac12"
    )
    paper = "Lian et al., arXiv 2603.12998"
    cost = "milliseconds for the gallery"
    changes = "both"
    needs = Needs(prompts=("bias",))
    array_names = ("prompt_emb", "prompt_class", "prompt_group")

    def fit(self, evidence: Evidence) -> np.ndarray:
        """Basis (d, r) of the differences of the groups' prototypes."""
        texts = evidence.text("bias")
        return attribute_space(unit_means(texts.pooled, texts.labels))

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Any = None) -> np.ndarray:
        stored = material.stored()
        length = np.linalg.norm(stored.astype(np.float64), axis=1, keepdims=True)
        units, moved = weighed(unit(stored), fitted)
        return np.where(moved[:, None], (length * units).astype(stored.dtype), stored)

    def pieces(self, fitted: Any, side: Side, edit: Edit = NO_EDIT, sae: Numbers | None = None) -> tuple[Piece, ...]:
        return (Weigh({"A": fitted}, {"least": LEAST}),)

    def remarks(self, material: Material, fitted: Any = None) -> tuple[str, ...]:
        measured, bound = losses(unit(material.pooled), fitted)
        if not len(measured):
            return ()
        what = "search text" if material.side == "text" else "picture"
        return (
            f"{self.title}: 1 - cosine of a {what} before and after is bounded by half of what deleting the group "
            f"part would cost, {bound.mean():.4f} on average and {bound.max():.4f} at most; here it is "
            f"{measured.mean():.4f} and {measured.max():.4f}",
        )

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "closed-form")
        shared = read.matrix("prototypes", least=2) if "prototypes" in arrays else _prototypes(read)
        A = attribute_space(shared)
        sides = [side for side in ("text", "image") if f"{side}_emb" in arrays]
        if not sides:
            raise InputError("closed-form changes the array 'text_emb', 'image_emb' or both; neither was given")
        found = {"projector_parallel": (A @ A.T).astype(shared.dtype), "rank": np.array(A.shape[1])}
        for side in sides:
            rows = read.matrix(f"{side}_emb", shared.shape[1])
            found[f"{side}_out"] = weighed(unit(rows), A)[0].astype(rows.dtype)
        return found


def attribute_space(prototypes: np.ndarray) -> np.ndarray:
    """Orthonormal basis (d, r), float64, of the differences of prototypes (G, d); the same whichever is subtracted."""
    prototypes = np.asarray(prototypes, dtype=np.float64)
    # a group whose prototype is another's, up to float32, gives no direction of its own
    rows = prototypes[1:] - prototypes[0]
    scale = np.linalg.norm(prototypes, axis=1).max(initial=0.0)
    rows = np.where(np.linalg.norm(rows, axis=1, keepdims=True) > CUT * scale, rows, 0.0)
    return row_space(rows, CUT) if rows.any() else np.zeros((prototypes.shape[1], 0))


def _parts(units: np.ndarray, A: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Part in the span of A and part outside it (n, d), and their lengths p and o (n, 1); o = 1 for a row of zeros."""
    inside = (units @ A) @ A.T
    outside = units - inside
    p, o = (np.linalg.norm(part, axis=1, keepdims=True) for part in (inside, outside))
    return inside, outside, p, np.where(p + o > 0, o, 1.0)


def kept_share(p: np.ndarray, o: np.ndarray) -> np.ndarray:
    """a / p, from (3 - sqrt 5) / 2 at p = 0 to 1/2 at p = 1: the share of the group part that is kept.

    E = p (1 + 1 / (1 + o)) is p + (1 - o) / p without its cancellation, for p^2 + o^2 = 1; everything is divided by p.
    """
    ratio = 1 + 1 / (1 + o)
    return (ratio - o * np.sqrt(np.maximum(ratio**2 - 1, 0))) / ((ratio * p) ** 2 + o**2)


def weighed(units: np.ndarray, A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows (n, d) after the method, float64, and which of them move (n,)."""
    inside, outside, p, o = _parts(units, A)
    moved = ((p > LEAST) & (o > LEAST))[:, 0]
    share = kept_share(p, o)
    across = np.sqrt(np.maximum(1 - (share * p) ** 2, 0)) / np.where(o > LEAST, o, 1)
    return np.where(moved[:, None], unit(across * outside + share * inside), units), moved


def losses(units: np.ndarray, A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - e.e' of unit rows (n, d) and its bound (1 - o) / 2, (n,) each, in [0, 1/2]; 0: the row stays.

    The bound needs no edit: it is half of what deleting the part in the span of A costs.
    """
    _, _, p, o = _parts(units, A)
    moved, deleted = (p > LEAST) & (o > LEAST), p**2 / (1 + o)  # 1 - o without its cancellation
    return np.where(moved, kept_share(p, o) * deleted, 0)[:, 0], np.where(moved, deleted / 2, 0)[:, 0]


def _prototypes(read: Reader) -> np.ndarray:
    """t_g (G, d): unit mean over classes of the unit means of each class's and group's unit prompts."""
    prompts = read.matrix("prompt_emb")
    classes, groups = read.whole("prompt_class"), read.whole("prompt_group")
    for name, given in (("prompt_class", classes), ("prompt_group", groups)):
        read.fits(name, len(given) == len(prompts), f"{len(prompts)} numbers, one a prompt")
    read.fits("prompt_group", len(np.unique(groups)) >= 2, "at least two groups")
    by_class, of_group = [], []
    for g in np.unique(groups):
        here = groups == g
        by_class.append(unit_means(prompts[here], classes[here]))
        of_group.append(np.full(len(by_class[-1]), g))
    return unit_means(np.concatenate(by_class), np.concatenate(of_group)).astype(prompts.dtype)
