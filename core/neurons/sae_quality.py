"""What an SAE is worth on a gallery: reconstruction, sparsity, alike items, similarity gaps, and a verdict in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sparse

from core.config import Half, InputError, Progress
from core.neurons.encoding import codes_of
from core.neurons.pair_cosines import SimilarityGap, similarity_gap
from core.saes.base import SAES
from core.saes.monosemanticity import mean_cosine, monosemanticity
from core.saes.quality import Quality, ReconstructionSums

if TYPE_CHECKING:
    from core.gallery import Gallery
    from core.saes.base import SAE
    from core.saes.checkpoint import SAEFile

ROWS = 8192
"""Rows reconstructed at a time."""
BINS = 24
GROUPS = 40
"""Attributes with more groups than this are names rather than groups, and get no similarity gap."""
MANY_DEAD, SOME_DEAD = 0.5, 0.2
POOR_FVU, FAIR_FVU = 0.4, 0.15
COMMON = 0.5
"""A neuron that fires on more than this share of the items says what all of them share."""
ALIKE = 0.02
"""Least rise of the median monosemanticity over random pairs that is worth the name."""


@dataclass(frozen=True)
class QualityReport:
    """An SAE judged on some rows of a gallery."""

    sae: str
    sae_digest: str
    arch: str
    d_in: int
    d_sae: int
    k: int
    gallery: str
    gallery_digest: str
    half: Half
    quality: Quality
    monosemanticity: np.ndarray
    """(F,) score of each neuron, NaN where it has none."""
    random_pairs: float
    """Mean cosine of all pairs in the reference embeddings: the score of a neuron that says nothing."""
    reference: str
    """What the reference embeddings are."""
    independent: bool
    """Whether the reference comes from another encoder than the SAE's."""
    gaps: tuple[SimilarityGap, ...]

    @property
    def median_monosemanticity(self) -> float:
        """Median score over the neurons that have one; NaN where none has."""
        known = self.monosemanticity[~np.isnan(self.monosemanticity)]
        return float(np.median(known)) if len(known) else float("nan")

    @property
    def common(self) -> int:
        """Neurons that fire on more than half of the items."""
        return int((self.quality.firing_rate > COMMON).sum())

    def verdict(self) -> list[str]:
        """What stands out and what to try, in plain sentences, the gravest first."""
        return list(_verdict(self)) or [
            f"Nothing stands out: {1 - self.quality.fvu:.0%} of the variance is explained with {self.quality.l0:.1f} "
            f"neurons an item, and {self.quality.dead_fraction:.0%} of the neurons never fire."
        ]

    def to_json(self) -> dict[str, Any]:
        edges, counts = rate_histogram(self.quality.firing_rate, self.quality.n)
        shape = {name: getattr(self, name) for name in ("arch", "d_in", "d_sae", "k")}
        return {
            "sae": self.sae,
            **shape,
            **self.quality.to_json(),
            "firing_rate": {"edges": edges, "counts": counts, "common": self.common},
            "monosemanticity": {
                "median": self.median_monosemanticity,
                "n": int((~np.isnan(self.monosemanticity)).sum()),
                "random_pairs": self.random_pairs,
                "reference": self.reference,
                "independent": self.independent,
                "neurons": self.monosemanticity,
            },
            "similarity_gap": [gap.to_json() for gap in self.gaps],
            "verdict": self.verdict(),
            "digests": {"sae": self.sae_digest, "gallery": self.gallery_digest},
        }


def quality_report(
    gallery: "Gallery",
    sae_file: "SAEFile",
    half: Half = "all",
    reference: "Gallery | None" = None,
    progress: Progress | None = None,
) -> QualityReport:
    """Judge an SAE on a half of a gallery, from the codes stored there (encoded first where there are none).

    `reference` holds the same items embedded by another encoder; None: the gallery's own pooled embeddings, which are
    not independent of the SAE.

    InputError where the SAE was made for other embeddings, the half is not there, or the reference lacks items.
    """
    attach = sae_file.attach or "pooled"
    sae_file.require(gallery.fingerprint(attach), f"the gallery {gallery.name!r}")
    rows = gallery.rows(half)
    csr = codes_of(gallery, sae_file, progress).csr
    config = sae_file.sae.config
    independent = reference is not None and reference.fingerprint().weights != gallery.fingerprint().weights
    against, reference_name = _reference(gallery, reference)
    names = [name for name in gallery.attributes if len(gallery.groups(name)) <= GROUPS]
    gaps = []
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), "comparing pairs")
        gaps.append(similarity_gap(name, gallery.embeddings(attach), csr, gallery.group_numbers(name), rows))
    return QualityReport(
        sae_file.name,
        sae_file.digest,
        config.arch,
        config.d_in,
        config.d_sae,
        config.k,
        gallery.name,
        gallery.digest,
        half,
        quality_of_codes(sae_file.sae, gallery.embeddings(attach), csr, rows, progress),
        monosemanticity(csr, against, rows),
        mean_cosine(against, rows),
        reference_name,
        independent,
        tuple(gaps),
    )


def quality_of_codes(
    sae: "SAE", x: np.ndarray, csr: sparse.csr_matrix, rows: np.ndarray, progress: Progress | None = None
) -> Quality:
    """fvu, l0, dead and firing rates from codes that are there already; the same numbers as encoding again."""
    arrays = sae.arrays()
    sums, fired = ReconstructionSums(), np.zeros(csr.shape[1], dtype=np.int64)
    for start in range(0, len(rows), ROWS):
        here = rows[start : start + ROWS]
        z = csr[here]
        sums.add(np.asarray(x[here], dtype=np.float32), z @ arrays["W_dec"] + arrays["b_dec"])
        fired += np.bincount(z.indices, minlength=csr.shape[1])
        if progress is not None:
            progress(start + len(here), len(rows), "measuring the SAE")
    return Quality.counted(sums, fired)


def rate_histogram(rate: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Edges (bins + 1,) and counts (bins,) of the neurons' firing rates on a log scale from 1/n to 1.

    Neurons that never fire are in no bin.
    """
    edges = np.logspace(np.log10(1 / max(n, 2)), 0, BINS + 1)
    edges[0] *= 1 - 1e-9  # one item of n belongs to the first bin, whatever rounding says
    edges[-1] = 1.0
    return edges, np.histogram(rate[rate > 0], edges)[0]


def _reference(gallery: "Gallery", reference: "Gallery | None") -> tuple[np.ndarray, str]:
    """Reference embeddings, one row an item of the gallery, and what they are."""
    if reference is None:
        return gallery.embeddings("pooled"), "the gallery's own pooled embeddings: no independent encoder"
    name = f"{reference.name}, embedded by {reference.fingerprint().model}"
    everyone = np.arange(gallery.n)
    wanted, there = gallery.item_ids(everyone), reference.item_ids(np.arange(reference.n))
    if wanted == there:
        return reference.embeddings("pooled"), name
    place = {item: row for row, item in enumerate(there)}
    missing = next((item for item in wanted if item not in place), None)
    if missing is not None:
        raise InputError(
            f"the reference gallery {reference.name} has no item {missing!r}; give one that holds the items of "
            f"{gallery.name}, embedded by another model"
        )
    return reference.embeddings("pooled")[[place[item] for item in wanted]], name


def _verdict(report: QualityReport) -> Iterator[str]:
    q = report.quality
    if np.isnan(q.fvu):
        yield "All rows are equal, so that nothing can be explained: choose another gallery or half."
    elif q.fvu > 1:
        yield f"It reconstructs worse than the mean does (fvu {q.fvu:.2f}): it does not fit these embeddings."
    elif q.fvu > POOR_FVU:
        yield f"It misses {q.fvu:.0%} of the variance: try a larger k, more neurons, or more steps."
    if q.dead_fraction >= MANY_DEAD:
        half = "Half" if q.dead_fraction < 0.6 else "Most"
        yield f"{half} of the neurons never fire ({q.dead_fraction:.0%}): try fewer neurons or a larger k."
    elif q.dead_fraction >= SOME_DEAD:
        yield f"{q.dead_fraction:.0%} of the neurons never fire: they are capacity without use; fewer would do."
    if q.l0 > 2 * report.k and SAES.get(report.arch).aims_at_k:
        yield f"{q.l0:.1f} neurons are active an item, far more than k = {report.k}: train longer."
    if report.common > max(2, 0.1 * report.d_sae):
        yield (
            f"{report.common} neurons fire on more than half of the items and so say what all of them share: try a "
            f"smaller k or more neurons."
        )
    rise = report.median_monosemanticity - report.random_pairs
    if rise < ALIKE:
        yield (
            f"The items of a neuron are hardly more alike than any two (median {report.median_monosemanticity:.3f}, "
            f"random pairs {report.random_pairs:.3f}): single neurons will be hard to name."
        )
    if FAIR_FVU < q.fvu <= POOR_FVU:
        yield f"It misses {q.fvu:.0%} of the variance, which an edit in the blend form loses (error-preserving: not)."
