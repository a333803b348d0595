"""The rows that find neurons: who leads, by how much, and that lengths of rows say nothing of either."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from core.edits import probe_set
from core.edits.probe_set import ProbeSet, departures, unit_queries
from core.ranking import RankRequest
from core.scene import Scene
from tests.tiny import TinyBackbone, TinyGallery, sae_file

REQUEST = RankRequest("gender", "unused", k=40, target="uniform", half="evaluation")
QUERY = unit_queries(TinyBackbone().encode_texts(["a photo of a nurse"])["pooled"], 12)[0]


def probe(attach: str = "pooled") -> ProbeSet:
    return probe_set(Scene(TinyGallery(), {"image": sae_file("image", attach)}), REQUEST)


def test_departures_in_standard_errors_by_hand() -> None:
    """Of 100, 60 where 50 are asked for: 10 / sqrt(100 / 4) = 2; 30 where 20 are: 10 / sqrt(16) = 2.5."""
    assert departures(np.array([60, 40]), np.array([0.5, 0.5])).tolist() == [2.0, -2.0]
    np.testing.assert_allclose(departures(np.array([30, 70]), np.array([0.2, 0.8])), [2.5, -2.5])
    assert departures(np.array([1, 19]), np.array([0.0, 1.0])).tolist() == [np.inf, 0.0], "one that should be none"
    assert departures(np.array([0, 20]), np.array([0.0, 1.0])).tolist() == [-np.inf, 0.0]


@pytest.mark.parametrize("long", [0, 1])
def test_who_leads_is_a_matter_of_directions_and_not_of_lengths(long: int) -> None:
    p = probe()
    lengths = np.where(p.part.labels == long, 50.0, 0.02)[:, None]
    stretched = replace(p, material=replace(p.material, pooled=p.material.pooled * lengths))
    unit = p.material.pooled / np.linalg.norm(p.material.pooled, axis=1, keepdims=True)
    top = p.part.labels[np.argsort(-(unit @ QUERY), kind="stable")[: p.k]]
    more = int((top == 1).sum() > (top == 0).sum())
    assert p.leading_group(QUERY) == stretched.leading_group(QUERY) == more
    np.testing.assert_allclose(stretched.lengths, np.linalg.norm(stretched.material.pooled, axis=1), rtol=1e-6)


def test_one_over_the_deviation_of_a_residual_row_is_its_scale() -> None:
    p = probe("residual")
    x = np.asarray(p.material.x, np.float64)
    np.testing.assert_allclose(p.scale, 1 / np.sqrt(x.var(axis=1) + 1e-5), rtol=1e-9)
    assert probe().scale is None


def test_rows_of_a_group_are_kept_where_they_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    p = probe()
    most = max(p._rows(("group", g)).codes.nnz for g in range(2))
    for kept, limit in ((True, most), (False, 0)):
        monkeypatch.setattr(sys.modules["core.edits.probe_set"], "MOST_KEPT", limit)
        again = probe()
        assert (again._rows(("group", 0)) is again._rows(("group", 0))) is kept
