"""What people really have, given to the command line as they have it: it goes in right, or one line says why not.

Each test writes its own files; the contents are small copies of situations that people reported of tools like this.
"""

import csv
import io
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.cli import main
from core.gallery import open_gallery


def embeddings(folder: Path, n: int, d: int = 8) -> Path:
    np.save(folder / "x.npy", np.random.default_rng(n).normal(size=(n, d)).astype(np.float32))
    return folder / "x.npy"


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (24, 24), (shade, 255 - shade, 9)).save(path)


class Door:
    """The verb, with what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture, folder: Path) -> None:
        self.capsys, self.folder, self.made = capsys, folder, 0

    def new(self) -> str:
        self.made += 1
        return str(self.folder / f"gallery-{self.made}")

    def opens(self, *arguments: str) -> dict:
        """The JSON of a gallery that is made."""
        self.capsys.readouterr()
        code = main(["gallery", *map(str, arguments), "--out", self.new(), "--json"])
        captured = self.capsys.readouterr()
        assert code == 0, captured.err
        return json.loads(captured.out)

    def refuses(self, *arguments: str) -> str:
        """The one line of a refusal; nothing stands under the final name."""
        self.capsys.readouterr()
        out = self.new()
        assert main(["gallery", *map(str, arguments), "--out", out]) == 2
        captured = self.capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1, captured.err
        assert not Path(out).exists()
        return captured.err.strip()

    def imports(self, n: int, text: str, name: str = "t.csv", **options: str) -> dict:
        return self.opens(*self._import(n, text, name, options))

    def turns_away(self, n: int, text: str, name: str = "t.csv", **options: str) -> str:
        return self.refuses(*self._import(n, text, name, options))

    def _import(self, n: int, text: str, name: str, options: dict[str, str]) -> list[str]:
        more = [one for key, value in options.items() for one in (f"--{key}", str(value))]
        given = table(self.folder, text, name)
        return ["import", "--embeddings", embeddings(self.folder, n), "--table", given, "--model-name", "m", *more]


@pytest.fixture
def door(capsys: pytest.CaptureFixture, tmp_path: Path) -> Door:
    return Door(capsys, tmp_path)


def names(info: dict) -> list[str]:
    return [one["name"] for one in info["left_out"]]


# --- rows and headers -------------------------------------------------------------------------------------------

PEOPLE = [("Male", "p0", "20"), ("Male", "p1", "21"), *((("Female", f"p{i}", str(20 + i))) for i in range(2, 6))]


def rows(cells: list[tuple[str, ...]], end: str = "") -> str:
    return "".join(",".join(row) + end + "\n" for row in cells)


def test_a_caption_with_a_comma_is_not_cut(door: Door, tmp_path: Path) -> None:
    text = "caption\na photo of a doctor, smiling\na photo of a nurse, standing\na photo of a teacher, sitting\n"
    line = door.refuses("build", "--captions", table(tmp_path, text, "captions.csv"))
    assert "captions.csv: row 1 (line 2) has 2 cells, the header has 1" in line


def test_a_column_without_a_name_shifts_nothing(door: Door) -> None:
    line = door.turns_away(6, "gender,id\n" + rows(PEOPLE))
    assert "row 1 (line 2) has 3 cells, the header has 2: 'Male' | 'p0' | '20'" in line


def test_a_separator_at_the_end_of_every_line_is_harmless(door: Door) -> None:
    info = door.imports(6, "id,gender,age\n" + rows([(i, g, a) for g, i, a in PEOPLE], ","))
    assert info["attributes"]["gender"] == {"Female": 4, "Male": 2, "unknown": 0}
    assert (
        info["digest"] == door.imports(6, "id,gender,age,\n" + rows([(i, g, a) for g, i, a in PEOPLE], ","))["digest"]
    )


def test_the_row_names_of_r_are_understood_and_said(door: Door) -> None:
    info = door.imports(6, "gender,id,age\n" + rows([(f"row{i}", *row) for i, row in enumerate(PEOPLE)]))
    assert info["attributes"]["gender"] == {"Female": 4, "Male": 2, "unknown": 0}
    assert open_gallery(door.folder / "gallery-1").item_ids(np.arange(6)) == [f"p{i}" for i in range(6)]
    assert any("row's name (R)" in note for note in info["notes"])


def test_two_columns_of_one_name_are_refused(door: Door) -> None:
    assert "two columns called 'gender'" in door.turns_away(2, "id,gender,gender\na,Male,Female\nb,Male,Male\n")


def test_quotes_in_tab_separated_text_are_text(door: Door, tmp_path: Path) -> None:
    text = 'id\ttext\n1\t"a doctor\n2\ta nurse\n3\ta teacher"\n4\ta judge\n5\ta man\n'
    info = door.opens("build", "--captions", table(tmp_path, text, "caps.tsv"))
    made = open_gallery(tmp_path / "gallery-1")
    assert info["n"] == 5 and [made.text(i) for i in (0, 2)] == ['"a doctor', 'a teacher"']


@pytest.mark.parametrize("writer", ["csv", "tsv", "parquet", "feather", "jsonl", "excel", "indexed"])
def test_whole_numbers_with_gaps_are_the_same_from_every_writer(door: Door, writer: str) -> None:
    frame = pd.DataFrame({"id": list("abcd"), "gender": [1.0, 0.0, None, 1.0], "glasses": [True, False, True, None]})
    path = door.folder / f"t.{ {'excel': 'csv', 'indexed': 'parquet'}.get(writer, writer) }"
    if writer == "csv":
        frame.to_csv(path, index=False)
    elif writer == "tsv":
        frame.to_csv(path, index=False, sep="\t", quoting=csv.QUOTE_ALL)
    elif writer == "parquet":
        frame.to_parquet(path)
    elif writer == "indexed":
        frame.set_index("id").to_parquet(path)
    elif writer == "feather":
        frame.to_feather(path)
    elif writer == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        text = io.StringIO()
        frame["glasses"] = ["TRUE", "FALSE", "TRUE", None]
        frame.astype({"gender": "Int64"}).to_csv(text, index=False, sep=";", lineterminator="\r\n")
        path.write_bytes(b"\xef\xbb\xbfsep=;\r\n" + text.getvalue().encode())
    arguments = ["import", "--embeddings", embeddings(door.folder, 4), "--table", path, "--model-name", "m"]
    info = door.opens(*arguments)
    assert info["attributes"]["gender"] == {"0": 1, "1": 2, "unknown": 1}
    assert info["attributes"]["glasses"] == {"False": 1, "True": 2, "unknown": 1}
    plain = "id,gender,glasses\na,1,True\nb,0,False\nc,,True\nd,1,\n"
    assert info["digest"] == door.imports(4, plain, "plain.csv")["digest"]


def test_ids_with_point_zero_join_captions(door: Door, tmp_path: Path) -> None:
    captions = table(tmp_path, "id,text\n1,a doctor\n2,a nurse\n3,a teacher\n", "caps.csv")
    labels = table(tmp_path, "id,gender\n1.0,Male\n2.0,Female\n3.0,\n", "ids.csv")
    info = door.opens("build", "--captions", captions, "--table", labels)
    assert info["n"] == 3 and info["attributes"]["gender"] == {"Female": 1, "Male": 1, "unknown": 1}


# --- labels -----------------------------------------------------------------------------------------------------


def test_what_nobody_sees_is_no_part_of_a_label(door: Door) -> None:
    text = "id,gender\na,Male\nb,Male\u200b\nc,Male\u00ad\nd,\ufeffMale\ne,\u00a0Male\nf,Female\ng,Female\n"
    info = door.imports(9, text + "h,Que\u0301be\u0301cois\ni,Québécois\n")
    assert info["attributes"]["gender"] == {"Female": 2, "Male": 5, "Québécois": 2, "unknown": 0}


def test_a_header_that_holds_an_invisible_space_is_found(door: Door) -> None:
    info = door.imports(4, "id,gender\u200b\na,Female\nb,Male\nc,Female\nd,Male\n")
    assert list(info["attributes"]) == ["gender"]


CASES = "id,gender\na,Male\nb,male\nc,MALE\nd,M\ne,Female\nf,female\n"


def test_groups_that_look_alike_are_said_and_joined_on_request(door: Door) -> None:
    said = [note for note in door.imports(6, CASES)["notes"] if "differ in spelling alone" in note]
    assert len(said) == 2 and all(name in said[1] for name in ("Male", "male", "MALE", "M ("))
    info = door.imports(6, CASES, join="gender")
    assert info["attributes"]["gender"] == {"Female": 2, "Male": 4, "unknown": 0}
    assert "no attribute 'sex'" in door.turns_away(6, CASES, join="sex")


def test_marks_for_missing_are_unknown_and_said(door: Door) -> None:
    marks = ["?", "#N/A", "<NA>", "-", "NaT", "#REF!"]
    text = (
        "id,gender\na,Male\nb,Female\n"
        + "".join(f"{i},{mark}\n" for i, mark in enumerate(marks))
        + "i,Male\nj,Female\n"
    )
    info = door.imports(10, text)
    assert info["attributes"]["gender"] == {"Female": 2, "Male": 2, "unknown": 6}
    assert any("6 of 10 rows hold ?, #N/A, <NA>, -, NaT, #REF!" in note for note in info["notes"])


def test_free_text_and_numbers_are_no_groups(door: Door) -> None:
    n, rng = 1500, np.random.default_rng(0)
    frame = pd.DataFrame({"url": [f"https://a.example/{i}.jpg" for i in range(n)]})
    frame["caption"] = [f"a photo of person {i}" for i in range(n)]
    frame["similarity"], frame["age"] = rng.random(n), rng.integers(0, 90, n)
    frame["gender"] = np.where(np.arange(n) < 720, "Female", "Male")
    frame["id"] = np.arange(n).astype(str)
    frame.to_parquet(door.folder / "metadata_0.parquet")
    source = ["import", "--embeddings", embeddings(door.folder, n), "--table", door.folder / "metadata_0.parquet"]
    info = door.opens(*source, "--model-name", "ViT-B/32")
    assert info["attributes"] == {"gender": {"Female": 720, "Male": 780, "unknown": 0}}
    assert list(info["not_groups"]) == ["url", "caption", "similarity", "age"]
    info = door.opens(*source, "--model-name", "ViT-B/32", "--bins", "age=18,60")
    assert list(info["attributes"]["age"]) == ["below 18", "18-59", "60 and more", "unknown"]
    door.capsys.readouterr()
    assert main(["rank", "--gallery", f"{door.folder}/gallery-1", "--attribute", "url", "--k", "3"]) == 2


def test_published_groups_that_a_spreadsheet_changed_are_refused(door: Door, tmp_path: Path) -> None:
    ages = ["09-Mar", "Oct-19", "50-59", "more than 70"]
    text = "file,age,gender,race,service_test\n"
    for i, age in enumerate(ages):
        picture(tmp_path / "val" / f"{i}.jpg", i)
        text += f"val/{i}.jpg,{age},{'male' if i == 3 else 'Male'},White,TRUE\n"
    table(tmp_path, text, "fairface_label_val.csv")
    line = door.refuses("build", "--dataset", "fairface", "--root", tmp_path)
    assert "'09-Mar', which a spreadsheet made of 3-9" in line and "'Oct-19'" in line and "gender 'male'" in line


# --- pictures ---------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for i in range(4):
        picture(tmp_path / "pics" / f"{i}.jpg", 40 * i)
    whole = (tmp_path / "pics" / "3.jpg").read_bytes()
    (tmp_path / "pics" / "4.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "pics" / "5.jpg").write_bytes(b"")
    (tmp_path / "pics" / "6.jpg").write_text("no picture")
    return tmp_path / "pics"


LISTED = "file,gender\n0.jpg,Male\n1.jpg,Female\ngone1.jpg,Male\ngone2.jpg,Female\n"


def test_damaged_pictures_are_named_everywhere(door: Door, pictures: Path) -> None:
    info = door.opens("build", "--images", pictures)
    assert info["n"] == 4 and names(info) == ["4.jpg", "5.jpg", "6.jpg"] and info["problems"] == 3
    door.capsys.readouterr()
    assert main(["gallery", "info", f"{door.folder}/gallery-1"]) == 0
    said = door.capsys.readouterr().out
    assert "left out: 3" in said and all(f"{i}.jpg" in said for i in (4, 5, 6))


def test_listed_files_that_are_not_there_are_named(door: Door, pictures: Path) -> None:
    info = door.opens("build", "--images", pictures, "--table", table(door.folder, LISTED))
    assert info["n"] == 2 and names(info)[:2] == ["gone1.jpg", "gone2.jpg"]
    assert set(names(info)[2:]) == {f"{i}.jpg" for i in range(2, 7)}, "and so are pictures that the table lacks"


def test_an_import_says_which_rows_have_no_picture(door: Door, pictures: Path) -> None:
    info = door.imports(4, LISTED, images=str(pictures))
    assert info["n"] == 4 and names(info) == ["gone1.jpg", "gone2.jpg"]


def test_empty_captions_and_unknown_words_are_said(door: Door, tmp_path: Path) -> None:
    text = "id,text,gender\n1,a doctor,Male\n2,a kardashian astronaut,Female\n3,,Male\n"
    info = door.opens("build", "--captions", table(tmp_path, text))
    assert info["n"] == 2 and names(info) == ["caption 3 of t.csv"]
    assert any("1 of 2 captions" in note and "kardashian, astronaut" in note for note in info["notes"])


def test_files_of_other_kinds_are_named(door: Door, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.JPG"):
        picture(tmp_path / "pics" / name)
    for name in ("phone.HEIC", "phone2.heic", "raw.CR2", "noending"):
        (tmp_path / "pics" / name).write_bytes(b"\0" * 40)
    info = door.opens("build", "--images", tmp_path / "pics")
    assert info["n"] == 2 and names(info) == ["noending", "phone.HEIC", "phone2.heic", "raw.CR2"]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for i, name in enumerate(("sub/1.jpg", "sub2/1.jpg", "y.webp", "Jose\u0301.jpg")):
        picture(tmp_path / "pics" / name, 50 * i)
    return tmp_path / "pics"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("file,gender\nsub\\1.jpg,Male\nsub2\\1.jpg,Female\ny.webp,Female\n", ["sub/1.jpg", "sub2/1.jpg", "y.webp"]),
        ("file,gender\nsub\\1.jpg,Male\nsub2\\1.jpg,Female\n", ["sub/1.jpg", "sub2/1.jpg"]),
        ("file,gender\nsub/1.JPG,Male\ny.webp,Female\n", ["sub/1.jpg", "y.webp"]),
        ("file,gender\n./sub//1.jpg,Male\nJosé.jpg,Female\n", ["sub/1.jpg", "Jose\u0301.jpg"]),
    ],
    ids=["backslashes", "backslashes alone", "ending in capitals", "dots and accents"],
)
def test_a_picture_is_found_however_its_name_is_written(door: Door, folders: Path, text: str, found: list[str]) -> None:
    info = door.opens("build", "--images", folders, "--table", table(door.folder, text))
    assert info["n"] == len(found) and info["attributes"]["gender"]["Male"] == 1
    made = open_gallery(door.folder / "gallery-1")
    assert made.item_ids(np.arange(made.n)) == found


def test_one_picture_under_three_names_is_one_picture(door: Door, folders: Path) -> None:
    text = "file,gender\n./sub/1.jpg,Male\nsub/1.jpg,Female\ny.webp,Female\nsub//1.jpg,Male\n"
    line = door.refuses("build", "--images", folders, "--table", table(door.folder, text))
    assert "picture 'sub/1.jpg' is in row 1 and again in row 2" in line and "2 repeated" in line
    assert "in row 1 and again in row 2" in door.turns_away(4, text)


def test_a_near_miss_is_named(door: Door, folders: Path) -> None:
    text = "file,gender\nsub/1.jpeg,Male\ny.webp,Female\n"
    info = door.opens("build", "--images", folders, "--table", table(door.folder, text))
    assert info["left_out"][0]["name"] == "sub/1.jpeg" and "sub/1.jpg is there" in info["left_out"][0]["reason"]


# --- embeddings -------------------------------------------------------------------------------------------------


def test_ids_inside_the_embeddings_decide_the_order(door: Door, tmp_path: Path) -> None:
    x = np.eye(4, 8, dtype=np.float32)
    np.savez(tmp_path / "x.npz", embeddings=x, ids=np.array(["d.jpg", "c.jpg", "b.jpg", "a.jpg"]))
    labels = table(tmp_path, "file,gender\na.jpg,Male\nb.jpg,Male\nc.jpg,Female\nd.jpg,Female\n")
    info = door.opens("import", "--embeddings", tmp_path / "x.npz", "--table", labels, "--model-name", "m")
    assert (open_gallery(tmp_path / "gallery-1").embeddings() == x[::-1]).all()
    assert any("order of t.csv" in note for note in info["notes"])
    np.savez(tmp_path / "x.npz", embeddings=x, ids=np.array(["q", "r", "s", "t"]))
    line = door.refuses("import", "--embeddings", tmp_path / "x.npz", "--table", labels, "--model-name", "m")
    assert "no id of x.npz (the first is 'q')" in line
    np.savez(tmp_path / "x.npz", embeddings=x, ids=np.array(["d.jpg", "z.jpg", "b.jpg", "a.jpg"]))
    info = door.opens("import", "--embeddings", tmp_path / "x.npz", "--table", labels, "--model-name", "m")
    assert info["n"] == 3 and names(info) == ["z.jpg", "c.jpg"], "an embedding without a row, a row without one"


@pytest.mark.parametrize("kind", ["parquet", "vectors", "feather", "csv", "pt", "safetensors", "npz"])
def test_embeddings_of_every_kind_are_the_same(door: Door, tmp_path: Path, kind: str) -> None:
    import safetensors.numpy
    import torch

    x = np.load(embeddings(tmp_path, 6))
    frame = pd.DataFrame(x, columns=[str(i) for i in range(8)])
    path = tmp_path / f"e.{'parquet' if kind == 'vectors' else kind}"
    {
        "parquet": lambda: frame.to_parquet(path),
        "vectors": lambda: pd.DataFrame({"id": list("fedcba"), "emb": list(x[::-1])}).to_parquet(path),
        "feather": lambda: frame.to_feather(path),
        "csv": lambda: frame.to_csv(path, index=False),
        "pt": lambda: torch.save(torch.from_numpy(x), path),
        "safetensors": lambda: safetensors.numpy.save_file({"image": x}, path),
        "npz": lambda: np.savez(path, x=x),
    }[kind]()
    text = "id,gender\n" + "".join(f"{letter},Male\n" for letter in "abcdef")
    labels = table(tmp_path, text)
    info = door.opens("import", "--embeddings", path, "--table", labels, "--model-name", "m")
    assert np.allclose(open_gallery(tmp_path / "gallery-1").embeddings(), x, atol=1e-7)
    assert kind == "csv" or info["digest"] == door.imports(6, text)["digest"]


def test_embeddings_of_hdf5(door: Door, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: HDF5 embeddings are not tested")
    x = np.load(embeddings(tmp_path, 4))
    labels = table(tmp_path, "id,g\na,x\nb,y\nc,x\nd,y\n")
    source = ["import", "--embeddings", tmp_path / "x.h5", "--table", labels, "--model-name", "m"]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["inside/image"], file["ids"] = x[::-1], np.array(list("dcba"), dtype="S1")
    info = door.opens(*source)
    assert (open_gallery(tmp_path / "gallery-1").embeddings() == x).all(), "its ids put the rows in order"
    assert any("order of t.csv" in note for note in info["notes"])
    with h5py.File(tmp_path / "x.h5", "a") as file:
        file["text"] = x
    assert "several arrays" in (line := door.refuses(*source)) and "--array" in line
    door.opens(*source, "--array", "inside/image")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["names"] = np.array(list("abcd"), dtype="S1")
    assert "x.h5" in door.refuses(*source)


def test_hdf5_without_its_library_says_what_to_install(door: Door, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "x.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    labels = table(tmp_path, "id,g\na,x\nb,y\n")
    line = door.refuses("import", "--embeddings", tmp_path / "x.h5", "--table", labels, "--model-name", "m")
    assert "pip install h5py" in line and ".npy" in line


def test_an_array_is_chosen_by_its_name(door: Door, tmp_path: Path) -> None:
    image, text = np.eye(3, 4, dtype=np.float32), np.ones((3, 4), np.float32)
    np.savez(tmp_path / "both.npz", image=image, text=text)
    labels = table(tmp_path, "id,g\na,x\nb,y\nc,x\n")
    source = ["import", "--embeddings", tmp_path / "both.npz", "--table", labels, "--model-name", "m"]
    assert "several arrays" in (line := door.refuses(*source)) and "--array" in line
    info = door.opens(*source, "--array", "image")
    assert (open_gallery(tmp_path / "gallery-2").embeddings() == image).all() and "text" in info["notes"][0]
    assert "no array 'other'; it holds image, text" in door.refuses(*source, "--array", "other")


def test_repeated_prompts_with_equal_embeddings_are_one(door: Door, tmp_path: Path) -> None:
    texts = np.eye(3, 8, dtype=np.float32)[[0, 1, 0, 2]]
    np.save(tmp_path / "p.npy", texts)
    prompts = table(tmp_path, "prompt\na doctor\na nurse\na doctor\na judge\n", "p.csv")
    more = {"texts": str(tmp_path / "p.npy"), "text-table": str(prompts)}
    info = door.imports(2, "id,g\na,x\nb,y\n", **more)
    assert info["prompts"] == 3 and any("repeated with the same embedding" in note for note in info["notes"])
    np.save(tmp_path / "p.npy", np.eye(4, 8, dtype=np.float32))
    line = door.turns_away(2, "id,g\na,x\nb,y\n", **more)
    assert "'a doctor' is in row 1 and again in row 3 with another embedding" in line


# --- layouts ----------------------------------------------------------------------------------------------------


def test_flickr_and_kaggle_caption_files(door: Door, tmp_path: Path) -> None:
    token = "100_a.jpg#0\ta man in a red shirt .\n100_a.jpg#1\ta woman with glasses .\n101_b.jpg#0\ta doctor .\n"
    door.opens("build", "--captions", table(tmp_path, token, "Flickr8k.token.txt"))
    made = open_gallery(tmp_path / "gallery-1")
    assert [made.text(i) for i in range(3)] == ["a man in a red shirt .", "a woman with glasses .", "a doctor ."]
    assert made.item_ids(np.arange(3)) == ["100_a.jpg#0", "100_a.jpg#1", "101_b.jpg#0"]
    kaggle = 'image,caption\n100_a.jpg,a man in a red shirt .\n100_a.jpg,"a woman with glasses, smiling ."\n'
    assert door.opens("build", "--captions", table(tmp_path, kaggle, "captions.txt"))["n"] == 2
    assert open_gallery(tmp_path / "gallery-2").text(1) == "a woman with glasses, smiling ."
    bars = "image_name| comment_number| comment\n1.jpg| 0| a man .\n1.jpg| 1| a woman .\n"
    assert door.opens("build", "--captions", table(tmp_path, bars, "results.csv"))["n"] == 2


@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_celeba_as_kaggle_has_it(door: Door, tmp_path: Path, ending: str) -> None:
    for i in (1, 2, 3):
        picture(tmp_path / "img_align_celeba" / "img_align_celeba" / f"{i:06}.jpg", 60 * i)
    if ending == "txt":
        text = "3\nMale Smiling \n000001.jpg -1  1\n000002.jpg  1 -1\n000003.jpg  1  1\n"
        parts = "000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n"
    else:
        text = "image_id,Male,Smiling\n000001.jpg,-1,1\n000002.jpg,1,-1\n000003.jpg,1,1\n"
        parts = "image_id,partition\n000001.jpg,0\n000002.jpg,1\n000003.jpg,2\n"
    table(tmp_path, text, f"list_attr_celeba.{ending}")
    table(tmp_path, parts, f"list_eval_partition.{ending}")
    info = door.opens("build", "--dataset", "celeba", "--root", tmp_path)
    assert info["attributes"]["gender"] == {"Female": 1, "Male": 2, "unknown": 0}
    assert info["halves"] == {"probe": 2, "evaluation": 1}


def test_clip_retrieval_shards_are_read_as_one(door: Door, tmp_path: Path) -> None:
    root = tmp_path / "clip"
    (root / "img_emb").mkdir(parents=True)
    (root / "metadata").mkdir()
    x = np.random.default_rng(0).normal(size=(25, 4)).astype(np.float16)
    bounds = [0, 9, 17, 25]
    for shard, (a, b) in enumerate(pairwise(bounds)):
        np.save(root / "img_emb" / f"img_emb_{shard}.npy", x[a:b])
        frame = pd.DataFrame(
            {"image_path": [f"p/{i}.jpg" for i in range(a, b)], "caption": [f"c {i}" for i in range(a, b)]}
        )
        frame["gender"] = np.where(np.arange(a, b) % 2, "Female", "Male")
        frame.to_parquet(root / "metadata" / f"metadata_{shard}.parquet")
    info = door.opens("import", "--from", root, "--model-name", "ViT-B/32")
    made = open_gallery(tmp_path / "gallery-1")
    assert (made.embeddings() == x).all() and made.item_id(20) == "p/20.jpg"
    assert list(info["attributes"]) == ["gender"] and "caption" in info["not_groups"]
    (root / "metadata" / "metadata_1.parquet").unlink()
    assert "expected metadata_1.parquet" in door.refuses("import", "--from", root, "--model-name", "ViT-B/32")


# --- models -----------------------------------------------------------------------------------------------------


def test_without_a_text_encoder_the_three_ways_out_are_named(door: Door, tmp_path: Path) -> None:
    x = embeddings(tmp_path, 40, 128)
    labels = table(tmp_path, "id,gender\n" + "".join(f"{i},{'FM'[i % 2]}\n" for i in range(40)))
    source = ["import", "--embeddings", x, "--table", labels, "--model-name"]
    said = []
    for model in ("ViT-B-32", "a model of ours", "default"):
        door.opens(*source, model)
        door.capsys.readouterr()
        given = ["rank", "--gallery", f"{tmp_path}/gallery-{door.made}", "--query", "a doctor", "--attribute", "gender"]
        code = main([*given, "--k", "5"])
        err = door.capsys.readouterr().err
        assert code == (0 if model == "default" else 2)
        said += [err] if code else []
    for line in said:
        assert line.count("\n") == 1
        assert all(way in line for way in ("no text encoder", "--model NAME:WEIGHTS", "--texts", "--query-embedding"))
    given = ["rank", "--gallery", f"{tmp_path}/gallery-1", "--query", "a doctor", "--attribute", "gender", "--k", "5"]
    small = embeddings(tmp_path, 41, 8)
    labels = table(tmp_path, "id,gender\n" + "".join(f"{i},{'FM'[i % 2]}\n" for i in range(41)))
    door.opens("import", "--embeddings", small, "--table", labels, "--model-name", "default")
    given[2] = f"{tmp_path}/gallery-{door.made}"
    assert main(given) == 2
    assert "the text model" in (line := door.capsys.readouterr().err) and "--query-embedding" in line


def test_a_folder_without_weights_is_one_line(door: Door, tmp_path: Path) -> None:
    picture(tmp_path / "pics" / "a.jpg")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "open_clip_config.json").write_text('{"model_cfg": {"embed_dim": 8}, "preprocess_cfg": {}}')
    (tmp_path / "model" / "epoch_latest.pt").write_bytes(b"PK")
    line = door.refuses("build", "--images", tmp_path / "pics", "--model", f"local-dir:{tmp_path}/model")
    assert "has no weights; put open_clip_model.safetensors there" in line


# --- what is there already --------------------------------------------------------------------------------------


def test_replacing_is_asked_for_before_anything_is_loaded(door: Door, pictures: Path, monkeypatch) -> None:
    out = str(door.folder / "there")
    assert main(["gallery", "build", "--images", str(pictures), "--out", out]) == 0
    with monkeypatch.context() as patched:
        patched.setattr("core.backbones.base.load_model", lambda *a: pytest.fail("a model was loaded first"))
        door.capsys.readouterr()
        assert main(["gallery", "build", "--images", str(pictures), "--out", out]) == 2
        assert "--replace" in door.capsys.readouterr().err
    assert main(["gallery", "build", "--images", str(pictures), "--out", out, "--replace"]) == 0


def test_labels_of_bare_arrays_are_cleaned_too(door: Door, tmp_path: Path) -> None:
    acts = np.random.default_rng(0).random((8, 4))
    labels = np.array(["Male", "Male\u200b", "?", "Female", "female", "NA", "Male", "unknown"])
    np.savez(tmp_path / "c.npz", acts=acts, labels=labels)
    assert main(["neurons", "--codes", f"{tmp_path}/c.npz", "--json"]) == 0
    found = json.loads(door.capsys.readouterr().out)
    assert {group: one["n"] for group, one in found["groups"].items()} == {"Female": 1, "Male": 3, "female": 1}
    assert "3 of 8 rows hold ?, NA, unknown" in found["notes"][0] and "differ in spelling alone" in found["notes"][1]
