"""The edit's file: every piece runs alike in NumPy, printed NumPy and torch; a flipped byte is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS
from core.portable import PortableEdit, SideEdit, read_edit, write_edit
from core.portable.card import MOST_LINES
from core.portable.in_torch import EditModule
from core.portable.pieces import PIECES
from core.saes.base import new_sae, sae_config
from core.units import unit
from tests.interventions.test_contract import CHOSEN, fitted, material, small_sae
from tests.portable.edits import D, edit_of, fingerprint, piece, rows

EVERY_PIECE = pytest.mark.parametrize("kind", list(PIECES))


def printed(edit: PortableEdit, folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The function that the card prints, run beside the arrays."""
    write_edit(edit, folder)
    card = (folder / "card.md").read_text()
    code = card.partition("```python\n")[2].partition("```")[0]
    assert 0 < len(code.splitlines()) <= MOST_LINES
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(code, names)
    return names["edited"]


@EVERY_PIECE
def test_numpy_printed_numpy_and_torch_give_the_same_rows(kind, tmp_path, monkeypatch):
    edit, x = edit_of(kind), rows()
    found = edit.side()(x)
    exact = unit(piece(kind).rule(x.astype(np.float64), piece(kind).arrays, **piece(kind).settings))
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6)
    np.testing.assert_allclose(EditModule(edit)(torch.from_numpy(x)).numpy(), exact, rtol=0, atol=1e-6)
    np.testing.assert_allclose(printed(edit, tmp_path / "edit", monkeypatch)(x), exact, rtol=0, atol=1e-6)
    again = read_edit(tmp_path / "edit")
    np.testing.assert_array_equal(again.side()(x), found)
    assert not np.allclose(found, unit(x), atol=1e-3), "the piece does something"


@EVERY_PIECE
def test_a_row_does_not_depend_on_the_rows_beside_it(kind):
    edit, x = edit_of(kind), rows()
    np.testing.assert_allclose(edit.side()(x)[[7, 3]], edit.side()(x[[7, 3]]), rtol=0, atol=1e-6)
    assert edit.side()(x[:0]).shape == (0, D)


@pytest.mark.parametrize("edit", [CHOSEN, Edit((1, 3), 0.5, 0.3, "blend", 0.7), Edit((2, 5), strengths=(0.2, 1.0))])
@pytest.mark.parametrize("arch", ["msae", "batch-topk", "topk"])
@pytest.mark.parametrize("name", list(INTERVENTIONS))
def test_every_method_travels_or_says_why_not(name, arch, edit):
    method, sae = INTERVENTIONS.get(name)(), small_sae(arch)
    if method.stays:
        with pytest.raises(InputError, match="cannot be taken along") as refused:
            method.pieces(fitted(name), "text", edit, sae)
        assert "\n" not in str(refused.value)
        return
    given = material(60, sae=sae)
    pieces = method.pieces(fitted(name), "text", edit, sae)
    found = PortableEdit({"items": SideEdit(pieces, fingerprint(side="text"))}).side()(given.pooled)
    np.testing.assert_allclose(found, unit(method(given, edit, fitted(name))), rtol=0, atol=1e-6)


def test_what_lies_wholly_in_what_is_removed_is_zero():
    V = np.eye(D)[:, :1]
    edit = PortableEdit({"items": SideEdit(INTERVENTIONS.get("inlp")().pieces(V, "image"), fingerprint())})
    x = np.stack([np.eye(D)[0] * 3, np.ones(D)]).astype(np.float32)
    found = edit.side()(x)
    assert not found[0].any() and np.linalg.norm(found[1]) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(EditModule(edit)(torch.from_numpy(x)).numpy()[0], 0)


def test_sixteen_neurons_of_512_columns_take_100_kilobytes_at_most(tmp_path):
    sae = new_sae(sae_config("batch-topk", 512, 4096, 32)).frozen()
    edit = Edit(tuple(range(0, 160, 10)), strengths=(0.5,) * 16, gammas=(0.25,) * 16)
    pieces = INTERVENTIONS.get("neuron-edit")().pieces(None, "image", edit, sae)
    write_edit(PortableEdit({"items": SideEdit(pieces, fingerprint(512))}, edit_of("switch").about), tmp_path / "e")
    assert sum(path.stat().st_size for path in (tmp_path / "e").iterdir()) <= 100_000


def test_equal_edits_give_equal_bytes(tmp_path):
    digests = {write_edit(edit_of("switch", "turn"), tmp_path / name) for name in ("a", "b")}
    assert len(digests) == 1
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("name", ["edit.json", "edit.safetensors", "card.md"])
def test_a_flipped_byte_is_refused(name, tmp_path):
    write_edit(edit_of("switch"), tmp_path / "edit")
    raw = (tmp_path / "edit" / name).read_bytes()
    rng = np.random.default_rng(5)
    for place in [0, len(raw) - 1, *rng.integers(0, len(raw), 60).tolist()]:
        bad = bytearray(raw)
        bad[place] ^= 1 << int(rng.integers(0, 8))
        (tmp_path / "edit" / name).write_bytes(bad)
        with pytest.raises(InputError) as refused:
            read_edit(tmp_path / "edit")
        assert name in str(refused.value) and "\n" not in str(refused.value)
    (tmp_path / "edit" / name).write_bytes(raw)
    assert read_edit(tmp_path / "edit").name == "small"


@pytest.mark.parametrize("name", ["edit.json", "edit.safetensors", "card.md"])
def test_a_missing_file_is_named(name, tmp_path):
    write_edit(edit_of("switch"), tmp_path / "edit")
    (tmp_path / "edit" / name).unlink()
    with pytest.raises(InputError, match=name):
        read_edit(tmp_path / "edit")
    with pytest.raises(InputError, match="is no folder"):
        read_edit(tmp_path / "none")


def resealed(folder: Path, change) -> None:
    """An edit.json that somebody changed and gave a digest that fits."""
    from core.config import digest_of
    from core.portable.folder import _told

    document = json.loads((folder / "edit.json").read_text())
    change(document)
    document["digest"] = digest_of({key: value for key, value in document.items() if key != "digest"})
    (folder / "edit.json").write_bytes(_told(document))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema=2), "reads 1: update"),
        (lambda d: d.update(kind="other"), "no exported edit"),
        (lambda d: d["sides"]["items"]["pieces"][0].update(kind="swich"), "did you mean 'switch'"),
        (lambda d: d["sides"]["items"]["pieces"][0]["arrays"].pop(), "expected W_enc"),
        (lambda d: d["sides"]["items"]["fingerprint"].update(d=7), "reads 24 columns"),
        (lambda d: d.update(sides={}), "neither items nor queries"),
        (lambda d: d["sides"]["items"].pop("pieces"), "is damaged"),
    ],
)
def test_a_document_that_says_something_else_is_refused(change, said, tmp_path):
    write_edit(edit_of("switch"), tmp_path / "edit")
    resealed(tmp_path / "edit", change)
    with pytest.raises(InputError, match=said):
        read_edit(tmp_path / "edit")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_arrays_that_are_not_finite_are_refused(value):
    known = piece("switch")
    with pytest.raises(InputError, match="NaN or infinity"):
        type(known)({**known.arrays, "gamma": np.full(5, value)})


def test_sides_and_rows_that_are_not_there_are_refused():
    edit = edit_of("switch", side="queries")
    assert edit.side() is edit.side("queries")
    with pytest.raises(InputError, match="changes queries alone"):
        edit.side("items")
    with pytest.raises(InputError, match=r"rows of shape \(3, 7\)"):
        edit.side()(rows(3, d=7))
