"""A zip of pictures is unpacked below its folder and nowhere else, and never to more than it may."""

import io
import struct
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from core.config import InputError
from core.datasets import zipped
from core.datasets.zipped import unpack_pictures


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (4, 4), (200, 10, 10)).save(made, "PNG")
    return made.getvalue()


def packed(files: dict[str, bytes], link: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo(link)
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, "/etc/passwd")
    return made.getvalue()


def unpack(data: bytes, folder: Path) -> tuple:
    return unpack_pictures(io.BytesIO(data), len(data), folder)


def test_pictures_and_tables_come_out_and_the_rest_is_named(tmp_path: Path) -> None:
    files = {"set/a.png": picture(), "set/deep/b.PNG": picture(), "set/metadata.csv": b"file_name,x\na.png,1\n"}
    left_out = unpack(packed({**files, "set/run.sh": b"ls", "__MACOSX/a.png": b"x", "set/.hidden.png": b""}), tmp_path)
    assert {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == files
    assert sorted(one.name for one in left_out) == ["__MACOSX/a.png", "set/.hidden.png", "set/run.sh"]


@pytest.mark.parametrize(
    "name", ["../a.png", "/tmp/a.png", "x/../../a.png", "C:/a.png", "..\\a.png", "d/" * 9 + "a.png"]
)
def test_a_path_that_leads_elsewhere_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(InputError, match="refused"):
        unpack(packed({"ok.png": picture(), name: picture()}), inside)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_links_names_twice_and_files_as_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="link"):
        unpack(packed({"a.png": picture()}, link="b.png"), tmp_path)
    with pytest.raises(InputError, match="twice"):
        unpack(packed({"a.png": picture(), "A.png": picture()}), tmp_path)
    with pytest.raises(InputError, match="lies in a file"):
        unpack(packed({"a.png": picture(), "a.png/b.png": picture()}), tmp_path)


def test_a_bomb_is_refused_by_what_it_says_and_by_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed({"a.png": picture(), "b.png": bytes(3 << 20)})
    for limit, value in (("LARGEST", 1 << 20), ("LARGEST_FILE", 1 << 20), ("LARGEST_ZIP", 100), ("MOST_ENTRIES", 1)):
        with monkeypatch.context() as patched, pytest.raises(InputError):
            patched.setattr(zipped, limit, value)
            unpack(data, tmp_path)
    # the directory at the archive's end says ten bytes of three million: sizes there lie at 24 of the entry
    at = data.rindex(b"PK\x01\x02")
    lying = data[: at + 24] + struct.pack("<I", 10) + data[at + 28 :]
    folder = tmp_path / "lying"
    folder.mkdir()
    with pytest.raises(InputError):
        unpack(lying, folder)
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < 1 << 20


def test_what_is_no_archive_or_holds_no_picture_is_one_line(tmp_path: Path) -> None:
    for data in (b"", b"PK", b"no zip at all" * 50, packed({"a.png": picture()})[:-30]):
        with pytest.raises(InputError, match="cannot be read") as told:
            unpack(data, tmp_path)
        assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="no picture"):
        unpack(packed({"table.csv": b"a,b\n1,2\n"}), tmp_path)
