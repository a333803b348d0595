"""A ranking from an inverted file: of the untouched gallery alone, and never without its measured recall."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.config import InputError, digest_of
from core.gallery import GalleryIvf
from core.ranking.lists import arm_digest, measure
from core.ranking.queries import embed_query
from core.ranking.request import RankRequest
from core.ranking.results import ArmResult, RankResult
from core.ranking.rows import part_of
from core.ranking.steps import digests_of, notes_of
from core.retrieval import IvfIndex, require_k, unit_query
from core.scene import Scene
from core.statistics import Estimate, depth_for, mean_of

WANTED_RECALL = 0.95
"""Mean recall@k of the lists that are looked at where nobody says how many."""


@dataclass(frozen=True)
class ApproximateSearch:
    """How a ranking was found that looked at some rows alone."""

    lists: int
    probes: int
    looked_at: int
    """Searched rows whose exact cosine was computed."""
    n: int
    """Searched rows."""
    k: int
    recall: Estimate
    """Mean share of the exact first k of the whole gallery that such searches return, over `queries`."""
    queries: str
    digest: str

    def to_json(self) -> dict[str, Any]:
        said = {name: getattr(self, name) for name in ("lists", "probes", "looked_at", "k", "digest")}
        recall = {**self.recall.to_json(), "queries": self.queries}
        return {"kind": "ivf", "approximate": True, **said, "recall": recall, "note": self.note}

    @property
    def note(self) -> str:
        """The same in one sentence."""
        found = self.recall
        interval = "" if found.lo is None else f"{found.lo:.3f} to {found.hi:.3f}, "
        return (
            f"approximate ranking: {self.looked_at:,} of {self.n:,} rows were looked at ({self.probes} of {self.lists} "
            f"lists); scores are exact, rows may be missing; measured recall@{self.k} {found.estimate:.3f} "
            f"({interval}n = {found.n}: {self.queries})"
        )


def recall_of(ivf: GalleryIvf, probes: int, k: int) -> Estimate:
    """Mean recall@k over the queries on which it was measured, with Student's interval in [0, 1]; 1: none is missed."""
    return mean_of(ivf.recall.at(ivf.inverted, probes, k), (0.0, 1.0))


def approximate_rank(scene: Scene, request: RankRequest, ivf: GalleryIvf, probes: int | None = None) -> RankResult:
    """Who the query retrieves among the rows of the lists nearest to it, with the recall that this has.

    Parameters
    ----------
    ivf : the gallery's inverted file.
    probes : lists that are looked at; None: as many as give a mean recall@k of 0.95 on the measured queries.

    Raises
    ------
    InputError : an edit or a method was asked for; k is larger than recall was measured at; too few rows looked at.
    """
    if request.intervenes:
        raise InputError(
            "an IVF index ranks the untouched gallery alone, and an edit was asked for: edited rows have left their "
            "lists, and the live engine ranks them exactly and faster; leave out the index"
        )
    if request.k > ivf.recall.depth:
        raise InputError(
            f"k was {request.k}; recall of this index was measured up to {ivf.recall.depth}: choose a smaller k or "
            "use the exact index"
        )
    part, queries = part_of(scene, request), embed_query(scene, request)
    vector = queries.vectors("identity", None)[0]
    probes = ivf.recall.probes_for(ivf.inverted, request.k, WANTED_RECALL) if probes is None else probes
    rows = None if part.n == scene.gallery.n else part.rows
    index = IvfIndex(ivf.rows, ivf.lengths, ivf.inverted, probes, rows)
    require_k(request.k, index.n)
    unit = unit_query(vector, index.d)

    def make() -> ArmResult:
        return measure(scene.gallery, part, request, index.search(unit, min(depth_for(request.k), part.n)))

    digest = arm_digest(digest_of([part.digest, ivf.digest, probes]), unit, request)
    ranked = scene.bench.remember(("arm", digest), make)
    recall = recall_of(ivf, probes, request.k)
    lists, looked_at = len(ivf.inverted), index.looked_at(vector)
    search = ApproximateSearch(lists, probes, looked_at, part.n, request.k, recall, ivf.about["queries"], ivf.digest)
    digests: Mapping[str, Any] = digests_of(queries.fitter, vector) | {"index": ivf.digest}
    notes = (search.note, *queries.notes, *notes_of(part, queries.fitter))
    return RankResult(request, part, digests, notes, ranked, index=search.to_json())
