"""Every registered store: edited rows, everything else as it was, a kill in the middle, and the app's own snapshot."""

import errno
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.config import InputError
from core.portable.edit import unit_or_zero
from core.stores import STORES, Change, Options, shown, store_of
from core.stores.files import Kept
from tests.stores.making import DATABASES, FILES, D, N, vectors

TURN = np.linalg.qr(np.random.default_rng(8).normal(size=(D, D)))[0].astype(np.float32)


def edit(x: np.ndarray) -> np.ndarray:
    """A turn that every vector shows, then length one."""
    return unit_or_zero(x, x @ TURN)


def change(digest: str = "e" * 64) -> Change:
    return Change(edit, D, digest)


def applied(source: str, target: str, options: Options = Options(), made: Change | None = None):  # noqa: B008
    store, place = store_of(source)
    return store.apply(place, store_of(target)[1], made or change(), options)


def test_every_store_is_tried_here():
    tried = {store_of(maker.address(Path("x"), "t"))[0].__class__ for maker in FILES}
    known = {STORES.get(name) for name in STORES}
    assert {kind.prefix for kind in known - tried} == set(DATABASES)


def test_the_vectors_are_edited_and_all_else_is_as_it_was(maker, tmp_path):
    source, target = maker.address(tmp_path, "before"), maker.address(tmp_path, "after")
    maker.write(source, vectors(maker.n))
    (x, others), found = maker.read(source), applied(source, target)
    np.testing.assert_array_equal(x, vectors(maker.n))
    y, same = maker.read(target)
    np.testing.assert_allclose(y, edit(x), rtol=0, atol=1e-6)
    assert same == others and found.rows == maker.n and found.lost == 0
    np.testing.assert_array_equal(maker.read(source)[0], x)
    assert len(found.before) == len(found.after) == 64 and found.before != found.after


def test_twice_the_same_gives_the_same_digests(maker, tmp_path):
    source = maker.address(tmp_path, "before")
    maker.write(source, vectors(maker.n))
    first, second = (applied(source, maker.address(tmp_path, name)) for name in ("one", "two"))
    assert (first.before, first.after) == (second.before, second.after)


def test_what_is_there_is_not_written_over(maker, tmp_path):
    source, target = maker.address(tmp_path, "before"), maker.address(tmp_path, "after")
    maker.write(source, vectors(maker.n))
    applied(source, target)
    with pytest.raises(InputError, match="exists already"):
        applied(source, target)
    with pytest.raises(InputError, match=r"is the (file|table) that is read|not edited in place"):
        applied(source, source, Options(replace=True))
    if maker.name != "qdrant":
        applied(source, target, Options(replace=True))


def test_vectors_of_another_width_are_refused(maker, tmp_path):
    source = maker.address(tmp_path, "before")
    maker.write(source, vectors(maker.n, 7))
    with pytest.raises(InputError, match="has 7 columns; the edit is for rows of 12"):
        applied(source, maker.address(tmp_path, "after"))


class _Kill(Change):
    """A change that kills its own process when it has edited so many rows."""

    def __init__(self, after: int) -> None:
        super().__init__(edit, D, "e" * 64)
        self._after = after

    def __call__(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        done = super().__call__(x, out)
        if self.rows >= self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        return done


SMALL = (
    *("numpy_array.BLOCK", "safetensors_file.BLOCK", "arrow_files.ROWS", "parquet.ROWS", "feather.ROWS"),
    *("faiss_index.BLOCK", "lance.BLOCK", "qdrant.PAGE", "postgres.PAGE"),
)
"""Blocks that are made small, so that a kill falls between them."""


def make_blocks_small() -> None:
    for name in SMALL:
        module, _, constant = name.partition(".")
        setattr(importlib.import_module(f"core.stores.{module}"), constant, 20 if module == "qdrant" else 100)
    importlib.import_module("core.stores.files").CHECKPOINT = 3000


def killed(source: str, target: str, after: int) -> None:
    """Apply the edit in a process of its own that kills itself after so many rows."""
    code = (
        "from tests.stores.test_stores import Options, _Kill, applied, make_blocks_small\nmake_blocks_small()\n"
        f"applied({source!r}, {target!r}, Options(), _Kill({after}))"
    )
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=root, timeout=120, capture_output=True, text=True, check=False
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SMALL:
        monkeypatch.setattr(f"core.stores.{name}", 20 if "qdrant" in name else 100)
    monkeypatch.setattr("core.stores.files.CHECKPOINT", 3000)


@pytest.mark.usefixtures("small_blocks")
def test_killed_in_the_middle_it_ends_in_the_same_contents(maker, tmp_path):
    source, cut, uncut = (maker.address(tmp_path, name) for name in ("before", "cut", "whole"))
    maker.write(source, vectors(maker.n))
    whole = applied(source, uncut)
    killed(source, cut, maker.n // 2)
    with pytest.raises(Exception):  # noqa: B017, PT011  each library's own: it is not there
        maker.read(cut)
    resumed = applied(source, cut, Options(resume=True))
    assert (resumed.before, resumed.after, resumed.rows) == (whole.before, whole.after, maker.n)
    np.testing.assert_array_equal(maker.read(cut)[0], maker.read(uncut)[0])
    if maker in FILES:
        assert Path(cut).read_bytes() == Path(uncut).read_bytes()
        assert not list(tmp_path.glob(".*partial"))


@pytest.mark.usefixtures("small_blocks")
def test_how_far_it_came_is_said_after_the_disk_holds_it(tmp_path, monkeypatch):
    source, target = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    np.save(source, vectors())
    order: list[str] = []
    plain, save = os.fsync, Kept.save
    monkeypatch.setattr("os.fsync", lambda file: order.append("synced") or plain(file))
    monkeypatch.setattr(Kept, "save", lambda self, rows, lost: order.append("said") or save(self, rows, lost))
    applied(source, target)
    said = [place for place, what in enumerate(order) if what == "said"]
    assert said and all(order[place - 1] == "synced" for place in said)


@pytest.mark.usefixtures("small_blocks")
def test_a_disk_that_does_not_take_it_is_told_and_nothing_gets_the_name(tmp_path, monkeypatch):
    source, target = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    np.save(source, vectors())

    def fails(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        applied(source, target)
    assert not Path(target).exists()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("postgresql://me:secret@host:5/d#t", "postgresql://me@host:5/d#t"),
        ("postgresql://host/d?user=me&password=secret#t", "postgresql://host/d?user=me&password=***#t"),
        ("qdrant:http://me:secret@host:6333#t", "qdrant:http://me@host:6333#t"),
        ("postgresql:///d?host=/x#t", "postgresql:///d?host=/x#t"),
        ("lancedb:a folder#t", "lancedb:a folder#t"),
        ("C/x:y@z.npy", "C/x:y@z.npy"),
    ],
)
def test_an_address_is_told_without_its_password(address, told):
    assert shown(address) == told


@pytest.mark.usefixtures("small_blocks")
def test_another_edit_does_not_take_up_what_this_one_left(tmp_path):
    source, cut = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    np.save(source, vectors())
    killed(source, cut, 500)
    other = Change(lambda x: unit_or_zero(x, x), D, "f" * 64)
    applied(source, cut, Options(resume=True), other)
    np.testing.assert_allclose(np.load(cut), unit_or_zero(vectors(), vectors()), atol=1e-7)


def test_a_snapshot_is_the_vectors_and_the_columns(maker, tmp_path):
    source, folder = maker.address(tmp_path, "before"), tmp_path / "snapshot"
    folder.mkdir()
    maker.write(source, vectors(maker.n))
    store, place = store_of(source)
    found, again = (store.snapshot(place, folder, Options()) for _ in range(2))
    if maker.name != ".npz":
        np.testing.assert_array_equal(np.load(found.vectors), vectors(maker.n))
    assert found.digest == again.digest and len(found.digest) == 64
    if found.table is not None and "faiss" not in maker.name:
        frame = pd.read_parquet(found.table)
        assert frame["id"].tolist() == [f"item-{i:05d}" for i in range(maker.n)]
        assert frame["gender"].isna().sum() == maker.n // 7 and set(frame["gender"].dropna()) == {"Female", "Male"}
    elif maker.name in ("faiss-ids", "faiss-ivf"):
        assert pd.read_parquet(found.table)["id"].tolist() == [str(3 * i + 5) for i in range(maker.n)]


def test_rows_of_which_nothing_is_left_are_counted_and_named(tmp_path):
    x = vectors()
    x[[4, 9]] = 0
    np.save(tmp_path / "x.npy", x)
    found = applied(str(tmp_path / "x.npy"), str(tmp_path / "y.npy"))
    assert found.lost == 2 and found.lost_rows == (5, 10)
    assert not np.load(tmp_path / "y.npy")[[4, 9]].any()


def test_numbers_that_are_not_finite_are_refused_with_their_row(tmp_path):
    x = vectors()
    x[300, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InputError, match="row 301 holds NaN or infinite"):
        applied(str(tmp_path / "x.npy"), str(tmp_path / "y.npy"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.npy"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(dtype, tmp_path):
    np.save(tmp_path / "x.npy", vectors(dtype=dtype))
    applied(str(tmp_path / "x.npy"), str(tmp_path / "y.npy"))
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == dtype
    np.testing.assert_allclose(
        y, edit(vectors(dtype=dtype).astype(np.float32)), atol=1e-3 if dtype == np.float16 else 1e-6
    )


def test_in_place_only_where_it_is_asked_for(tmp_path):
    path = str(tmp_path / "x.npy")
    np.save(path, vectors())
    found = applied(path, path, Options(in_place=True))
    np.testing.assert_allclose(np.load(path), edit(vectors()), rtol=0, atol=1e-6)
    assert found.rows == N and sorted(one.name for one in tmp_path.iterdir()) == ["x.npy"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("IVF4,PQ4x4", "quantised codes"),
        ("SQ8", "quantised codes"),
        ("HNSW8,Flat", "is a graph"),
        ("PCA6,Flat", "transformed first"),
    ],
)
def test_an_index_without_the_vectors_is_refused_in_words(make, said, tmp_path):
    import faiss

    index = faiss.index_factory(D, make)
    index.train(vectors())
    index.add(vectors())
    faiss.write_index(index, str(tmp_path / "x.index"))
    with pytest.raises(InputError, match=said) as refused:
        applied(str(tmp_path / "x.index"), str(tmp_path / "y.index"))
    assert "build the index again" in str(refused.value) and not (tmp_path / "y.index").exists()


def test_ivf_flat_goes_on_finding_what_it_holds(tmp_path):
    import faiss

    maker = next(one for one in FILES if one.name == "faiss-ivf")
    source, target = maker.address(tmp_path, "x"), maker.address(tmp_path, "y")
    maker.write(source, vectors())
    found = applied(source, target)
    index = faiss.read_index(target)
    index.nprobe = 1
    ids = index.search(edit(vectors())[:50], 1)[1][:, 0]
    assert ids.tolist() == [3 * i + 5 for i in range(50)] and "went to another list" in found.notes[0]


@pytest.mark.parametrize("address", ["x.txt", "mysql:a", "folder/"])
def test_what_is_no_store_is_told_what_there_is(address):
    with pytest.raises(InputError, match=r"expected one of .*\.npy.*postgresql:"):
        store_of(address)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.safetensors", "x.parquet", "x.feather", "x.index"])
@pytest.mark.parametrize("body", [b"", b"\x93NUMPY", b"PK\x03\x04 something", b"PAR1 cut", os.urandom(300)])
def test_a_damaged_file_is_one_line_and_leaves_nothing(name, body, tmp_path):
    (tmp_path / name).write_bytes(body)
    with pytest.raises(InputError) as refused:
        applied(str(tmp_path / name), str(tmp_path / f"new-{name}"))
    assert name in str(refused.value) and "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", list(DATABASES))
def test_without_its_library_the_message_names_the_pip_line(name, monkeypatch):
    kind = STORES.get(name)
    monkeypatch.setitem(sys.modules, kind.library, None)
    with pytest.raises(InputError, match="pip install"):
        kind().apply("//x/y#a" if name == "postgresql" else "x#a", "y#b", change(), Options())
