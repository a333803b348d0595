"""What is published is whole; what failed is not there; digests follow content and nothing else."""

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from core import store
from core.config import InputError
from core.store import (
    PackedBlobs,
    array_digest,
    atomic_file,
    atomic_folder,
    file_digest,
    publish,
    read_json,
    write_json,
)


def test_file_digest_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert file_digest(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_file_digest_streams_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(256)) * 41)
    whole = file_digest(path)
    monkeypatch.setattr(store, "BLOCK", 7)
    assert file_digest(path) == whole


def test_array_digest_follows_values_dtype_and_shape_but_not_layout() -> None:
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert array_digest(a) == array_digest(np.asfortranarray(a)) == array_digest(a.copy())
    others = [a.astype(np.float64), a.reshape(4, 3), a + 1, a.astype(">f4"), np.empty((0, 4), np.float32)]
    assert len({array_digest(b) for b in [a, *others]}) == len(others) + 1


def test_json_round_trip_and_broken_files(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"é": [1, None]})
    assert read_json(tmp_path / "a.json") == {"é": [1, None]}
    for name, content in {"cut.json": b'{"a": ', "binary.json": b"\xff\xfe\x00"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_json(tmp_path / name)
    with pytest.raises(InputError, match="does not exist"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json") == {"é": [1, None]}, "a refused value must not harm the file"


def test_atomic_file_keeps_the_old_content_where_writing_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_atomic_folder_is_absent_until_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    with atomic_folder(target) as partial:
        (partial / "a").write_text("1")
        assert not target.exists() and partial.parent == target.parent
    assert (target / "a").read_text() == "1" and os.listdir(target.parent) == ["folder"]
    assert os.access(target, os.R_OK | os.X_OK) and target.stat().st_mode & 0o055 == 0o055 & ~store._umask()


def test_atomic_folder_leaves_nothing_where_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "folder") as partial:
        (partial / "a").write_text("1")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_existing_target_is_refused_or_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").write_text("1")
    with pytest.raises(InputError, match="exists already"), atomic_folder(target):
        pytest.fail("must be refused before any work")
    with atomic_folder(target, replace=True) as partial:
        (partial / "new").write_text("2")
        assert (target / "old").exists()
    assert os.listdir(target) == ["new"] and os.listdir(tmp_path) == ["folder"]


def test_failed_replacement_brings_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, partial = tmp_path / "folder", tmp_path / "partial"
    for folder in (target, partial):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    rename = os.rename

    def fail(source: Path, goal: Path) -> None:
        if Path(source) == partial:
            raise OSError("disk")
        rename(source, goal)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="disk"):
        publish(partial, target, replace=True)
    assert (target / "name").read_text() == "folder"


def test_writers_of_one_folder_never_mix(tmp_path: Path) -> None:
    def write(i: int) -> None:
        with atomic_folder(tmp_path / "folder", replace=True) as partial:
            for name in "abc":
                (partial / name).write_text(str(i))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len({(tmp_path / "folder" / name).read_text() for name in "abc"}) == 1
    assert os.listdir(tmp_path) == ["folder"]


def test_resumable_folder_survives_interruption_but_not_bad_input(tmp_path: Path) -> None:
    target = tmp_path / "job"
    with pytest.raises(KeyboardInterrupt), store.resumable_folder(target) as partial:
        (partial / "chunk").write_text("1")
        raise KeyboardInterrupt
    with store.resumable_folder(target) as partial:
        assert (partial / "chunk").read_text() == "1"
        with pytest.raises(InputError, match="another job"), store.resumable_folder(target):
            pytest.fail("two jobs in one folder")
    assert os.listdir(tmp_path) == []
    with pytest.raises(InputError, match="bad"), store.resumable_folder(target):
        raise InputError("bad")
    assert os.listdir(tmp_path) == []


def test_packed_blobs_round_trip(tmp_path: Path) -> None:
    blobs = [b"one", b"", b"\x00\xff" * 500, b""]
    PackedBlobs.write(tmp_path, "thumbs", iter(blobs))
    opened = PackedBlobs.open(tmp_path, "thumbs")
    assert list(opened) == blobs and len(opened) == 4 and isinstance(opened[0], bytes)
    with pytest.raises(IndexError):
        opened[4]


@pytest.mark.parametrize("blobs", [[], [b""], [b"", b""]])
def test_packed_blobs_of_nothing(tmp_path: Path, blobs: list[bytes]) -> None:
    PackedBlobs.write(tmp_path, "thumbs", blobs)
    assert list(PackedBlobs.open(tmp_path, "thumbs")) == blobs


def test_packed_blobs_notice_a_cut_file(tmp_path: Path) -> None:
    PackedBlobs.write(tmp_path, "thumbs", [b"abc", b"def"])
    (tmp_path / "thumbs.bin").write_bytes(b"abcde")
    with pytest.raises(InputError, match="5 bytes"):
        PackedBlobs.open(tmp_path, "thumbs")
    (tmp_path / "thumbs.bin").unlink()
    with pytest.raises(InputError, match="thumbs"):
        PackedBlobs.open(tmp_path, "thumbs")


def test_json_files_end_with_a_newline_and_keep_order(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    text = (tmp_path / "a.json").read_text()
    assert text.endswith("}\n") and list(json.loads(text)) == ["b", "a"]


def test_what_no_machine_holds_is_refused_with_its_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.reading import require_memory
    from core.saes.base import sae_config
    from core.store import DiskFull, require_space, write_blocks
    from core.training import train_sae

    require_memory(1, "one byte")
    with pytest.raises(InputError, match=r"takes about 1,000,000.0 GB of memory, more than 80%"):
        require_memory(10**15, "this")
    with pytest.raises(InputError, match=r"training an SAE of 1,099,511,627,776 neurons on 8 columns takes about"):
        train_sae(np.ones((4, 8), np.float32), sae_config("topk", 8, 1 << 40, 2))
    with pytest.raises(DiskFull, match=r"needs 1,000,000,000,000,000,000 bytes"):
        require_space(tmp_path / "new" / "file", 10**18)
    with pytest.raises(DiskFull):
        write_blocks(tmp_path / "x.npy", iter(()), (1 << 50, 4), np.dtype("<f4"))
