"""The readout is torch's LayerNorm and projection, and linear up to one number a row."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import InputError
from core.readout import ReadoutArrays


@pytest.fixture
def readout() -> ReadoutArrays:
    rng = np.random.default_rng(5)
    return ReadoutArrays(rng.normal(1, 0.3, 24), rng.normal(0, 0.5, 24), 1e-5, rng.normal(size=(24, 7)))


def test_equals_torch(readout: ReadoutArrays) -> None:
    x = np.random.default_rng(0).normal(3, 2, (11, 24))
    norm = torch.nn.LayerNorm(24, eps=readout.eps, dtype=torch.float64)
    norm.load_state_dict({"weight": torch.tensor(readout.ln_weight), "bias": torch.tensor(readout.ln_bias)})
    expected = (norm(torch.tensor(x)) @ torch.tensor(readout.projection)).detach().numpy()
    np.testing.assert_allclose(readout(x), expected, atol=1e-12)
    single = readout(x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-5)


def test_is_linear_up_to_sigma(readout: ReadoutArrays) -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(2, 1, (6, 24)), rng.normal(size=(6, 24))
    np.testing.assert_allclose(readout(x), readout.linear(x) / readout.sigma(x)[:, None] + readout.offset, atol=1e-12)
    np.testing.assert_allclose(readout.linear(x - 0.3 * w), readout.linear(x) - 0.3 * readout.linear(w), atol=1e-12)
    np.testing.assert_allclose(readout.linear(np.full((1, 24), 4.0)), 0, atol=1e-12)


def test_saving_and_reading(readout: ReadoutArrays, tmp_path: Path) -> None:
    readout.save(tmp_path / "readout.npz")
    again = ReadoutArrays.load(tmp_path / "readout.npz")
    x = np.random.default_rng(2).normal(size=(3, 24))
    assert np.array_equal(again(x), readout(x))
    assert (again.d_model, again.d, again.eps) == (24, 7, readout.eps)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04broken"])
def test_broken_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "readout.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"readout\.npz"):
        ReadoutArrays.load(tmp_path / "readout.npz")
    with pytest.raises(InputError, match=r"missing\.npz"):
        ReadoutArrays.load(tmp_path / "missing.npz")


def test_wrong_shapes_are_refused(readout: ReadoutArrays) -> None:
    with pytest.raises(InputError, match="23 columns"):
        readout(np.zeros((2, 23)))
    with pytest.raises(InputError, match="projection"):
        ReadoutArrays(np.ones(4), np.ones(4), 1e-5, np.ones((5, 2)))
