"""Published data sets, made small in their official layouts; what is broken about one is a line that names it."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.config import InputError
from core.datasets import DATASETS, ItemTable
from core.datasets.utkface import age_band


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, format="PNG")


def read(name: str, root: Path, **choices) -> ItemTable:
    return DATASETS.get(name)().items(root, **choices)


def refusal(name: str, root: Path) -> str:
    with pytest.raises(InputError) as error:
        read(name, root)
    assert "\n" not in str(error.value)
    return str(error.value)


# -------------------------------------------------------------------------------------------------- FairFace


@pytest.fixture
def fairface(tmp_path: Path) -> Path:
    root = tmp_path / "FairFace"
    for part, rows in (("train", (("1", "0-2", "Male", "White"), ("2", "more than 70", "Female", "Latino_Hispanic"))),
                       ("val", (("1", "30-39", "Female", "Black"), ("2", "20-29", "Male", "Indian")))):  # fmt: skip
        for number, *_ in rows:
            picture(root / part / f"{number}.jpg")
        lines = [f"{part}/{n}.jpg,{age},{gender},{race},True" for n, age, gender, race in rows]
        (root / f"fairface_label_{part}.csv").write_text("file,age,gender,race,service_test\n" + "\n".join(lines))
    return root


def test_fairface_parts_become_halves(fairface: Path) -> None:
    items = read("fairface", fairface)
    assert items.frame["id"].tolist() == ["train/1.jpg", "train/2.jpg", "val/1.jpg", "val/2.jpg"]
    assert items.attributes == ["gender", "race", "age"] and items.kind == "images"
    assert items.frame["race"].tolist() == ["White", "Latino_Hispanic", "Black", "Indian"]
    assert items.halves == ("probe", "probe", "evaluation", "evaluation")
    assert items.official == "FairFace: train is probe, val is evaluation"
    assert items.licence == "CC BY 4.0" and "perceived" in items.provenance


def test_fairface_with_one_part_is_split_by_the_gallery(fairface: Path) -> None:
    (fairface / "fairface_label_train.csv").unlink()
    items = read("fairface", fairface)
    assert len(items.frame) == 2 and items.halves is None and items.official is None


def test_fairface_broken(fairface: Path) -> None:
    (fairface / "val" / "2.jpg").unlink()
    assert read("fairface", fairface).left_out == (("val/2.jpg", "in fairface_label_*.csv but not in the folder"),)
    (fairface / "fairface_label_val.csv").write_text("file,age,gender\nval/1.jpg,0-2,Male\n")
    (fairface / "fairface_label_train.csv").unlink()
    assert "no column 'race'" in refusal("fairface", fairface)
    (fairface / "fairface_label_val.csv").unlink()
    assert "neither fairface_label_train.csv nor" in refusal("fairface", fairface)


# --------------------------------------------------------------------------------------------------- UTKFace


def test_utkface_names_carry_labels_and_malformed_names_are_reported(tmp_path: Path) -> None:
    names = ("26_1_2_20170104.jpg", "71_0_4_20170105.jpg.chip.jpg", "61_1_20170109.jpg", "20_2_0_1.jpg")
    for name in names:
        picture(tmp_path / "images" / name)
    items = read("utkface", tmp_path)
    assert items.frame["file"].tolist() == ["images/26_1_2_20170104.jpg", "images/71_0_4_20170105.jpg.chip.jpg"]
    assert items.frame[["gender", "race", "age"]].values.tolist() == [
        ["Female", "Asian", "20-29"],
        ["Male", "Others", "more than 70"],
    ]
    assert [one.name for one in items.left_out] == ["images/20_2_0_1.jpg", "images/61_1_20170109.jpg"]
    assert items.halves is None


def test_utkface_without_a_single_good_name(tmp_path: Path) -> None:
    picture(tmp_path / "cat.jpg")
    assert "age_gender_race_date.jpg (the first is 'cat.jpg')" in refusal("utkface", tmp_path)
    (tmp_path / "cat.jpg").unlink()
    assert "holds no picture" in refusal("utkface", tmp_path)


@pytest.mark.parametrize(
    ("age", "band"), [(0, "0-2"), (2, "0-2"), (3, "3-9"), (10, "10-19"), (69, "60-69"), (70, "more than 70")]
)
def test_age_bands_are_fairfaces(age: int, band: str) -> None:
    assert age_band(age) == band


# ---------------------------------------------------------------------------------------------------- CelebA


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    for number in (1, 2, 3):
        picture(tmp_path / "Img" / "img_align_celeba" / f"00000{number}.jpg")
    rows = ["000001.jpg -1  1 -1", "000002.jpg  1 -1  1", "000003.jpg  1  1 -1"]
    (tmp_path / "Anno").mkdir()
    (tmp_path / "Anno" / "list_attr_celeba.txt").write_text("3\nBald Male Young\n" + "\n".join(rows) + "\n")
    (tmp_path / "Eval").mkdir()
    (tmp_path / "Eval" / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    return tmp_path


def test_celeba(celeba: Path) -> None:
    items = read("celeba", celeba)
    assert items.attributes == ["gender", "Bald", "Young"]
    assert items.frame["gender"].tolist() == ["Male", "Female", "Male"]
    assert items.frame["Bald"].tolist() == ["no", "yes", "yes"]
    assert items.frame["file"].iloc[0] == "Img/img_align_celeba/000001.jpg"
    assert items.halves == ("probe", "probe", "evaluation") and items.official.endswith("2 is evaluation")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Bald Male\n000001.jpg 1 1\n000002.jpg 1 1\n", "does not begin with the number"),
        ("1\nBald Young\n000001.jpg 1 1\n", "no attribute Male"),
        ("1\nBald Male\n000001.jpg 1\n", "line 3 does not hold a file name and 2 times 1 or -1"),
        ("1\nBald Male\n000001.jpg 1 0\n", "line 3 does not hold"),
    ],
)
def test_celeba_broken(celeba: Path, text: str, words: str) -> None:
    (celeba / "Anno" / "list_attr_celeba.txt").write_text(text)
    assert words in refusal("celeba", celeba)


def test_celeba_partition_that_lacks_a_picture(celeba: Path) -> None:
    (celeba / "Eval" / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n")
    assert "gives 000003.jpg the part None" in refusal("celeba", celeba)


# ------------------------------------------------------------------------------------------------ Waterbirds


@pytest.fixture
def waterbirds(tmp_path: Path) -> Path:
    root = tmp_path / "waterbird_complete95_forest2water2"
    rows = []
    for i, (y, split, place) in enumerate(((0, 0, 0), (1, 1, 1), (1, 2, 0))):
        picture(root / "001.Bird" / f"{i}.jpg")
        rows.append(f"{i},001.Bird/{i}.jpg,{y},{split},{place},/x/{i}.jpg")
    (root / "metadata.csv").write_text("img_id,img_filename,y,split,place,place_filename\n" + "\n".join(rows))
    return tmp_path


def test_waterbirds_from_either_folder(waterbirds: Path) -> None:
    for root in (waterbirds, waterbirds / "waterbird_complete95_forest2water2"):
        items = read("waterbirds", root)
        assert items.attributes == ["bird type", "background"]
        assert items.frame["bird type"].tolist() == ["land bird", "water bird", "water bird"]
        assert items.frame["background"].tolist() == ["land background", "water background", "land background"]
        assert items.halves == ("probe", "probe", "evaluation")


def test_waterbirds_broken(waterbirds: Path) -> None:
    path = waterbirds / "waterbird_complete95_forest2water2" / "metadata.csv"
    path.write_text(path.read_text().replace(",2,0,", ",7,0,"))
    assert "row 3 has split '7'; expected 0, 1, 2" in refusal("waterbirds", waterbirds)
    path.write_text("img_filename,y\n001.Bird/0.jpg,0\n")
    assert "no column 'place'" in refusal("waterbirds", waterbirds)
    path.unlink()
    assert "has no metadata.csv" in refusal("waterbirds", waterbirds)


# --------------------------------------------------------------------------------------------- COCO captions


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    for part, first in (("train", 10), ("val", 20)):
        captions = [{"id": first + i, "image_id": 1, "caption": f"a {part} \n caption {i}"} for i in range(2)]
        path = tmp_path / "annotations" / f"captions_{part}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": captions}))
    return tmp_path


def test_coco_captions_have_no_guessed_groups(coco: Path) -> None:
    items = read("coco-captions", coco)
    assert items.kind == "captions" and items.attributes == []
    assert items.frame["id"].tolist() == ["10", "11", "20", "21"] and items.frame["text"].iloc[0] == "a train caption 0"
    assert items.halves == ("probe", "probe", "evaluation", "evaluation")
    (coco / "gender.csv").write_text("id,gender\n10,Female\n21,Male\n")
    with_groups = read("coco-captions", coco, table=coco / "gender.csv")
    assert with_groups.frame["gender"].fillna("-").tolist() == ["Female", "-", "-", "Male"]
    one = read("coco-captions", coco / "annotations" / "captions_val2017.json")
    assert len(one.frame) == 2 and one.halves is None


def test_coco_broken(coco: Path) -> None:
    path = coco / "annotations" / "captions_train2017.json"
    path.write_text(json.dumps({"annotations": [{"id": 1, "caption": "ok"}, {"id": 2}]}))
    assert "annotation 2 has no id or no caption" in refusal("coco-captions", coco)
    path.write_text(json.dumps([1]))
    assert "no list 'annotations'" in refusal("coco-captions", coco)
    path.write_text("{")
    assert "is no JSON" in refusal("coco-captions", coco)
    path.unlink()
    (coco / "annotations" / "captions_val2017.json").unlink()
    assert "holds no captions_train*.json" in refusal("coco-captions", coco)


# ---------------------------------------------------------------------------------------------- Bias in Bios


@pytest.fixture
def bios(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for part, gender in (("train", 0), ("dev", 1), ("test", 1)):
        columns = {"hard_text": [f"{part} text", "more"], "profession": [13, 0], "gender": [gender, 1 - gender]}
        pd.DataFrame(columns).to_parquet(tmp_path / "data" / f"{part}-00000-of-00001.parquet")
    return tmp_path


def test_bias_in_bios(bios: Path) -> None:
    items = read("bias-in-bios", bios)
    assert len(items.frame) == 6 and items.attributes == ["gender", "profession"]
    by_id = items.frame.set_index("id")
    first = by_id.loc["train-00000-of-00001 1", ["text", "gender", "profession"]].tolist()
    assert first == ["train text", "Male", "nurse"]
    half = dict(zip(items.frame["id"], items.halves, strict=True))
    assert half["dev-00000-of-00001 2"] == "probe" and half["test-00000-of-00001 1"] == "evaluation"


def test_bias_in_bios_is_never_unpickled(bios: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    monkeypatch.setattr(pickle, "load", lambda *a, **k: pytest.fail("a pickle was opened"))
    monkeypatch.setattr(pickle, "loads", lambda *a, **k: pytest.fail("a pickle was opened"))
    (bios / "BIOS.pkl").write_bytes(b"\x80\x04.")
    assert "a pickle can run anything" in refusal("bias-in-bios", bios / "BIOS.pkl")
    for path in (bios / "data").iterdir():
        path.unlink()
    assert "BIOS.pkl is a pickle and is not opened" in refusal("bias-in-bios", bios)


def test_bias_in_bios_broken(bios: Path) -> None:
    path = bios / "train.csv"
    path.write_text("hard_text,profession,gender\na,nurse,F\nb,nurse,x\n")
    assert "row 2 has gender 'x'" in refusal("bias-in-bios", path)
    path.write_text("hard_text,gender\na,F\n")
    assert "no column 'profession'" in refusal("bias-in-bios", path)


# ---------------------------------------------------------------------------------------------- Hugging Face


class Image_:
    pass


Image_.__name__ = "Image"
Value = type("Value", (), {})
ClassLabel = type("ClassLabel", (), {"names": ["Female", "Male"]})


class Part:
    """The part of a data set that is read: length, columns, rows, features."""

    def __init__(self, features: dict, columns: dict) -> None:
        self.features, self.columns = features, columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        return {name: values[key] for name, values in self.columns.items()}


def library(monkeypatch: pytest.MonkeyPatch, data: dict) -> None:
    module = ModuleType("datasets")
    module.load_dataset = module.load_from_disk = lambda name: data
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_hugging_face_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    features = {"text": Value(), "gender": ClassLabel(), "scores": SimpleNamespace()}
    columns = {"text": ["a", "b"], "gender": [1, -1], "scores": [[1], [2]]}
    library(monkeypatch, {"train": Part(features, columns), "test": Part(features, columns)})
    items = read("hugging-face", Path("owner/captions"))
    assert items.kind == "captions" and items.attributes == ["gender"]
    assert items.frame["id"].tolist() == ["train 0", "train 1", "test 0", "test 1"]
    assert items.frame["gender"].fillna("-").tolist() == ["Male", "-", "Male", "-"]
    assert items.halves == ("probe", "probe", "evaluation", "evaluation")


def test_hugging_face_pictures_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    features = {"image": Image_(), "age": Value()}
    columns = {"image": [Image.new("L", (5, 6)), None], "age": [23, 31]}
    library(monkeypatch, {"train": Part(features, columns)})
    items = read("hugging-face", Path("owner/faces"))
    assert items.frame["file"].tolist() == ["train 0", "train 1"] and items.halves is None
    assert items.read("train 0").image.size == (5, 6) and items.read("train 0").image.mode == "RGB"
    with pytest.raises(InputError, match="train 1 has no picture"):
        items.read("train 1")


def test_hugging_face_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "library 'datasets', which is not installed" in refusal("hugging-face", Path("owner/faces"))


def test_hugging_face_without_content(monkeypatch: pytest.MonkeyPatch) -> None:
    library(monkeypatch, {"train": Part({"label": Value()}, {"label": [1]})})
    assert "neither a picture column nor" in refusal("hugging-face", Path("owner/numbers"))


# ------------------------------------------------------------------------------------------- into a gallery


def test_an_official_split_is_the_gallerys_split(fairface: Path, tmp_path: Path) -> None:
    from core.gallery import build_gallery
    from tests.gallery.test_building import FakeBackbone

    gallery = build_gallery(read("fairface", fairface), FakeBackbone(), tmp_path / "gallery")
    halves = dict(zip(gallery.table["id"], gallery.table["half"], strict=True))
    assert {item for item, half in halves.items() if half == "probe"} == {"train/1.jpg", "train/2.jpg"}
    assert gallery.manifest["split"]["official"] == "FairFace: train is probe, val is evaluation"
    assert np.array_equal(gallery.rows("probe"), [0, 1])
