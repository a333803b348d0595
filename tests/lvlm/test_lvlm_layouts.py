"""Published question sets on small copies of their layouts, and the one line for every way in which one is wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.config import InputError
from core.lvlm import layout
from core.lvlm.layout import LAYOUTS, read_layout
from core.lvlm.vla_files import read_vla
from core.tables import columnar


def picture(colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def mme(root: Path) -> None:
    for category in ("colour", "count"):
        (root / category).mkdir(parents=True)
        (root / category / "a.jpg").write_bytes(picture())
        (root / category / "a.txt").write_text(
            "Is it red? Please answer yes or no.\tYes\nIs it blue? Please answer yes or no.\tNo\n"
        )
    apart = root / "posters"
    for name in ("images", "questions_answers_YN"):
        (apart / name).mkdir(parents=True)
    (apart / "images" / "b.png").write_bytes(picture())
    (apart / "questions_answers_YN" / "b.txt").write_text("Is it old?\tNo\n")


def seed_bench(root: Path) -> None:
    (root / "SEED-Bench-image").mkdir(parents=True)
    (root / "SEED-Bench-image" / "1_2").write_bytes(picture())
    base = {f"choice_{letter}": f"option {letter}" for letter in "abcd"}
    base |= {"question": "What is it?", "question_type_id": 1}
    asked = [{**base, "answer": "C", "data_type": "image", "data_id": "1_2"}]
    asked.append({**base, "answer": "A", "data_type": "video", "data_id": "v.webm"})
    (root / "SEED-Bench.json").write_text(json.dumps({"questions": asked, "question_type": {"Scene Understanding": 1}}))


def mmmu(root: Path) -> None:
    (root / "Art").mkdir(parents=True)
    rows = [
        {"id": "1", "question": "<image 1> Who made it?", "options": "['x', 'y', 'z']", "answer": "B"},
        {"id": "2", "question": "open", "options": "[]", "answer": "seven"},
    ]
    frame = pd.DataFrame([{**row, "image_1": {"bytes": picture(), "path": "p"}, "image_2": None} for row in rows])
    frame.to_parquet(root / "Art" / "validation-00000.parquet")


def sbbench(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "p.jpg").write_bytes(picture())
    row = {"context": "Two people met.", "question": "Who is rich?", "ans0": "The left", "ans1": "The right"}
    row |= {"ans2": "Cannot be determined", "label": 2, "category": "SES", "file_name": "p.jpg"}
    pd.DataFrame([row]).to_csv(root / "bench.csv", index=False)


MADE = {"mme": mme, "seed-bench": seed_bench, "mmmu": mmmu, "sbbench": sbbench}


def test_every_layout_is_tested() -> None:
    assert set(MADE) == set(LAYOUTS)
    assert all(LAYOUTS.get(name).title and LAYOUTS.get(name).form and LAYOUTS.get(name).licence for name in LAYOUTS)


@pytest.mark.parametrize("name", list(MADE))
def test_small_copies(name: str, tmp_path: Path) -> None:
    MADE[name](tmp_path / "set")
    rows = read_layout(name, tmp_path / "set")
    expected = {
        "mme": [("Is it red?", ("yes", "no"), 0), ("Is it blue?", ("yes", "no"), 1)] * 2
        + [("Is it old?", ("yes", "no"), 1)],
        "seed-bench": [("What is it?", tuple(f"option {letter}" for letter in "abcd"), 2)],
        "mmmu": [("Who made it?", ("x", "y", "z"), 1)],
        "sbbench": [("Two people met. Who is rich?", ("The left", "The right", "Cannot be determined"), 2)],
    }[name]
    assert [(row.question, row.options, row.right) for row in rows] == expected
    assert all(isinstance(row.picture, bytes) or row.picture.is_file() for row in rows)
    kinds = {"mme": {"colour", "count", "posters"}, "seed-bench": {"Scene Understanding"}, "mmmu": {"Art"}}
    assert {row.kind for row in rows} == kinds.get(name, {"SES"})


def test_sbbench_as_it_is_published(tmp_path: Path) -> None:
    """The picture stands in `file_name`, categories and labels are numbers whose names are noted beside the columns."""
    row = {"file_name": {"bytes": picture(), "path": "p.jpg"}, "id": "01_01_0001_1_01", "category": 1, "label": 1}
    row |= {"context": "Two people met.", "question": "Who is rich?", "ans0": "The left", "ans1": "Not known"}
    table = pa.Table.from_pylist([row | {"ans2": "The right"}])
    classes = {"category": ["Age", "Disability_status"], "label": ["0", "1", "2"]}
    features = {name: {"names": names, "_type": "ClassLabel"} for name, names in classes.items()}
    noted = json.dumps({"info": {"features": features | {"id": {"dtype": "string", "_type": "Value"}}}})
    pq.write_table(table.replace_schema_metadata({"huggingface": noted}), tmp_path / "real-00000-of-00001.parquet")
    [found] = read_layout("sbbench", tmp_path)
    assert (found.picture, found.kind, found.right) == (picture(), "Disability_status", 1)
    pq.write_table(table.replace_schema_metadata({"huggingface": "{"}), tmp_path / "real-00000-of-00001.parquet")
    assert read_layout("sbbench", tmp_path)[0].kind == "1"


@pytest.mark.parametrize("held", ["record", "bytes"])
def test_of_pictures_in_a_table_the_chosen_ones_are_read_alone(held: str, tmp_path: Path, monkeypatch) -> None:
    """Sets hold thousands of pictures, some gigabytes: what is not asked about stays on the disk."""
    colours = [f"#{number:02x}4060" for number in range(40)]
    common = {"context": "Two people met.", "question": "Who?", "ans0": "a", "ans1": "b", "ans2": "c", "label": 0}
    rows = [
        common | {"category": f"kind {number % 5}", "id": str(number), "file_name": content}
        for number, colour in enumerate(colours)
        for content in [picture(colour) if held == "bytes" else {"bytes": picture(colour), "path": f"{number}.jpg"}]
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "real-00000-of-00001.parquet", row_group_size=10)
    every, groups, wanted = read_layout("sbbench", tmp_path), [], []
    assert [row.content for row in every] == [picture(colour) for colour in colours]
    read, cells = pq.ParquetFile.read_row_group, columnar.cells
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda *a, **k: groups.append(k["columns"]) or read(*a, **k))
    monkeypatch.setattr(layout, "cells", lambda path, column, rows: wanted.extend(rows) or cells(path, column, rows))
    some = read_layout("sbbench", tmp_path, 5)
    assert [row.kind for row in some] == [f"kind {number}" for number in range(5)] and wanted == [0, 1, 2, 3, 4]
    assert [row.content for row in some] == [picture(colour) for colour in colours[:5]]
    told = ["file_name.path"] if held == "record" else ["file_name"]
    assert groups == [told] * 4 + [["file_name"]], "where there is a picture, and the one group that holds the five"


def test_a_question_without_its_picture_is_named(tmp_path: Path) -> None:
    row = {
        "context": "Two met.",
        "question": "Who?",
        "ans0": "a",
        "ans1": "b",
        "ans2": "c",
        "label": 0,
        "category": "x",
    }
    for lacking in (None, {"bytes": None, "path": "p.jpg"}):
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.Table.from_pylist([row]).append_column("file_name", pa.array([lacking], type=kind))
        pq.write_table(table, tmp_path / "real.parquet")
        with pytest.raises(InputError, match=r"real\.parquet: .*(has no picture|expected its bytes)"):
            read_layout("sbbench", tmp_path)
    table = pa.Table.from_pylist([row | {"file_name": "p.jpg"}])
    pq.write_table(table, tmp_path / "real.parquet")
    (tmp_path / "p.jpg").write_bytes(picture())
    assert read_layout("sbbench", tmp_path)[0].content == picture(), "a path is one in a Parquet file too"


def test_pictures_beside_the_first_leave_a_question_out(tmp_path: Path) -> None:
    mmmu(tmp_path)
    path = tmp_path / "Art" / "validation-00000.parquet"
    one = pd.read_parquet(path).to_dict("records")[0]
    pd.DataFrame([one, one | {"id": "3", "image_2": one["image_1"]}]).to_parquet(path)
    [found] = read_layout("mmmu", tmp_path)
    assert found.content == picture()


def test_some_of_the_questions_are_evenly_over_kinds(tmp_path: Path) -> None:
    mme(tmp_path)
    assert [row.kind for row in read_layout("mme", tmp_path, 3)] == ["colour", "count", "posters"]
    assert len(read_layout("mme", tmp_path, 100)) == 5


@pytest.mark.parametrize("name", list(MADE))
def test_wrong_folders_are_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        read_layout(name, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        read_layout(name, tmp_path / "empty")


def test_missing_pictures_and_answers_are_named(tmp_path: Path) -> None:
    mme(tmp_path / "m")
    (tmp_path / "m" / "colour" / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"a\.jpg is not there"):
        read_layout("mme", tmp_path / "m")
    (tmp_path / "m" / "colour" / "a.txt").write_text("Is it red? maybe\n")
    with pytest.raises(InputError, match="no question, tab, Yes or No"):
        read_layout("mme", tmp_path / "m")
    (tmp_path / "m" / "colour" / "a.txt").write_bytes("Is it rosé?\tYes\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.txt is not UTF-8 text"):
        read_layout("mme", tmp_path / "m")
    seed_bench(tmp_path / "s")
    (tmp_path / "s" / "SEED-Bench.json").write_text('{"questions": [{"question": "x"}]}')
    with pytest.raises(InputError, match="another layout"):
        read_layout("seed-bench", tmp_path / "s")
    sbbench(tmp_path / "b")
    (tmp_path / "b" / "bench.csv").write_text("context,question\na,b\n")
    with pytest.raises(InputError, match="lacks the columns ans0"):
        read_layout("sbbench", tmp_path / "b")


def vla(folder: Path) -> None:
    folder.mkdir()
    (folder / "questions.csv").write_text(
        "task,question,by_chatgpt,split\noccupations,Could {value} suit this person?,True,test\n"
        "occupations,Is this a good {value}?,False,train\nclassification,What is the {attribute}?,False,\n"
    )
    (folder / "values.csv").write_text("task,value\noccupations,painter\noccupations,nurse\nskills,lead\n")
    (folder / "instructions.csv").write_text("instruction,by_chatgpt,split\nGive the option.,False,train\n")


def test_question_files_of_vla(tmp_path: Path) -> None:
    vla(tmp_path / "v")
    book, words = read_vla(tmp_path / "v", "occupations", "test")
    assert words == ("painter", "nurse") and book.person["open"] == ("Could {} suit this person?",)
    assert book.phrase("painter") == "painter" and book.instructions["letter"] == "Give the option."
    assert len(read_vla(tmp_path / "v", "occupations")[0].person["open"]) == 2
    with pytest.raises(InputError, match="it has occupations"):
        read_vla(tmp_path / "v", "skills")
    (tmp_path / "v" / "values.csv").unlink()
    with pytest.raises(InputError, match=r"values\.csv is not there"):
        read_vla(tmp_path / "v", "occupations")
