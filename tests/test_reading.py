"""What other people's JSON and arrays may say: everything else is one line that names the file, at once."""

import io
import json
import os
import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.config import InputError
from core.reading import DEPTH, check_arrays, map_array, parse_json, read_array, read_json, read_named_arrays

REFUSED = {
    "twice": ('{"k": 1, "a": {"b": 1, "b": 2}}', "the key 'b' twice"),
    "nan": ('{"a": NaN}', "NaN, which is no finite number"),
    "infinity": ('{"a": -Infinity}', "-Infinity"),
    "exponent": ('{"a": 1e400}', "1e400, which is no finite number"),
    "huge": ('{"a": ' + "9" * 5000 + "}", "of 5000 digits"),
    "beyond": ('{"a": 9223372036854775808}', "too large"),
    "surrogate": ('{"a": ["\\ud800"]}', "half of a surrogate pair"),
    "surrogate key": ('{"\\udfff": 1}', "half of a surrogate pair"),
    "zero": ('{"a": "x\\u0000y"}', "the character 0"),
    "deep": ("[" * 200_000 + "]" * 200_000, "nested too deeply"),
    "one too deep": ("[" * (DEPTH + 1) + "]" * (DEPTH + 1), "nested too deeply"),
    "cut": ('{"a": ', "not well formed at line 1"),
    "two": ('{"a": 1} {"b": 2}', "not well formed"),
    "empty": ("", "not well formed"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_json_that_is_refused_is_one_line_with_the_file(kind: str, tmp_path: Path) -> None:
    text, why = REFUSED[kind]
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError) as raised:
        read_json(tmp_path / "x.json")
    said = str(raised.value)
    assert said.startswith(f"{tmp_path / 'x.json'} is no JSON: ") and why in said and "\n" not in said


def test_json_that_is_read_is_what_the_library_reads() -> None:
    """Written out and read back, with every kind of value and as deep as is allowed."""
    value: object = {"é": [1, -1, 2**63 - 1, -(2**63), 1e-300, 0.1, None, True, "\U0001f600 \\ud800", {}], "": ""}
    for _ in range(DEPTH - 3):
        value = [value]
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False).encode()):
        assert parse_json(text, "x") == value == json.loads(text)


def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")
    os.mkfifo(tmp_path / "x.npy")
    for read in (lambda: read_json(tmp_path / "x.json"), lambda: read_array(tmp_path / "x.npy", "numbers")):
        found: list[str] = []

        def run(read=read, found=found) -> None:
            with pytest.raises(InputError) as raised:
                read()
            found.append(str(raised.value))

        worker = threading.Thread(target=run, daemon=True)
        worker.start()
        worker.join(5)
        assert found and "file" in found[0]


def npy(shape: str, dtype: str = "<f4", body: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(head)) + head + body


LIES = {
    "rows": npy("(1000000000000000000, 512)"),
    "overflow": npy("(4294967296, 4294967296)"),
    "negative": npy("(-1, 512)"),
    "cut": npy("(100, 512)", body=b"\0" * 1000),
    "objects": npy("(1,)", dtype="|O", body=b"cos\nsystem\n(V\nI65\ntR."),
    "version": npy("(2, 2)", version=(9, 0), body=b"\0" * 16),
    "header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFF0) + b"{",
    "code": b"\x93NUMPY\x01\x00" + struct.pack("<H", 30) + b"__import__('os').system('true')",
    "letters": npy("('a', 2)", body=b"\0" * 16),
    "text": b"hello",
    "empty": b"",
}


@pytest.mark.parametrize("kind", LIES)
def test_headers_that_lie_are_refused_alone_mapped_and_in_an_archive(kind: str, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(LIES[kind])
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", LIES[kind])
    for read in (
        lambda: read_array(tmp_path / "x.npy", "numbers"),
        lambda: map_array(tmp_path / "x.npy", "numbers"),
        lambda: read_named_arrays(tmp_path / "x.npz"),
    ):
        with pytest.raises(InputError) as raised:
            read()
        said = str(raised.value)
        assert "cannot be read" in said and str(tmp_path) in said and "\n" not in said


def test_archives_that_are_no_archives_of_numbers_are_refused(tmp_path: Path) -> None:
    good, written = npy("(2,)", body=b"\0" * 8), io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("x.npy", good)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", good)
    (tmp_path / "twice.npz").write_bytes(written.getvalue())
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", npy("(25600, 1024)", body=b"\0" * (25600 * 4096)))
    with zipfile.ZipFile(tmp_path / "sound.npz", "w") as archive:
        archive.writestr("x.npy", good)
    raw = bytearray((tmp_path / "sound.npz").read_bytes())
    raw[6] |= 1
    raw[raw.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "encrypted.npz").write_bytes(bytes(raw))
    for name, why in (("twice", "twice"), ("bomb", "which no numbers do"), ("encrypted", "encrypted")):
        with pytest.raises(InputError, match=rf"{name}\.npz cannot be read \(.*{why}"):
            read_named_arrays(tmp_path / f"{name}.npz")
    assert read_named_arrays(tmp_path / "sound.npz")["x"].tolist() == [0.0, 0.0]


def test_sound_arrays_of_every_kind_pass(tmp_path: Path) -> None:
    for a in (
        np.arange(6.0).reshape(2, 3),
        np.zeros((5, 0)),
        np.zeros((0, 5), np.int8),
        np.float32(3),
        np.array([True]),
    ):
        np.save(tmp_path / "a.npy", a)
        check_arrays(tmp_path / "a.npy")
        np.testing.assert_array_equal(read_array(tmp_path / "a.npy", "numbers"), a)
    np.save(tmp_path / "a.npy", np.asfortranarray(np.arange(6).reshape(2, 3)))
    np.testing.assert_array_equal(map_array(tmp_path / "a.npy", "numbers", (None, 3)), np.arange(6).reshape(2, 3))
    with pytest.raises(InputError, match=r"its shape is \(2, 3\)"):
        map_array(tmp_path / "a.npy", "numbers", (3, 3))
