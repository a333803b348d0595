"""What belongs together stays in one half, the halves stay balanced, and old galleries know nothing of it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli import main
from core.config import InputError
from core.datasets.base import ItemTable
from core.gallery import build_gallery, import_gallery, open_gallery
from core.gallery.together import clusters_of, require_together, split_together
from tests.ui.world import SmallModel

ATTRIBUTES = ["gender", "race", "age"]


def items(n: int, persons: int, seed: int = 0) -> pd.DataFrame:
    """Pictures of persons: gender and race are a person's, age a picture's; some are of nobody known."""
    rng = np.random.default_rng(seed)
    person = rng.integers(persons, size=n)
    columns = {
        "gender": rng.choice(["F", "M"], persons, p=[0.3, 0.7])[person],
        "race": rng.choice(list("ABCD"), persons, p=[0.5, 0.3, 0.15, 0.05])[person],
        "age": rng.choice(["old", "young"], n),
    }
    frame = pd.DataFrame(
        {"id": [f"i{i}" for i in range(n)], **columns, "person": [f"p{p}" for p in person]}, dtype="str"
    )
    return frame.mask(pd.DataFrame(rng.random(frame.shape) < [0, 0.02, 0.1, 0, 0.05], columns=frame.columns))


def imbalance(frame: pd.DataFrame, name: str, probe: np.ndarray) -> int:
    return int(pd.Series(np.where(probe, 1, -1)).groupby(frame[name].fillna("?")).sum().abs().max())


@pytest.mark.parametrize("seed", range(3))
def test_a_person_is_in_one_half_and_the_halves_are_balanced(seed: int) -> None:
    frame = items(1500, 250, seed)
    probe = split_together(frame, ATTRIBUTES, "person", seed) == "probe"
    assert (pd.Series(probe).groupby(frame["person"]).nunique() == 1).all()
    assert abs(2 * int(probe.sum()) - 1500) <= 12
    for name in ATTRIBUTES:  # persons dealt by a coin are 30 to 130 rows apart
        assert imbalance(frame, name, probe) <= 12, name


def test_the_order_of_the_rows_plays_no_part_and_the_seed_does() -> None:
    frame = items(600, 100)
    halves = pd.Series(split_together(frame, ATTRIBUTES, "person", 3), index=frame["id"])
    mixed = frame.sample(frac=1, random_state=1).reset_index(drop=True)
    again = pd.Series(split_together(mixed, ATTRIBUTES, "person", 3), index=mixed["id"])
    assert (again[halves.index] == halves).all()
    other = split_together(frame, ATTRIBUTES, "person", 4)
    assert 0.2 < (halves.to_numpy() == other).mean() < 0.8


def test_two_clusters_are_a_half_each_however_unequal() -> None:
    frame = pd.DataFrame({"id": [f"i{i}" for i in range(30)], "film": ["long"] * 29 + ["short"]})
    assert len(set(split_together(frame, [], "film", 0))) == 2


def test_a_row_without_a_value_is_by_itself() -> None:
    found = clusters_of(pd.Series(["b", None, "a", "b", None]))
    assert found.numbers.tolist() == [1, 2, 0, 1, 3] and (found.n, found.alone) == (4, 2)


@pytest.mark.parametrize(
    ("column", "said"),
    [("scene", "no column 'scene'.*its columns are: one, each"), ("one", "all 4 rows"), ("each", "no two rows")],
)
def test_a_column_that_keeps_nothing_or_everything_is_refused(column: str, said: str) -> None:
    frame = pd.DataFrame({"id": list("wxyz"), "one": ["s"] * 4, "each": ["a", "b", None, None]})
    with pytest.raises(InputError, match=said) as told:
        require_together(frame, column, "t.csv")
    assert "\n" not in str(told.value)


# -- galleries --------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Embeddings of 40 pictures of ten scenes, four each, and two of none."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(42, 5)).astype(np.float32))
    frame = pd.DataFrame({"id": [f"i{i}" for i in range(42)], "gender": list("FM") * 21})
    frame["scene"] = [f"s{i // 4}" for i in range(40)] + ["", "unknown"]
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


def imported(files: Path, out: str, **options: object):
    return import_gallery(files / "x.npy", files / "t.csv", model_name="m", out=files / out, **options)


def test_an_import_keeps_scenes_together_and_says_so(files: Path) -> None:
    gallery = imported(files, "g", together="scene")
    clusters = gallery.clusters()
    halves = gallery.table["half"]
    assert (halves.groupby(clusters).nunique() == 1).all()
    assert [len(set(clusters[4 * s : 4 * s + 4])) for s in range(10)] == [1] * 10 and len(set(clusters)) == 12
    assert gallery.manifest["split"]["together"] == {"column": "scene", "clusters": 12, "alone": 2}
    assert any("2 items have no scene" in note for note in gallery.manifest["notes"])
    assert gallery.together == "scene" and gallery.attributes == ["gender"], "a scene is no group of people"
    assert gallery.rows(where={"scene": "s3"}).tolist() == [12, 13, 14, 15]
    assert not clusters.flags.writeable and gallery.check() == []


def test_a_gallery_without_is_what_it_was(files: Path) -> None:
    plain = imported(files, "plain")
    assert plain.clusters() is None and plain.together is None and "scene" in plain.attributes
    assert plain.manifest["split"] == {"seed": 0, "whole": None}
    shipped = open_gallery("default")
    assert shipped.clusters() is None and shipped.check() == []


def test_a_whole_set_keeps_its_clusters(files: Path) -> None:
    gallery = imported(files, "probe", together="scene", whole="probe")
    assert set(gallery.table["half"]) == {"probe"} and len(set(gallery.clusters())) == 12


def test_a_manifest_that_names_another_column_is_refused(files: Path) -> None:
    gallery = imported(files, "g", together="scene")
    manifest = gallery.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"column": "scene"', '"column": "scenes"'))
    with pytest.raises(InputError, match="no column 'scenes'"):
        open_gallery(gallery.path)


@pytest.mark.parametrize(("halves", "stands"), [("ppppeeee", True), ("ppepeeee", False)])
def test_an_official_split_stands_unless_it_divides(tmp_path: Path, halves: str, stands: bool) -> None:
    frame = pd.DataFrame({"id": list("abcdefgh"), "text": [f"t{i}" for i in range(8)], "film": list("11112222")})
    named = tuple({"p": "probe", "e": "evaluation"}[h] for h in halves)
    table = ItemTable(frame, "captions", "c.csv", halves=named, official="theirs: train is probe")
    gallery = build_gallery(table, SmallModel(), tmp_path / "g", together="film")
    kept = gallery.table["half"]
    assert (kept.tolist() == list(named)) == stands and (kept.groupby(frame["film"]).nunique() == 1).all()
    assert ("official" in gallery.manifest["split"]) == stands
    assert any("divides 1 of 2 clusters of film" in note for note in gallery.manifest["notes"]) != stands


def test_the_column_is_asked_for_before_anything_is_embedded(tmp_path: Path) -> None:
    class Never(SmallModel):
        def encode_texts(self, *args: object, **kwargs: object) -> dict:
            raise AssertionError("embedded")

    frame = pd.DataFrame({"id": list("ab"), "text": ["x", "y"], "film": ["1", "2"]})
    with pytest.raises(InputError, match="no two rows"):
        build_gallery(ItemTable(frame, "captions", "c.csv"), Never(), tmp_path / "g", together="film")
    assert not (tmp_path / "g").exists()


def test_the_command_line(files: Path, capsys: pytest.CaptureFixture) -> None:
    given = ["gallery", "import", "--embeddings", f"{files}/x.npy", "--table", f"{files}/t.csv", "--model-name", "m"]
    assert main([*given, "--out", f"{files}/g", "--together", "scene", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["split"]["together"] == {"column": "scene", "clusters": 12, "alone": 2}
    assert main(["gallery", "info", f"{files}/g"]) == 0
    assert "rows with the same scene (12 clusters, 2 items without one by themselves)" in capsys.readouterr().out
    assert main([*given, "--out", f"{files}/h", "--together", "nothing"]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (files / "h").exists()
