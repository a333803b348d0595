"""Every registered data set gives a sound table; folders and captions as people have them."""

from pathlib import Path

import pytest
from PIL import Image

from core.config import InputError
from core.datasets import DATASETS, DataSet, ItemTable, items_of, offered
from core.datasets.picture_files import locate
from core.tables import LeftOut


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    root = tmp_path / "faces"
    for file in ("b.jpg", "a.PNG", "sub/c.webp", ".hidden/d.jpg", "notes.txt"):
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path) if path.suffix != ".txt" else path.write_text("no picture")
    return root


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_refuses_what_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as error:
        DATASETS.get(name)().items(tmp_path / "absent")
    assert "absent" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_says_what_it_is_and_what_it_needs(tmp_path: Path, name: str) -> None:
    kind = DATASETS.get(name)
    assert issubclass(kind, DataSet) and kind.title and kind.needs and "\n" not in kind.title + kind.needs
    assert list(offered())[:2] == ["folder", "captions"] and sorted(offered()) == DATASETS.names()
    if not kind.takes_table:
        with pytest.raises(InputError, match=r"takes no table; leave t\.csv out"):
            items_of(name, tmp_path, tmp_path / "t.csv")


def test_folder_without_a_table_lists_pictures_by_path(faces: Path) -> None:
    items = DATASETS.get("folder")().items(faces, licence="CC0")
    assert items.frame["id"].tolist() == items.frame["file"].tolist() == ["a.PNG", "b.jpg", "sub/c.webp"]
    assert items.attributes == [] and items.licence == "CC0" and items.provenance == "not stated"
    assert str(faces.parent) not in items.source, "whole paths stay at home"


def test_folder_with_a_table_keeps_its_order_and_reports_what_is_missing(faces: Path) -> None:
    table = faces.parent / "t.csv"
    table.write_text("id,file,gender\n1,sub/c.webp,F\n2,gone.jpg,M\n3,b.jpg,\n")
    items = DATASETS.get("folder")().items(faces, table)
    assert items.frame["id"].tolist() == ["1", "3"] and items.frame["file"].tolist() == ["sub/c.webp", "b.jpg"]
    assert items.frame["gender"].isna().tolist() == [False, True] and items.attributes == ["gender"]
    assert items.left_out == (("gone.jpg", "in t.csv but not in the folder"), ("a.PNG", "not in t.csv"))
    assert items.notes == ()


def test_folder_none_of_whose_listed_files_exist(faces: Path) -> None:
    table = faces.parent / "t.csv"
    table.write_text("file,gender\nx.jpg,F\ny.jpg,M\n")
    with pytest.raises(InputError, match=r"none of the 2 files .* first is 'x.jpg'"):
        DATASETS.get("folder")().items(faces, table)
    table.write_text("file,gender\n../../etc/passwd,F\n")
    with pytest.raises(InputError, match="leads out of"):
        DATASETS.get("folder")().items(faces, table)
    table.write_text("file\na.PNG\na.PNG\n")
    with pytest.raises(InputError, match="again in row 2"):
        DATASETS.get("folder")().items(faces, table)


def test_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no picture"):
        DATASETS.get("folder")().items(tmp_path)


def test_locate_stays_below_the_root(faces: Path) -> None:
    assert locate(faces, "b.jpg") == locate(faces, "faces/b.jpg") == locate(faces, str(faces / "b.jpg"))
    assert locate(faces, "sub/../b.jpg") == faces / "b.jpg" and locate(Path("/"), "/etc/hosts") == Path("/etc/hosts")
    (faces / "link.jpg").symlink_to("/etc/hosts")
    assert locate(faces, "link.jpg") == faces / "link.jpg", "links are the owner's"
    for outside in ("../t.csv", "/etc/passwd", "sub/../../x", "../faces-2/x.jpg", "."):
        with pytest.raises(InputError, match="leads out of"):
            locate(faces, outside)


def test_captions_of_a_table(tmp_path: Path) -> None:
    long = " ".join(["word"] * 5000)
    path = tmp_path / "c.csv"
    path.write_text(f"caption,topic\na doctor,work\n  ,work\n{long},\n")
    items = DATASETS.get("captions")().items(path)
    assert items.kind == "captions" and items.frame["text"].tolist() == ["a doctor", long]
    assert items.frame["id"].tolist() == ["1", "3"], "numbers are those of the file"
    assert items.left_out == (LeftOut("caption 2 of c.csv", "empty"),)


def test_captions_of_a_text_file_with_a_table_beside(tmp_path: Path) -> None:
    path, table = tmp_path / "c.txt", tmp_path / "t.csv"
    path.write_text("a nurse\n\na pilot\n")
    table.write_text("id,gender\n1,F\n")
    items = DATASETS.get("captions")().items(path, table)
    assert items.frame["gender"].isna().tolist() == [False, True]
    assert items.notes == ("1 captions have no row in t.csv",)
    assert items.left_out == (("caption 2 of c.txt", "empty"),)


def test_captions_that_cannot_be_used(tmp_path: Path) -> None:
    for text, reason in {
        "name\nx\n": "no column 'text' or 'caption' or 'comment' or 'prompt'",
        "text,g\n,a\n,b\n": "no item that can be used",
        "id,text\n1,a\n1,b\n": "again in row 2",
        "text,half\na,b\n": "'half' is taken",
    }.items():
        (tmp_path / "c.csv").write_text(text)
        with pytest.raises(InputError, match=reason):
            DATASETS.get("captions")().items(tmp_path / "c.csv")


def test_item_tables_check_themselves() -> None:
    import pandas as pd

    with pytest.raises(InputError, match="no column 'file'"):
        ItemTable(pd.DataFrame({"id": ["a"], "text": ["x"]}), "images", "a table")
