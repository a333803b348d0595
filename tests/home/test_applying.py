"""A folder of shards: interrupted after some of them, it ends in the same bytes and makes none of them twice."""

from pathlib import Path

import numpy as np
import pytest

from core.config import InputError
from core.home.applying import apply_edit, shards_of
from core.portable import PortableEdit
from core.stores import Options
from core.stores.files import FileStore
from tests.portable.edits import edit_of, rows


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(4):
        np.save(tmp_path / "in" / f"part-{number}.npy", rows(50, number))
    return tmp_path / "in"


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_an_interrupted_folder_goes_on_where_it_was(shards, tmp_path, monkeypatch):
    edit: PortableEdit = edit_of("switch")
    whole = apply_edit(edit, str(shards), str(tmp_path / "whole"))
    plain, made = FileStore.apply, []

    def counted(self, source, *more):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(Path(source).name)
        return plain(self, source, *more)

    monkeypatch.setattr(FileStore, "apply", counted)
    with pytest.raises(KeyboardInterrupt):
        apply_edit(edit, str(shards), str(tmp_path / "cut"))
    assert not (tmp_path / "cut").exists()
    monkeypatch.setattr(
        FileStore, "apply", lambda self, source, *more: made.append(Path(source).name) or plain(self, source, *more)
    )
    resumed = apply_edit(edit, str(shards), str(tmp_path / "cut"), options=Options(resume=True))
    assert made == [f"part-{number}.npy" for number in range(4)]
    assert read(tmp_path / "cut") == read(tmp_path / "whole") and resumed["digests"] == whole["digests"]
    assert resumed["rows"] == 200 and sorted(path.name for path in tmp_path.iterdir()) == ["cut", "in", "whole"]


def test_patterns_and_folders_that_hold_nothing(shards, tmp_path):
    assert [path.name for path in shards_of(str(shards / "part-[01].npy"))] == ["part-0.npy", "part-1.npy"]
    assert shards_of(str(shards / "part-0.npy")) is None and shards_of("postgresql://u@h/d?host=/x#t") is None
    (tmp_path / "empty").mkdir()
    for source, said in ((str(tmp_path / "empty"), "holds no file"), (str(tmp_path / "*.nothing"), "no file is at")):
        with pytest.raises(InputError, match=said):
            apply_edit(edit_of("switch"), source, str(tmp_path / "out"))


def test_another_kind_of_store_is_refused(shards, tmp_path):
    with pytest.raises(InputError, match="write the same kind of store"):
        apply_edit(edit_of("switch"), str(shards / "part-0.npy"), str(tmp_path / "x.parquet"))
    with pytest.raises(InputError, match="not edited in place"):
        apply_edit(edit_of("switch"), str(shards), str(tmp_path / "x"), options=Options(in_place=True))
