"""Synthetic galleries look like CLIP embeddings where it matters, and the seed decides them."""

import os
from pathlib import Path

import numpy as np
import pytest

from core.config import InputError
from core.gallery import synth_gallery


def test_statistics_are_clip_like(tmp_path: Path) -> None:
    gallery = synth_gallery(3000, 256, tmp_path / "g")
    unit = gallery.unit()
    similarity = unit[:1500] @ unit[1500:].T
    assert 0.4 < similarity.mean() < 0.6, "a cone, about .5"
    norms = np.linalg.norm(gallery.embeddings(), axis=1)
    assert 8 < norms.mean() < 12 and 0.5 < norms.std() < 2
    counts = gallery.group_counts("gender")
    assert counts["Male"] > counts["Female"] > 1000 and 30 < counts["unknown"] < 90
    women, men = (unit[gallery.rows(where={"gender": g})] for g in ("Female", "Male"))
    axis = men.mean(0) - women.mean(0)
    assert (men @ axis).mean() > (women @ axis).mean() + 0.005, "groups can be told apart"
    assert gallery.check() == []


def test_the_seed_decides_and_bad_sizes_are_refused(tmp_path: Path) -> None:
    first, again, other = (synth_gallery(100, 8, tmp_path / n, seed=s) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    assert first.digest == again.digest != other.digest
    with pytest.raises(InputError, match="n was 0"):
        synth_gallery(0, 8, tmp_path / "d")
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "c"]
