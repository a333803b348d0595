"""ZSDebias: pictures are encoded into a half to keep and a half for the group, and decoded with noise for the group."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from core.config import Edit
from core.interventions.arrays import Reader
from core.interventions.base import INTERVENTIONS, NO_EDIT, Arrays, Evidence, Intervention, Material, Needs
from core.interventions.subspaces import at_length
from core.interventions.zsdebias_network import PARTS, Network, train
from core.units import unit

CYCLES = 4.0
"""How often the noise goes up and down over a unit of distance: pictures that differ get unrelated noise, and what
rounding does to a picture moves its noise by as little."""
FARTHEST = 1e-6
"""Tail of the normal distribution that is not drawn from."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """The trained network and the seed of what is drawn when it is used."""

    network: Network
    seed: int = 0

    @property
    def nbytes(self) -> int:
        return self.network.nbytes


@INTERVENTIONS.register("zsdebias")
class ZSDebias(Intervention):
    """x' = |x| normalise(decoder([z_i, noise])), z = mu + eps e^(logvar/2) = [z_i, z_s] of the unit row.

    A variational autoencoder trained on the labelled items, whose labels it does not look at, and on the prompts of
    every group: z_s is to follow the ten prompts nearest to a picture, z_i to be unrelated to it, and either half to
    be exchangeable. Training is in `zsdebias_network.train`, with fewer and larger steps than the published one.

    eps and noise are random when it is used. They are drawn as smooth fields over the unit rows, standard normal at
    every row for a random seed and unrelated between rows that differ: equal seeds and rows give equal results,
    whatever other rows are asked with. One seed is one draw: results go with their spread over seeds.
    """

    title = "ZSDebias"
    plain = (
        "A small network learns to take every picture's description apart into what it says of the groups and the "
        "rest, and puts it together again with random numbers in place of the groups. Two draws of these numbers "
        "give different answers, so a result belongs beside its spread."
    )
    formula = (
        r"x' = \mathrm{dec}\bigl([z_i, \varepsilon']\bigr), "
        r"\qquad z = \mu(x) + \varepsilon\, e^{\frac12 \log \sigma^2(x)} = [z_i, z_s]"
    )
    paper = "ZSDebias, ICCV 2025"
    cost = "a training of 10 to 15 seconds once, then some d x d products for the gallery"
    changes = "items"
    needs = Needs(prompts=("bias",), references=True, training=True)
    random = True
    stays = "it draws random numbers when it is used: its answer is one of many and no fixed map"
    array_names = (
        *(f"{side}.{part}" for side in ("encoder", "decoder") for part in PARTS),
        *("image", "eps", "noise", "normalise"),
    )

    def fit(self, evidence: Evidence) -> Drawn:
        texts = evidence.text("bias")
        return Drawn(train(evidence.require_references().pooled, texts.pooled))

    def seeded(self, fitted: Drawn, seed: int) -> Drawn:
        return replace(fitted, seed=seed)

    def __call__(self, material: Material, edit: Edit = NO_EDIT, fitted: Drawn | None = None) -> np.ndarray:
        assert fitted is not None, "it is fitted before it is asked"
        stored = material.stored()
        rows, d = unit(stored), fitted.network.d
        drawn = field(rows, 2 * d - d // 2, fitted.seed)
        return at_length(stored, fitted.network.without_group(rows, drawn[:, :d], drawn[:, d:]))

    def on_arrays(self, arrays: Arrays) -> dict[str, np.ndarray]:
        read = Reader(arrays, "zsdebias")
        image = read.matrix("image")
        d, unit_rows = image.shape[1], read.number("normalise", 0, 1) == 1
        encoder = {part: _weight(read, "encoder", part, d, 2 * d) for part in PARTS}
        decoder = {part: _weight(read, "decoder", part, d, d) for part in PARTS}
        network = Network(encoder, decoder, bounded=unit_rows)
        eps, noise = read.matrix("eps", d), read.matrix("noise", d - d // 2)
        for name, given in (("eps", eps), ("noise", noise)):
            read.fits(name, len(given) == len(image), f"{len(image)} rows, one an image")
        rows = unit(image) if unit_rows else image.astype(np.float64)
        mean, logvar = network.encode(rows)
        found = {"mu": mean, "logvar": logvar, "out": network.without_group(rows, eps, noise)}
        return {name: value.astype(image.dtype) for name, value in found.items()}


def field(rows: np.ndarray, columns: int, seed: int) -> np.ndarray:
    """Standard normal numbers (n, columns), float64, for unit rows (n, d): one smooth function of the row a column.

    Phi^-1(|2 frac(CYCLES w.u + b) - 1|) with w standard normal (d,) and b uniform, both drawn from the seed. For a
    random seed exactly standard normal at every row, up to the cut tail, and independent between columns; over rows
    that are about a third of a unit apart, or more, unrelated.
    """
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(rows.shape[1], columns)), rng.random(columns)
    turns = CYCLES * (rows @ W) + b
    return ndtri(np.clip(np.abs(2 * (turns - np.floor(turns)) - 1), FARTHEST, 1 - FARTHEST))


def _weight(read: Reader, side: str, part: str, d: int, out: int) -> np.ndarray:
    name, rows = f"{side}.{part}", out if part.startswith("4") else d
    if not part.endswith("0.weight") and not part.endswith("4.weight"):
        return read.vector(name, rows).astype(np.float64)
    given = read.matrix(name, d)
    read.fits(name, len(given) == rows, f"{rows} rows")
    return given.astype(np.float64)
