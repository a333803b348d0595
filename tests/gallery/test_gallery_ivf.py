"""The index of a gallery on disk: made in steps, bound to its gallery, and used only where somebody says so."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core import ranking
from core.cli import main
from core.config import Edit, InputError
from core.gallery import Gallery, build_ivf, open_gallery, open_ivf, synth_gallery
from core.gallery.ivf import QUERIES, k_means
from core.ranking import RankRequest
from core.scene import Scene
from core.statistics import wilson

N, D, LISTS = 2000, 24, 16


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return synth_gallery(N, D, tmp_path / "g", seed=1)


def request(gallery: Gallery, **choices) -> RankRequest:
    given = {"query_embedding": np.asarray(gallery.embeddings()[7], np.float64), "k": 40, "null_draws": 50}
    return RankRequest("gender", **given | choices)


@pytest.mark.parametrize("half", ["all", "evaluation"])
def test_every_list_gives_the_exact_result(gallery, half):
    ivf = build_ivf(gallery, LISTS)
    exact = ranking.rank(Scene(gallery), request(gallery, half=half))
    found = ranking.approximate_rank(Scene(gallery), request(gallery, half=half), ivf, LISTS)
    np.testing.assert_array_equal(found.before.rows, exact.before.rows)
    assert found.before.metrics == exact.before.metrics
    said = found.to_json()["index"]
    assert said["approximate"] and said["recall"]["estimate"] == 1.0 and said["looked_at"] == exact.part.n
    assert "index" not in exact.to_json()


def test_some_lists_say_what_they_miss(gallery):
    ivf = build_ivf(gallery, LISTS)
    few = ranking.approximate_rank(Scene(gallery), request(gallery), ivf, 6)
    said = few.to_json()["index"]
    assert 0 < said["looked_at"] < N and said["recall"]["n"] == QUERIES and said["probes"] == 6
    assert few.notes[0].startswith("approximate ranking") and "measured recall@40" in few.notes[0]
    chosen = ranking.approximate_rank(Scene(gallery), request(gallery), ivf).to_json()["index"]
    assert chosen["recall"]["estimate"] >= 0.95 and chosen["recall"]["lo"] <= chosen["recall"]["hi"] <= 1.0
    fewer = ranking.recall_of(ivf, chosen["probes"] - 1, 40) if chosen["probes"] > 1 else None
    assert fewer is None or fewer.estimate < 0.95


def test_a_mean_recall_has_an_interval_between_none_and_all():
    def measured(*values: float):
        return SimpleNamespace(recall=SimpleNamespace(at=lambda inverted, probes, k: np.array(values)), inverted=None)

    every = ranking.recall_of(measured(1.0, 1.0, 1.0, 1.0), 3, 10)
    assert (every.estimate, every.hi, every.n) == (1.0, 1.0, 4) and every.lo == pytest.approx(wilson(4, 4)[0])
    some = ranking.recall_of(measured(0.75, 1.0, 1.0, 0.85), 3, 10)
    assert some.estimate == pytest.approx(0.9) and 0.5 < some.lo < 0.9 < some.hi <= 1.0


def test_an_interrupted_build_goes_on_and_gives_the_same(gallery, monkeypatch):
    monkeypatch.setattr("core.gallery.ivf.CHUNK", 300)
    whole = build_ivf(gallery, LISTS).about["files"]
    found = []

    def stop(done: int, total: int, what: str) -> None:
        found.append(what)
        if what.startswith("sorting") and done >= 900:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_ivf(gallery, LISTS, progress=stop)
    assert open_ivf(gallery).about["files"] == whole  # the older one is still there
    again: list[str] = []
    monkeypatch.setattr("core.gallery.ivf.k_means", lambda *a: again.append("k-means") or k_means(*a))
    assert build_ivf(gallery, LISTS).about["files"] == whole
    assert again == [] and found[0] == "finding centres"
    assert not (gallery.path / ".ivf.partial").exists()


def test_bound_to_its_gallery(gallery, tmp_path):
    with pytest.raises(InputError, match="has no IVF index; make it with: gallery index"):
        open_ivf(gallery)
    build_ivf(gallery, LISTS)
    assert gallery.check() == []
    other = synth_gallery(N, D, tmp_path / "other", seed=2)
    shutil.copytree(gallery.path / "ivf", other.path / "ivf")
    with pytest.raises(InputError, match="stale or of another gallery"):
        open_ivf(other)
    path = gallery.path / "ivf" / "members.npy"
    path.write_bytes(path.read_bytes()[:-4] + b"abcd")
    assert gallery.check() == ["ivf/members.npy is missing or was changed after it was written"]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"members\.npy is missing or has not the"):
        open_ivf(gallery)


def test_edits_are_refused_and_so_are_wrong_choices(gallery):
    ivf = build_ivf(gallery, LISTS)
    for choices in ({"edits": {"image": Edit((1,))}}, {"method": "mean-difference"}):
        with pytest.raises(InputError, match="the live engine ranks them exactly and faster"):
            ranking.approximate_rank(Scene(gallery), request(gallery, **choices), ivf)
    with pytest.raises(InputError, match="recall of this index was measured up to 1000"):
        ranking.approximate_rank(Scene(gallery), request(gallery, k=1001), ivf)
    for lists in (0, N + 1):
        with pytest.raises(InputError, match=f"lists was {lists}; expected 1 to {N}"):
            build_ivf(gallery, lists)
    with pytest.raises(InputError, match="expected finite numbers"):
        build_ivf(gallery, LISTS, queries=np.ones((3, D + 1)))


def test_at_the_command_line(gallery, tmp_path, capsys):
    np.save(tmp_path / "q.npy", np.asarray(gallery.embeddings()[3]))
    asked = ["rank", "--gallery", str(gallery.path), "--query-embedding", f"{tmp_path}/q.npy"]
    asked += ["--attribute", "gender", "--k", "30"]
    assert main([*asked, "--index", "ivf"]) == 2
    assert "gallery index" in capsys.readouterr().err
    assert main(["gallery", "index", str(gallery.path), "--lists", "16", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["gallery"] == open_gallery(gallery.path).digest and {one["k"] for one in made["recall"]} == {100, 1000}
    assert main([*asked, "--index", "ivf", "--probes", "16", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main([*asked, "--json"]) == 0
    exact = json.loads(capsys.readouterr().out)
    assert found["before"]["ids"] == exact["before"]["ids"] and found["index"]["approximate"]
    assert main([*asked, "--index", "ivf"]) == 0
    assert "measured recall@30" in capsys.readouterr().out
    for wrong in (["--probes", "3"], ["--index", "hnsw"], ["--index", "ivf", "--probes", "17"]):
        assert main([*asked, *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
