"""The benchmark for a GPU runs on a CPU with small sizes, says so, and answers as in memory."""

import torch

from tests.benchmarks import gpu


def test_every_part_runs_with_small_sizes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = gpu.run(n=1500, runs=2)
    assert found["device"] == "cpu, small sizes" and "skipped" in found["training"]
    assert found["engine"]["as_in_memory"] and found["engine"]["rows"] == 1500
    assert found["engine"]["switch_ms"] > 0 and found["engine"]["slider_ms"] > 0
    assert found["embedding"]["ratio"] > 0 and {row["device"] for row in found["embedding"]["rows"]} == {"cpu"}
    assert found["first edits"]["blend_s"] > 0 and found["first edits"]["error-preserving_s"] > 0
