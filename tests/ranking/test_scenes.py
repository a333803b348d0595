"""Inside scenes: gaps against a literal count, a change that pairs, and a gallery that says which rows go together."""

import json

import numpy as np
import pandas as pd
import pytest

from core.cli import main
from core.config import Edit
from core.gallery import Gallery, import_gallery
from core.ranking import RankRequest, rank, scene_arm, scene_change, scene_gaps
from core.ranking.scenes import pair_of
from core.scene import Scene
from tests.tiny import IMAGES, N, TinyBackbone, busy_neurons, sae_file


def literal(scores: np.ndarray, labels: np.ndarray, clusters: np.ndarray, pair: tuple[int, int]) -> list[tuple]:
    """(scene, score gap, rank gap) of every scene with both groups, counted as one would by hand."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    place = {row: at for at, row in enumerate(order, 1)}
    found = []
    for scene in sorted(set(clusters.tolist())):
        of = [[i for i in range(len(scores)) if clusters[i] == scene and labels[i] == g] for g in pair]
        if all(of):
            a, b = (np.mean([scores[i] for i in rows]) for rows in of)
            c, d = (np.mean([place[i] for i in rows]) for rows in of)
            found.append((scene, a - b, c - d))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_gaps_are_those_of_a_literal_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=120).round(1)  # ties
    labels, clusters = rng.integers(-1, 3, 120), rng.integers(0, 30, 120)
    found = scene_gaps(scores, labels, clusters, (0, 2))
    theirs = literal(scores, labels, clusters, (0, 2))
    assert found.scenes.tolist() == [scene for scene, *_ in theirs] and len(theirs) > 5
    np.testing.assert_allclose(found.scores, [gap for _, gap, _ in theirs], atol=1e-12)
    np.testing.assert_allclose(found.ranks, [gap for *_, gap in theirs], atol=1e-9)


def test_what_all_rows_of_a_scene_share_is_no_gap() -> None:
    """A scene that suits the prompt lifts both its rows; only what differs inside counts, and turns with the groups."""
    rng = np.random.default_rng(0)
    clusters, labels = np.arange(80) // 2, np.arange(80) % 2
    scores = 5 * rng.normal(size=40)[clusters] + 0.1 * (labels == 0) + 0.02 * rng.normal(size=80)
    found = scene_arm(scene_gaps(scores, labels, clusters, (0, 1)))
    assert found.score_gap.lo < 0.1 < found.score_gap.hi and found.score_gap.hi - found.score_gap.lo < 0.03
    assert found.ahead.estimate == 1.0 and found.rank_gap.hi < 0 and found.p <= 1e-4 and found.score_gap.n == 40
    other = scene_arm(scene_gaps(scores, labels, clusters, (1, 0)))
    assert other.score_gap.estimate == pytest.approx(-found.score_gap.estimate)
    assert other.ahead.estimate == 0.0 and other.p == found.p


def test_equal_scores_are_half_ahead() -> None:
    gaps = scene_gaps(np.zeros(20), np.arange(20) % 2, np.arange(20) // 2, (0, 1))
    assert gaps.ahead.tolist() == [0.5] * 10 and scene_arm(gaps).p == 1.0


def test_a_change_is_paired() -> None:
    rng = np.random.default_rng(1)
    clusters, labels = np.arange(60) // 2, np.arange(60) % 2
    before = rng.normal(size=60)
    after = before - 0.3 * (labels == 0)
    arms = [scene_gaps(scores, labels, clusters, (0, 1)) for scores in (before, after)]
    change = scene_change(*arms)
    assert (change.score_gap.lo, change.score_gap.hi) == pytest.approx((-0.3, -0.3)) and change.p <= 1e-4
    assert scene_change(arms[0], arms[0]).p == 1.0


def test_of_many_groups_those_that_meet_most_often() -> None:
    clusters = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    labels = np.array([0, 2, 1, 2, 1, 2, -1, 0])
    assert pair_of(labels, clusters, 3) == (1, 2)
    assert pair_of(np.array([0, 0, 1, -1]), np.array([0, 0, 1, 1]), 2) is None


# -- galleries --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """The tiny gallery's pictures, four a scene, the last twelve in none."""
    folder = tmp_path_factory.mktemp("scenes")
    np.save(folder / "x.npy", IMAGES.embeddings("pooled"))
    np.save(folder / "t.npy", TinyBackbone().encode_texts(["a photo of a pilot"])["pooled"])
    frame = pd.DataFrame({"id": [f"i{i}" for i in range(N)], "gender": IMAGES.labels("gender")})
    frame["scene"] = [f"s{i // 4:03}" if i < N - 12 else None for i in range(N)]
    frame.to_csv(folder / "t.csv", index=False)
    pd.DataFrame({"prompt": ["a photo of a pilot"]}).to_csv(folder / "p.csv", index=False)
    texts = {"texts": folder / "t.npy", "text_table": folder / "p.csv"}
    given = {"model_name": "tiny", "out": folder / "g", "together": "scene"}
    return import_gallery(folder / "x.npy", folder / "t.csv", **texts, **given)


ASKED = {"attribute": "gender", "query": "a photo of a pilot", "k": 40, "null_draws": 100}


def test_a_ranking_compares_inside_scenes(gallery: Gallery) -> None:
    found = rank(Scene(gallery), RankRequest(**ASKED)).scenes
    scores = gallery.unit() @ (v := gallery.prompt_embedding("a photo of a pilot")) / np.linalg.norm(v)
    theirs = literal(scores, gallery.group_numbers("gender"), gallery.clusters(), (0, 1))
    assert found.groups == ("Female", "Male") and found.column == "scene" and found.after is None
    assert found.names == tuple(f"s{scene:03}" for scene, *_ in theirs) and found.others == 97 + 12 - len(theirs)
    assert found.before.score_gap.estimate == pytest.approx(np.mean([gap for _, gap, _ in theirs]), abs=1e-5)
    assert found.before.score_gap.n == len(theirs) and 0 <= found.before.ahead.lo <= found.before.ahead.hi <= 1


def test_before_and_after_are_of_the_same_scenes(gallery: Gallery) -> None:
    file = sae_file("image", "pooled")
    edit = Edit(busy_neurons(IMAGES, file, 6))
    scene = Scene(gallery, {"image": file})
    asked = RankRequest(**ASKED, half="evaluation", edits={"image": edit})
    found = rank(scene, asked)
    said = found.to_json()["scenes"]
    assert set(said) == {"column", "n_scenes", "n_others", "groups", "before", "after", "change"}
    gaps = [said[arm]["score_gap"]["estimate"] for arm in ("before", "after", "change")]
    assert gaps[1] - gaps[0] == pytest.approx(gaps[2], abs=1e-9) and gaps[2] != 0
    assert said["n_scenes"] == said["change"]["score_gap"]["n"] < 97
    again = rank(scene, asked)
    assert again.to_json() == found.to_json()


def test_where_there_is_nothing_to_compare(gallery: Gallery) -> None:
    assert rank(Scene(IMAGES, model=TinyBackbone()), RankRequest(**ASKED)).scenes is None
    assert "scenes" not in rank(Scene(IMAGES, model=TinyBackbone()), RankRequest(**ASKED)).to_json()
    one = rank(Scene(gallery), RankRequest(**ASKED | {"k": 3}, where={"gender": "Male"}))
    assert one.scenes is None
    alone = rank(Scene(gallery), RankRequest(**ASKED | {"k": 3}, where={"scene": "unknown"})).to_json()["scenes"]
    assert alone["n_scenes"] == 0 and "no scene" in alone["reason"]


def test_the_command_line(gallery: Gallery, capsys: pytest.CaptureFixture) -> None:
    asked = ["rank", "--gallery", str(gallery.path), "--query", "a photo of a pilot", "--attribute", "gender"]
    assert main([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["scenes"]
    assert said["column"] == "scene" and set(said["before"]) == {"score_gap", "rank_gap", "ahead", "p"}
    assert main(asked) == 0
    assert "scenes (by scene), Female minus Male:" in capsys.readouterr().out
