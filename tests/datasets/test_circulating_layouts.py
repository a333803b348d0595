"""Small copies of layouts in the form in which they circulate: tar shards, Parquet, folders, COCO, LVIS."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.cli import main
from core.config import InputError
from core.datasets import DATASETS, ItemTable
from core.gallery import open_gallery


def jpeg(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (12, 12), (shade, 10, 255 - shade)).save(out, "JPEG")
    return out.getvalue()


def read(name: str, root: Path) -> ItemTable:
    return DATASETS.get(name)().items(root)


def shard(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as out:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))


def shade_of(items: ItemTable, row: int) -> int:
    assert items.read is not None
    return items.read(items.frame["file"].iloc[row]).image.getpixel((3, 3))[0]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for number in range(2):
        files: dict[str, bytes] = {}
        for i in range(3):
            key = f"{number}{i:04}"
            said = {"gender": "FM"[i % 2], "url": f"https://a.example/{key}", "width": 12, "box": [1, 2]}
            files |= {f"{key}.jpg": jpeg(40 * i + 10 * number), f"{key}.json": json.dumps(said).encode()}
            files[f"{key}.txt"] = f"a person {i}".encode()
        shard(tmp_path / "wds" / f"{number:05}.tar", files)
    return tmp_path / "wds"


def test_tar_shards_are_read_where_they_lie(shards: Path, tmp_path: Path) -> None:
    items = read("webdataset", shards)
    assert items.frame["id"].tolist() == ["00000", "00001", "00002", "10000", "10001", "10002"]
    assert items.frame["gender"].tolist() == list("FMFFMF") and items.frame["caption"][1] == "a person 1"
    assert abs(shade_of(items, 5) - 90) < 6 and items.left_out == ()
    assert main(["gallery", "build", "--dataset", "webdataset", "--root", str(shards), "--out", f"{tmp_path}/g"]) == 0
    assert open_gallery(tmp_path / "g").group_counts("gender") == {"F": 4, "M": 2, "unknown": 0}


def test_what_is_wrong_in_a_shard_is_named(tmp_path: Path) -> None:
    shard(
        tmp_path / "a.tar", {"1.jpg": jpeg(1), "2.json": b"{}", "3.heic": b"x", "4.jpg": b"no picture", "1.xmp": b"x"}
    )
    items = read("webdataset", tmp_path)
    assert {one.name for one in items.left_out} >= {"a.tar/3.heic", "a.tar/1.xmp"}
    with pytest.raises(InputError, match="4 is no picture"):
        items.read("4")  # type: ignore[misc]
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:700])
    with pytest.raises(InputError, match="damaged, cut or compressed"):
        read("webdataset", tmp_path)


def parquet(path: Path, shades: list[int], **columns: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = pa.array([{"bytes": jpeg(s), "path": f"{s}.jpg"} for s in shades])
    table = pa.table({"image": pictures, **columns})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    said = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(table.replace_schema_metadata(said), path, row_group_size=2)


def test_parquet_with_pictures_inside(tmp_path: Path) -> None:
    parquet(tmp_path / "p" / "data" / "train-00000-of-00001.parquet", [10, 60, 110, 160, 210], label=[0, 1, 1, 0, 1])
    parquet(tmp_path / "p" / "data" / "test-00000-of-00001.parquet", [30, 90], label=[1, 0])
    items = read("parquet-pictures", tmp_path / "p")
    assert items.frame["label"].value_counts().to_dict() == {"dog": 4, "cat": 3}
    shades = [shade_of(items, row) for row in range(7)]
    assert np.abs(np.array(shades) - [30, 90, 10, 60, 110, 160, 210]).max() < 8, "test comes before train by its name"
    assert items.halves == ("evaluation",) * 2 + ("probe",) * 5
    pq.write_table(pa.table({"a": [1]}), tmp_path / "none.parquet")
    with pytest.raises(InputError, match="0 columns of pictures"):
        read("parquet-pictures", tmp_path / "none.parquet")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_imagefolder_with_metadata(tmp_path: Path, form: str) -> None:
    for part in ("train", "validation"):
        folder = tmp_path / "f" / part
        folder.mkdir(parents=True)
        for i in range(3):
            (folder / f"{i}.jpg").write_bytes(jpeg(60 * i))
        rows = [{"file_name": f"{i}.jpg", "gender": "FM"[i % 2]} for i in range(2)] + [
            {"file_name": "9.jpg", "gender": "F"}
        ]
        text = (
            "file_name,gender\n" + "".join(f"{row['file_name']},{row['gender']}\n" for row in rows)
            if form == "csv"
            else "".join(json.dumps(row) + "\n" for row in rows)
        )
        (folder / f"metadata.{form}").write_text(text)
    items = read("imagefolder", tmp_path / "f")
    assert items.frame["id"].tolist() == ["train/0.jpg", "train/1.jpg", "validation/0.jpg", "validation/1.jpg"]
    assert items.halves == ("probe", "probe", "evaluation", "evaluation") and items.attributes == ["gender"]
    assert [one.name for one in items.left_out] == [
        "train/9.jpg",
        "validation/9.jpg",
        "train/2.jpg",
        "validation/2.jpg",
    ]


def test_a_row_that_names_no_picture_is_counted(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(60 * i))
    (tmp_path / "metadata.csv").write_text("file_name,gender\n0.jpg,F\n,M\n2.jpg,F\n")
    items = read("imagefolder", tmp_path)
    assert items.frame["id"].tolist() == ["0.jpg", "2.jpg"]
    assert ("row 2 of metadata", "it names no picture") in items.left_out
    (tmp_path / "metadata.csv").write_text("file_name,gender\n,F\n,M\n")
    with pytest.raises(InputError, match="names no picture in any row"):
        read("imagefolder", tmp_path)


def test_imagefolder_of_classes(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.jpg").write_bytes(jpeg(9))
    items = read("imagefolder", tmp_path)
    assert items.frame["label"].tolist() == ["cat", "dog"]


def test_coco_and_lvis_objects(tmp_path: Path) -> None:
    for part in ("train", "val"):
        (tmp_path / f"{part}2017").mkdir()
        for i in (1, 2):
            (tmp_path / f"{part}2017" / f"{i:012}.jpg").write_bytes(jpeg(40 * i))
        (tmp_path / "annotations").mkdir(exist_ok=True)
        said = {
            "images": [
                {"id": i, "file_name": f"{i:012}.jpg", "coco_url": f"http://x/{part}2017/{i:012}.jpg"}
                for i in (1, 2, 3)
            ],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1}, {"id": 2, "image_id": 2, "category_id": 2}],
            "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "sports_ball"}],
        }
        (tmp_path / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(said))
    items = read("coco-objects", tmp_path)
    assert items.attributes == ["person", "sports ball"] and items.frame["person"].tolist() == ["yes", "no"] * 2
    assert items.halves == ("probe", "probe", "evaluation", "evaluation")
    assert [one.name for one in items.left_out] == ["train2017/000000000003.jpg", "val2017/000000000003.jpg"]
    lvis = tmp_path / "lvis"
    (lvis / "val2017").mkdir(parents=True)
    for i in (1, 2):
        (lvis / "val2017" / f"{i:012}.jpg").write_bytes(jpeg(40 * i))
    images = [{"id": i, "coco_url": f"http://x/val2017/{i:012}.jpg", "neg_category_ids": [2]} for i in (1, 2)]
    said = said | {"images": images, "annotations": [{"id": 1, "image_id": 1, "category_id": 1}]}
    (lvis / "lvis_v1_val.json").write_text(json.dumps(said))
    frame = read("coco-objects", lvis).frame
    assert frame["person"].isna().tolist() == [False, True], "nobody looked for it on the second"
    (lvis / "lvis_v1_val.json").write_text('{"images": 3}')
    with pytest.raises(InputError, match="as COCO writes them"):
        read("coco-objects", lvis)
