"""Step 1: the searched rows, their groups and their target."""

from dataclasses import dataclass

import numpy as np

from core.config import InputError, digest_of
from core.gallery import Gallery
from core.interventions.neuron_edit import check_neurons
from core.metrics import target_distribution
from core.ranking.request import RankRequest
from core.scene import Scene
from core.store import array_digest
from core.tables.order import require_few_groups


@dataclass(frozen=True, eq=False)
class Part:
    """The searched rows and their groups."""

    rows: np.ndarray
    """Row numbers in the gallery, int64 (n,), rising."""
    digest: str
    groups: tuple[str, ...]
    """Groups that the searched rows hold, sorted."""
    labels: np.ndarray
    """Place in `groups` of every searched row, int16 (n,); -1 unknown."""
    counts: tuple[int, ...]
    """Searched rows of each group."""
    target: np.ndarray
    """Target share of each group (G,), float64."""
    absent: tuple[str, ...] = ()
    """Groups of the attribute that no searched row has."""
    clusters: np.ndarray | None = None
    """Cluster number of every searched row (n,), where the gallery keeps rows of a person, film or scene together."""

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def unknown(self) -> int:
        """Searched rows without a known group."""
        return self.n - sum(self.counts)

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + self.labels.nbytes


def part_of(scene: Scene, request: RankRequest) -> Part:
    """The searched rows, their groups and the target shares of the part."""
    gallery = scene.gallery
    target = request.target if isinstance(request.target, str) else dict(request.target)
    key = digest_of([gallery.digest, request.half, dict(request.where), request.attribute, target])
    return scene.bench.remember(("part", key), lambda: _part(gallery, request))


def checked(scene: Scene, request: RankRequest, ranked: bool = True) -> Part:
    """The searched rows, where what was asked for can be answered: looked at before a text encoder is loaded.

    Parameters
    ----------
    ranked : the first k rows are wanted, so that there must be k.

    Raises
    ------
    InputError : no such attribute, restriction, half, target or neuron, or more rows wanted than there are.
    """
    part = part_of(scene, request)
    if ranked and request.k > part.n:
        raise InputError(f"k was {request.k}; expected 1 to {part.n}, the number of searched rows: choose a smaller k")
    for side, edit in request.edits.items():
        if side in scene.saes:
            check_neurons(edit, scene.saes[side].sae.config.d_sae)
    return part


def _part(gallery: Gallery, request: RankRequest) -> Part:
    rows = gallery.rows(request.half, request.where)
    every, numbers = gallery.groups(request.attribute), gallery.group_numbers(request.attribute)[rows]
    counts = np.bincount(numbers[numbers >= 0], minlength=len(every))
    present = np.flatnonzero(counts)
    require_few_groups(request.attribute, len(present))
    place = np.full(len(every) + 1, -1, dtype=np.int16)
    place[present] = np.arange(len(present))  # the last entry stays -1: that is where unknown (-1) points
    groups = tuple(every[g] for g in present)
    target = target_distribution(request.target, groups, counts[present].tolist())
    absent = (*(every[g] for g in np.flatnonzero(counts == 0)), *gallery.empty_cells(request.attribute))
    digest = digest_of([gallery.digest, array_digest(rows)])
    together = gallery.clusters()
    clusters = None if together is None else together[rows]
    return Part(rows, digest, groups, place[numbers], tuple(counts[present].tolist()), target, absent, clusters)
