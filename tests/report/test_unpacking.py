"""A zip archive of somebody else: a report is taken out, everything that could do harm is refused in one line."""

import io
import stat
import zipfile
from collections.abc import Callable

import pytest

from core.config import InputError
from core.report import unpacking
from core.report.unpacking import REQUIRED, unpacked

FILES = {name: f"content of {name}".encode() for name in REQUIRED}


def zipped(files: dict[str, bytes], more: Callable[[zipfile.ZipFile], object] = lambda archive: None) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        more(archive)
    return written.getvalue()


def entry(name: str, mode: int = 0, content: bytes = b"x") -> Callable[[zipfile.ZipFile], object]:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return lambda archive: archive.writestr(info, content)


@pytest.mark.parametrize("folder", ["", "my-audit/"])
def test_the_files_of_a_report_are_taken_from_one_folder(folder: str) -> None:
    assert unpacked(zipped({folder + name: content for name, content in FILES.items()})) == FILES
    signed = FILES | {"manifest.json.sig": b"{}"}
    assert unpacked(zipped({f"a/{name}": c for name, c in signed.items()}, entry("a/", stat.S_IFDIR))) == signed


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (entry("../report.html"), "leads outside"),
        (entry("/etc/report.html"), "leads outside"),
        (entry("a\\..\\report.html"), "leads outside"),
        (entry("C:/report.html"), "leads outside"),
        (entry("a/b/report.html"), "lies too deep"),
        (entry("manifest.json.sig", stat.S_IFLNK | 0o777, b"/etc/passwd"), "is a link"),
        (entry("manifest.json.sig", stat.S_IFIFO), "is a link or no regular file"),
        (entry("notes.txt"), "is no file of a report"),
        (entry("x/report.html"), "stands there twice"),
        (entry("x/manifest.json.sig"), "lie in different folders"),
        (lambda archive: [archive.writestr(f"d{i}/", b"") for i in range(100)], "106 entries"),
    ],
)
def test_what_could_do_harm_is_refused(more: Callable[[zipfile.ZipFile], object], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        unpacked(zipped(FILES, more))
    assert "\n" not in str(caught.value)


def test_the_same_name_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        data = zipped(FILES, lambda archive: archive.writestr("report.html", b"another"))
    with pytest.raises(InputError, match="stands there twice"):
        unpacked(data)


def test_a_bomb_and_a_size_that_lies_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "LARGEST", 1 << 20)
    with pytest.raises(InputError, match="unpacks to more than"):
        unpacked(zipped(FILES | {"evidence.npz": bytes(4 << 20)}))
    honest = zipped(FILES | {"evidence.npz": bytes(1 << 19)})
    size = (1 << 19).to_bytes(4, "little")
    lying = honest.replace(size, (16).to_bytes(4, "little"))
    assert lying != honest
    with pytest.raises(InputError, match=r"larger than it says|cannot be read"):
        unpacked(lying)
    monkeypatch.setattr(unpacking, "LARGEST_ZIP", 100)
    with pytest.raises(InputError, match="at most 100 are taken"):
        unpacked(honest)


def test_what_is_no_archive_or_no_whole_report_says_so() -> None:
    for data in (b"", b"PK\x03\x04 broken", b"hello", zipped(FILES)[:-30]):
        with pytest.raises(InputError, match="cannot be read"):
            unpacked(data)
    with pytest.raises(InputError, match=r"lacks card\.md"):
        unpacked(zipped({name: c for name, c in FILES.items() if name != "card.md"}))


def test_a_damaged_archive_never_raises_anything_else() -> None:
    """Every byte of a small archive turned, one at a time."""
    data = zipped(FILES)
    for at in range(0, len(data), 3):
        broken = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        try:
            assert set(unpacked(broken)) <= set(FILES) | {"manifest.json.sig"}
        except InputError as error:
            assert "\n" not in str(error)
