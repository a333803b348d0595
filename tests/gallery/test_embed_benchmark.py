"""The benchmark of embedding compares like with like: the same pictures, the same numbers, all of the time counted."""

import pytest

from tests.backbones import tiny_clip
from tests.benchmarks import embed


def test_a_build_is_measured_against_the_bare_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "SIZES", ((40, 32), (90, 60)))
    resnet = tiny_clip.config({"layers": [1, 1, 1, 1], "width": 8, "head_width": 64})
    configs = {"vit": tiny_clip.config(), "resnet": resnet}
    for config in configs.values():
        config["text_cfg"] = {**config["text_cfg"], "vocab_size": 49408, "context_length": 77}
    found = embed.run(n=5, runs=2, models=configs)
    rows = [row for row in found["rows"] if row["device"] == "cpu"]
    assert [row["model"] for row in rows] == ["vit", "vit", "resnet", "resnet"]
    assert found["ratio"] == min(row["ratio"] for row in found["rows"]) and found["runs"] == 2
    for row in rows:
        assert row["largest_difference"] < 1e-5
        assert row["ratio"] == pytest.approx(row["other"]["median_ms"] / row["ours"]["median_ms"], rel=0.2)
        passed = row["forward_pass"]["median_ms"]
        assert row["over_forward_pass"] == pytest.approx(passed / row["ours"]["median_ms"], rel=0.2)
        assert sum(row["spent_ms"].values()) == pytest.approx(row["ours"]["median_ms"], rel=0.5)
        assert set(row["one_picture_ms"]) == {"read", "crop", "thumbnail"}
