"""Damaged positions of stored codes: named when they are opened, or without any effect."""

import random
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sparse

from core.config import InputError
from core.gallery import positions
from core.gallery.codes import codes_folder, open_codes, write_codes
from core.gallery.positions import wrong_positions

N, F, SAE = 60, 40, "ab" * 32
ARRAYS = [f"{form}_{part}" for form in ("csr", "csc") for part in ("indptr", "indices")]


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, sparse.csr_matrix]:
    return tmp_path, written(tmp_path)


def written(gallery: Path) -> sparse.csr_matrix:
    """Codes in a gallery's folder."""
    dense = sparse.random(N, F, 0.1, dtype=np.float32, rng=np.random.default_rng(0)).toarray()
    dense[7] = 0  # an item on which nothing fires
    codes = sparse.csr_matrix(dense)
    write_codes(gallery, SAE, [codes[:25], codes[25:]], (N, F))
    return codes


def damaged(path: Path, draw: random.Random) -> None:
    """One of the ways in which positions go wrong."""
    a = np.load(path)
    kind = draw.randrange(6)
    at = draw.randrange(len(a))
    if kind == 0:  # one bit
        raw = bytearray(path.read_bytes())
        raw[len(raw) - a.nbytes + draw.randrange(a.nbytes)] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(raw))
        return
    if kind == 1:
        a[at] = draw.choice([-1, 10**9, -(2**31), F, N, len(a)])
    elif kind == 2:  # what a faulty writer leaves
        a[at:] = draw.choice([0, a[-1], 10**9])
    elif kind == 3:
        other = draw.randrange(len(a))
        a[at], a[other] = a[other], a[at]
    elif kind == 4:
        a = a[: max(1, at)]
    else:
        a = np.array([draw.randrange(max(int(a.max()), 1)) for _ in a], a.dtype)
    np.save(path, a)


def test_every_random_damage_is_named_or_harmless(stored: tuple[Path, sparse.csr_matrix]) -> None:
    gallery, codes = stored
    named, draw = damages(gallery, codes, 200), 200
    assert named > 0.9 * draw


def damages(gallery: Path, codes: sparse.csr_matrix, n: int, seed: int = 0) -> int:
    """How many of n damages are named; the others change nothing."""
    draw, named = random.Random(seed), 0
    folder = codes_folder(gallery, SAE)
    for _ in range(n):
        path = folder / f"{draw.choice(ARRAYS)}.npy"
        whole = path.read_bytes()
        damaged(path, draw)
        try:
            found = open_codes(gallery, SAE, N)
        except InputError as error:
            said = str(error)
            assert str(folder) in said and "\n" not in said and "encode again" in said
            named += 1
        else:
            assert found is not None
            for form in (found.csr, found.csc):
                np.testing.assert_array_equal(form.toarray(), codes.toarray())
        path.write_bytes(whole)
    return named


def test_values_that_differ_between_the_forms_are_named(stored: tuple[Path, sparse.csr_matrix]) -> None:
    gallery, _ = stored
    path = codes_folder(gallery, SAE) / "csc_data.npy"
    a = np.load(path)
    a[3] += 1
    np.save(path, a)
    with pytest.raises(InputError, match="the codes by row are not those by neuron"):
        open_codes(gallery, SAE, N)


@pytest.mark.parametrize("block", [1, 3, 7, 1 << 22])
def test_blocks_play_no_part(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "BLOCK", block)
    rng = np.random.default_rng(1)
    for _ in range(20):
        m = sparse.random(12, 9, 0.3, format="csr", dtype=np.float32, rng=rng)
        m.sort_indices()
        assert wrong_positions(m.data, m.indices, m.indptr, m.shape) is None
        row = int(np.argmax(np.diff(m.indptr)))
        at = int(m.indptr[row])
        m.indices[at + 1] = m.indices[at]
        assert wrong_positions(m.data, m.indices, m.indptr, m.shape) == f"indices do not rise at value {at + 1}"
