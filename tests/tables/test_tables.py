"""Tables are read as text with honest gaps; what cannot be used is one line that says where."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from core.config import InputError
from core.tables import read_table, require_filled, require_unique


def table(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def frame_of(path: Path) -> pd.DataFrame:
    return read_table(path).frame


def test_values_stay_as_they_are_written(tmp_path: Path) -> None:
    frame = frame_of(table(tmp_path, "\ufefffile,age,note\n007.jpg, 30 ,None\n1e3,0042,a b\n"))
    assert frame["file"].tolist() == ["007.jpg", "1e3"]
    assert frame["age"].tolist() == ["30", "0042"] and frame["note"].tolist() == ["None", "a b"]


def test_marks_for_missing_are_missing_in_attributes_only(tmp_path: Path) -> None:
    frame = frame_of(table(tmp_path, "id,text,g\nNA,unknown,NA\nb,nan,Unknown\nc,x,n/a\nd,y,\ne,z,F\n"))
    assert frame["g"].isna().tolist() == [True] * 4 + [False]
    assert frame["id"].tolist()[0] == "NA" and frame["text"].tolist()[:2] == ["unknown", "nan"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "feather"])
def test_formats_agree(tmp_path: Path, suffix: str) -> None:
    given = pd.DataFrame({"id": [1, 2, 3], "age": [23.0, np.nan, 4.0], "tall": [True, False, None], "x": [0.5, 1, 2]})
    path = tmp_path / f"t.{suffix}"
    writers = {
        "csv": lambda: given.astype({"age": "Int64"}).to_csv(path),  # with the unnamed row numbers pandas writes
        "tsv": lambda: given.astype({"age": "Int64"}).to_csv(path, sep="\t", index=False),
        "parquet": lambda: given.to_parquet(path),
        "feather": lambda: given.to_feather(path),
    }
    writers[suffix]()
    frame = frame_of(path)
    assert list(frame.columns) == ["id", "age", "tall", "x"]
    assert frame["id"].tolist() == ["1", "2", "3"]
    assert frame["age"].dropna().tolist() == ["23", "4"] and frame["age"].isna().tolist() == [False, True, False]
    assert frame["tall"].dropna().tolist() == ["True", "False"]
    assert frame["x"].tolist() == ["0.5", "1.0", "2.0"]


BAD = {
    "no key": ("name,g\na,b\n", "no column 'file' or 'id'; its columns are: name, g"),
    "no rows": ("file,g\n", "no rows"),
    "nothing": ("", "empty"),
    "ragged": ("file,g\na,b\nc,d,e,f\n", "row 2 (line 3) has 4 cells, the header has 2"),
    "one name twice": ("file,g,g \na,b,c\n", "two columns called 'g'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_one_line(tmp_path: Path, case: str) -> None:
    text, reason = BAD[case]
    with pytest.raises(InputError) as error:
        read_table(table(tmp_path, text))
    assert reason in str(error.value) and "t.csv" in str(error.value) and "\n" not in str(error.value)


def test_names_of_files_lose_a_point_zero_alone_and_labels_have_one_way_of_truth(tmp_path: Path) -> None:
    frame = frame_of(table(tmp_path, "file,g,h\n1.0,TRUE,1.0\n-0.0,false,\n23,,2.5\n"))
    assert frame["file"].tolist() == ["1", "0", "23"]
    assert frame["g"].dropna().tolist() == ["True", "False"] and frame["h"].dropna().tolist() == ["1.0", "2.5"]
    assert frame_of(table(tmp_path, "file\nTRUE\nfalse\n"))["file"].tolist() == ["TRUE", "false"]


def test_a_backslash_before_a_quotation_mark_is_none_of_the_text_in_any_cell(tmp_path: Path) -> None:
    text = 'id,group\r\np0,B;\\"\r\np1,"\\"0\n;\\""\r\np2,"C:\\x"\r\n'
    assert frame_of(table(tmp_path, text))["group"].tolist() == ['B;"', '"0 ;"', "C:\\x"]


def test_a_cell_of_several_lines_between_tabs_is_never_taken_apart(tmp_path: Path) -> None:
    two_ways = 'id\tgroup\t\np0\t"Male,\nolder"\t\n\t\t\n'
    for suffix in ("csv", "tsv"):
        with pytest.raises(InputError, match=f"t.{suffix} can be read in two ways: line 2 has"):
            read_table(table(tmp_path, two_ways, f"t.{suffix}"))
    frame = frame_of(table(tmp_path, 'id\tgroup\np0\t"Male\np1\tolder"\n', "t.tsv"))
    assert frame["group"].tolist() == ['"Male', 'older"']


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("file,name\na,é\n".encode("latin-1"))
    (tmp_path / "fake.parquet").write_text("no parquet")
    for name, reason in {
        "latin.csv": "UTF-8",
        "fake.parquet": "cannot be read",
        "absent.csv": "does not exist",
        "t.xlsx": "an Excel workbook; save the sheet as CSV",
        "t.docx": "no table",
        "folder.csv": "folder",
    }.items():
        if name == "folder.csv":
            (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=reason) as error:
            read_table(tmp_path / name)
        assert name in str(error.value) and "\n" not in str(error.value)
    pd.DataFrame({"id": [1], "box": [[1, 2]]}).to_parquet(tmp_path / "lists.parquet")
    read = read_table(tmp_path / "lists.parquet")
    assert list(read.frame.columns) == ["id"] and "'box' holds lists or records" in read.notes[0]


def test_repeated_and_empty_values_name_their_rows() -> None:
    frame = pd.DataFrame({"id": ["a", "b", "a", "b"], "file": ["x", None, "y", "z"]}, dtype="str")
    with pytest.raises(InputError, match=r"'a' is in row 1 and again in row 3 \(2 repeated"):
        require_unique(frame, "id", "t.csv")
    with pytest.raises(InputError, match="row 2 has no 'file'"):
        require_filled(frame, "file", "t.csv")


def test_a_feather_file_whose_cells_end_before_they_begin_is_damaged(tmp_path: Path) -> None:
    words = ["Female", "Male", "unknown"]
    path = tmp_path / "labels.feather"
    feather.write_feather(pa.table({"gender": pa.array(words, pa.large_string())}), path, compression="uncompressed")
    ends = np.cumsum([0, *map(len, words)])
    data = path.read_bytes()
    there = data.index(ends.astype("<i8").tobytes())
    damaged = ends.copy()
    damaged[1] = 10**6
    path.write_bytes(data[:there] + damaged.astype("<i8").tobytes() + data[there + 8 * len(ends) :])
    with pytest.raises(InputError, match=r"labels\.feather cannot be read as Feather: it is damaged"):
        read_table(path)
