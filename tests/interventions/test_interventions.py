"""Editing neurons moves what it should and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sparse
import torch

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS, Material, matched_random_edits
from core.interventions.neuron_edit import edit_tokens
from core.readout import ReadoutArrays
from tests.recorded import oracle

N, D_IN, D, F = 60, 12, 8, 40


class HandSAE:
    """The two arrays that an intervention reads of an SAE."""

    def __init__(self, rng: np.random.Generator, d: int, dtype: torch.dtype) -> None:
        rows = torch.as_tensor(rng.normal(size=(F, d)))
        self.W_dec = (rows / rows.norm(dim=1, keepdim=True)).to(dtype)
        self.b_dec = torch.as_tensor(rng.normal(size=d)).to(dtype) + 3.0

    def arrays(self) -> dict[str, np.ndarray]:
        return {"W_dec": self.W_dec.numpy(), "b_dec": self.b_dec.numpy()}


def make(attach: str, dtype=np.float32, seed: int = 0) -> Material:
    rng = np.random.default_rng(seed)
    d_in = D_IN if attach == "residual" else D
    x = (rng.normal(size=(N, d_in)) + 3.0).astype(dtype)
    dense = np.where(rng.random((N, F)) < 0.12, rng.random((N, F)) + 0.1, 0.0)
    dense[:, 5] = 0.0  # a dead neuron
    dense[0] = 0.0  # a row on which nothing fires
    readout = ReadoutArrays(rng.random(D_IN) + 0.5, rng.normal(size=D_IN), 1e-5, rng.normal(size=(D_IN, D)))
    pooled = readout(x) if attach == "residual" else x
    sae = HandSAE(rng, d_in, torch.float64 if dtype == np.float64 else torch.float32)
    codes = sparse.csr_matrix(dense.astype(dtype))
    return Material("image", pooled, attach, x, codes, sae, readout if attach == "residual" else None)


both = pytest.mark.parametrize("attach", ["pooled", "residual"])
OF_AN_EDIT = [name for name in INTERVENTIONS if INTERVENTIONS.get(name).changes == "edit"]
every = pytest.mark.parametrize("name", ["identity", *OF_AN_EDIT])
OFF = Edit((1, 3, 7))
EDITS = [
    Edit((3,)),
    OFF,
    Edit((1, 3, 7), strength=0.5),
    Edit((1, 3), gamma=0.7),
    Edit((1, 3), strength=0.3, gamma=-1.0),
    Edit((7, 1, 3), strength=0.5, strengths=(1.0, 0.2, 0.0)),
    Edit((7, 1), gammas=(0.4, -0.3), strengths=(0.5, 1.0)),
    Edit((1, 3), form="blend"),
    Edit((1, 3), form="blend", alpha=1.0, gamma=2.0),
    Edit((), form="blend", alpha=0.4),
]


def literal(m: Material, edit: Edit) -> np.ndarray:
    """Dense float64, row by row, straight from the definition; un-normalised pooled embeddings."""
    z = m.codes.toarray().astype(np.float64)
    new = z.copy()
    for j, s, gamma in zip(edit.neurons, edit.each_strength, edit.each_gamma, strict=True):
        new[:, j] = (1 - s) * z[:, j] + s * gamma
    W, b, x = m.sae.W_dec.numpy().astype(np.float64), m.sae.b_dec.numpy().astype(np.float64), m.x.astype(np.float64)
    if edit.form == "error-preserving":
        changed = x - np.stack([sum((z[i, j] - new[i, j]) * W[j] for j in range(F)) for i in range(N)])
    else:
        changed = edit.alpha * (new @ W + b) + (1 - edit.alpha) * x
    return changed if m.readout is None else m.readout(changed)


# ----------------------------------------------------------------------------------------- contract for all


@every
@both
def test_pure_and_of_the_right_shape(name, attach):
    m = make(attach)
    before = (m.pooled.copy(), m.x.copy(), m.codes.toarray())
    method = INTERVENTIONS.get(name)()
    first, second = method(m, OFF), method(m, OFF)
    assert first.shape == m.pooled.shape and first.dtype == np.float32 and first is not m.pooled
    np.testing.assert_array_equal(first, second)
    for then, now in zip(before, (m.pooled, m.x, m.codes.toarray()), strict=True):
        np.testing.assert_array_equal(then, now)
    assert method.title


@every
@both
def test_alpha_zero_is_the_original_bit_by_bit(name, attach):
    m = make(attach)
    changed = INTERVENTIONS.get(name)()(m, Edit((1, 3), form="blend", alpha=0.0, gamma=4.0))
    np.testing.assert_array_equal(changed, m.pooled)


@every
def test_dtype_is_followed(name):
    assert INTERVENTIONS.get(name)()(make("residual", np.float64), OFF).dtype == np.float64


@pytest.mark.parametrize("name", OF_AN_EDIT)
def test_without_codes_it_says_so(name):
    with pytest.raises(InputError, match="needs an SAE"):
        INTERVENTIONS.get(name)()(Material("image", np.ones((3, 4), dtype=np.float32)), OFF)


# ---------------------------------------------------------------------------------------------- neuron edit


@both
@pytest.mark.parametrize("edit", EDITS, ids=lambda e: f"{e.form}-{len(e.neurons)}-s{e.strength}-g{e.gamma}-a{e.alpha}")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_the_definition(attach, edit, dtype):
    m = make(attach, dtype)
    got = INTERVENTIONS.get("neuron-edit")()(m, edit)
    np.testing.assert_allclose(got, literal(m, edit), rtol=0, atol=2e-5 if dtype == np.float32 else 1e-12)


@both
@pytest.mark.parametrize("edit", [Edit(), Edit((), gamma=3.0), Edit((1, 3), strength=0.0, gamma=2.0), Edit((5,))])
def test_nothing_switched_is_the_original_bit_by_bit(attach, edit):
    m = make(attach)
    np.testing.assert_array_equal(INTERVENTIONS.get("neuron-edit")()(m, edit), m.pooled)


@both
def test_untouched_rows_keep_their_bits_and_touched_ones_move(attach):
    m = make(attach)
    touched = np.asarray((m.codes[:, [1, 3, 7]] != 0).sum(axis=1)).reshape(-1) > 0
    got = INTERVENTIONS.get("neuron-edit")()(m, OFF)
    np.testing.assert_array_equal(got[~touched], m.pooled[~touched])
    assert (got[touched] != m.pooled[touched]).any(axis=1).all() and 0 < touched.sum() < N


def test_gamma_reaches_rows_where_the_neuron_was_off():
    m = make("pooled")
    got = INTERVENTIONS.get("neuron-edit")()(m, Edit((5,), gamma=2.0))  # a dead neuron
    np.testing.assert_allclose(got - m.pooled, np.tile(2.0 * m.sae.W_dec[5].numpy(), (N, 1)), atol=1e-5)


def test_strength_is_linear_in_the_pooled_embedding():
    m = make("pooled", np.float64)
    method = INTERVENTIONS.get("neuron-edit")()
    full, half = (method(m, Edit((1, 3), strength=s)) - m.pooled for s in (1.0, 0.5))
    np.testing.assert_allclose(half, full / 2, atol=1e-12)


def test_rows_and_columns_of_codes_give_the_same():
    m = make("residual")
    by_column = replace(m, codes=m.codes.tocsc())
    method = INTERVENTIONS.get("neuron-edit")()
    for edit in EDITS:
        np.testing.assert_allclose(method(m, edit), method(by_column, edit), atol=1e-6)


def test_half_precision_galleries_are_edited_in_float32():
    m = make("pooled")
    stored = m.pooled.astype(np.float16)
    got = INTERVENTIONS.get("neuron-edit")()(replace(m, pooled=stored, at_sae=stored), OFF)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[0], stored[0].astype(np.float32))


def test_own_strengths_and_gammas_go_with_their_neurons():
    edit = Edit((7, 1), strength=0.5, strengths=(0.2, 1.0), gammas=(3.0, 4.0))
    assert edit.neurons == (1, 7) and edit.each_strength == (0.5, 0.1) and edit.each_gamma == (4.0, 3.0)
    assert edit == Edit((1, 7), strength=0.5, strengths=(1.0, 0.2), gammas=(4.0, 3.0)) == Edit(**edit.to_json())
    assert edit.toggled(9).toggled(9) == edit and edit.toggled(7).strengths == (1.0,)
    assert edit.toggled(9).each_strength == (0.5, 0.1, 0.5) and Edit((1,)).toggled(1) == Edit()
    assert "strengths" not in Edit((1,)).to_json() and Edit((1, 2), strengths=(0.0, 0.0)).changes_nothing
    for wrong in ({"strengths": (1.0,)}, {"strengths": (1.0, 2.0)}, {"gammas": (1.0, float("nan"))}):
        with pytest.raises(InputError, match="were"):
            Edit((1, 2), **wrong)


def test_random_neurons_are_set_to_their_own_mean():
    m = make("pooled")
    edit = Edit((1, 3), strengths=(0.5, 1.0), gammas=(0.1, 0.2))
    means = m.codes.toarray().mean(axis=0)
    for drawn in matched_random_edits(m.codes, edit, draws=3):
        np.testing.assert_allclose(drawn.gammas, means[list(drawn.neurons)], rtol=1e-6)
        assert sorted(drawn.strengths) == [0.5, 1.0]


def test_a_neuron_that_is_not_there():
    with pytest.raises(InputError, match="neuron 40 was given; this SAE has neurons 0 to 39"):
        INTERVENTIONS.get("neuron-edit")()(make("pooled"), Edit((40,)))


def test_the_residual_needs_its_readout():
    with pytest.raises(InputError, match="readout"):
        replace(make("residual"), readout=None)


@both
def test_reconstruction_only(attach):
    m = make(attach)
    got = INTERVENTIONS.get("reconstruction-only")()(m, OFF)
    np.testing.assert_allclose(got, literal(m, Edit((), form="blend", alpha=1.0)), atol=2e-5)
    blended = INTERVENTIONS.get("reconstruction-only")()(m, Edit((1,), form="blend", alpha=0.3))
    np.testing.assert_allclose(blended, literal(m, Edit((), form="blend", alpha=0.3)), atol=2e-5)


# --------------------------------------------------------------------------------------------------- oracle


@pytest.mark.parametrize("alpha", ["0", "0.6", "1"])
@pytest.mark.parametrize("gamma", ["0", "2.5"])
def test_published_attach(alpha, gamma):
    data = oracle("debiaslens_attach")
    h, W_dec, b_dec = data["h"], data["sae_W_dec"], data["sae_b_dec"]
    pre = np.maximum((h - b_dec) @ data["sae_W_enc"] + data["sae_b_enc"], 0.0)
    z = np.where(pre > data["sae_threshold"], pre, 0.0)
    np.testing.assert_allclose(z, data["z"], atol=1e-5)
    out = edit_tokens(h, z, W_dec, b_dec, data["selected"], float(alpha), float(gamma))
    np.testing.assert_allclose(out, data[f"out_g{gamma}_a{alpha}"], atol=1e-5)
    if alpha == "0":
        np.testing.assert_array_equal(out, h)
    if alpha == "1":
        rec = edit_tokens(h, z, W_dec, b_dec, data["selected"], 1.0, -65000.0)
        np.testing.assert_allclose(rec, data["rec_g-65000"], rtol=1e-5, atol=1e-2)
    # the same through the registered intervention, tokens as rows
    sae = HandSAE(np.random.default_rng(0), h.shape[-1], torch.float32)
    sae.W_dec, sae.b_dec = torch.as_tensor(W_dec), torch.as_tensor(b_dec)
    rows = h.reshape(-1, h.shape[-1])
    material = Material("image", rows, codes=sparse.csr_matrix(z.reshape(len(rows), -1)), sae=sae)
    edit = Edit(tuple(data["selected"]), gamma=float(gamma), form="blend", alpha=float(alpha))
    through = INTERVENTIONS.get("neuron-edit")()(material, edit).reshape(h.shape)
    np.testing.assert_allclose(through, data[f"out_g{gamma}_a{alpha}"], atol=1e-5)


# ------------------------------------------------------------------------------------------ random controls


def firing_codes(rates: np.ndarray, n: int = 2000) -> sparse.csr_matrix:
    rng = np.random.default_rng(0)
    return sparse.csr_matrix((rng.random((n, len(rates))) < rates).astype(np.float32))


def test_random_controls_match_number_and_firing_rate():
    rates = np.concatenate([np.full(40, 0.3), np.full(40, 0.01), [0.0] * 5])
    codes = firing_codes(rates)
    edit = Edit((0, 1, 50), strength=0.5, gamma=1.0, form="blend")
    draws = matched_random_edits(codes, edit, draws=25, seed=3, exclude=[2, 3])
    assert len(draws) == 25 and len({d.neurons for d in draws}) > 20
    for drawn in draws:
        assert len(drawn.neurons) == 3 and not {0, 1, 2, 3, 50} & set(drawn.neurons) and max(drawn.neurons) < 80
        assert sum(j < 40 for j in drawn.neurons) == 2
        assert (drawn.strength, drawn.gamma, drawn.form, drawn.alpha) == (0.5, 1.0, "blend", edit.alpha)
    assert draws == matched_random_edits(codes, edit, draws=25, seed=3, exclude=[2, 3])
    assert draws != matched_random_edits(codes, edit, draws=25, seed=4, exclude=[2, 3])


def test_random_controls_reach_every_neuron_of_the_rate():
    codes = firing_codes(np.full(12, 0.2))
    seen = {j for e in matched_random_edits(codes, Edit((0,)), draws=300) for j in e.neurons}
    assert seen == set(range(1, 12))


def test_too_few_other_neurons():
    with pytest.raises(InputError, match="only 1 other live"):
        matched_random_edits(firing_codes(np.array([0.5, 0.5, 0.5, 0.0])), Edit((0, 1)))
