"""Methods of read tokens: exact where nothing is switched, the definition elsewhere, and each its own contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.config import Edit, InputError
from core.lvlm.token_method import METHODS, Evidence, ProbeTokens, TokenEdit, held
from core.saes.base import new_sae, sae_config

D, F, TOKENS = 12, 20, 7
ARCHS = ("relu", "matryoshka-batch-topk", "jumprelu", "topk", "batch-topk", "msae")


def sae_of(arch: str = "matryoshka-batch-topk"):
    rng = np.random.default_rng(0)
    sae = new_sae(sae_config(arch, D, F, 4))
    arrays = {name: value.numpy() for name, value in sae.state_dict().items()}
    for name, scale in (("W_enc", 0.5), ("W_dec", 0.5), ("b_enc", 0.3), ("b_dec", 0.3)):
        arrays[name] = rng.normal(0, scale, arrays[name].shape).astype(np.float32)
    if "threshold" in arrays:
        arrays["threshold"] = np.full(arrays["threshold"].shape, 0.4, np.float32)
    return sae.load_arrays(arrays).frozen()


def tokens(n: int = 5, seed: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(n, TOKENS, D, generator=torch.Generator().manual_seed(seed)).to(dtype)


def evidence(sae=None) -> Evidence:
    x = tokens(30, 2)
    labels = torch.arange(30) % 3
    x[labels == 1] += 0.7
    return Evidence(sae, {"place": ProbeTokens(x, ("a", "b", "c"), labels)})


def change(name: str, edit: TokenEdit, sae=None):
    return METHODS.get(name)().fit(evidence(sae or sae_of()), edit)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("form", ["error-preserving", "blend"])
def test_switching_is_its_definition(arch: str, form: str) -> None:
    sae, x = sae_of(arch), tokens()
    edit = Edit((1, 3, 8), strength=0.7, gamma=0.2, form=form, alpha=0.4)
    out = change("neuron-edit", TokenEdit(edit), sae)(x, "place")
    z = sae.encode(x.flatten(0, 1)).double().numpy()
    moved = z.copy()
    moved[:, list(edit.neurons)] = 0.3 * z[:, list(edit.neurons)] + 0.7 * 0.2
    W, b, flat = sae.W_dec.double().numpy(), sae.b_dec.double().numpy(), x.flatten(0, 1).double().numpy()
    want = flat - (z - moved) @ W if form == "error-preserving" else 0.4 * (moved @ W + b) + 0.6 * flat
    np.testing.assert_allclose(out.flatten(0, 1).numpy(), want, rtol=0, atol=2e-6)
    assert np.abs(want - flat).max() > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("edit", [Edit(), Edit((2,), strength=0.0), Edit((2, 4), form="blend", alpha=0.0)])
def test_nothing_switched_is_exactly_the_tokens(dtype: torch.dtype, edit: Edit) -> None:
    x = tokens(dtype=dtype)
    assert change("neuron-edit", TokenEdit(edit))(x, "place") is x


@pytest.mark.parametrize("name", ["neuron-edit", "reconstruction", "mean-difference", "steering", "clamp"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tokens_that_are_not_chosen_stay_bit_by_bit(name: str, dtype: torch.dtype) -> None:
    x = tokens(dtype=dtype)
    kept = x.clone()
    out = change(name, TokenEdit(Edit((0, 1, 2, 3, 4, 5), gamma=1.0), tokens=(0, 3)))(x, "place")
    others = [1, 2, 4, 5, 6]
    assert torch.equal(out[:, others], x[:, others]) and not torch.equal(out[:, [0, 3]], x[:, [0, 3]])
    assert out.dtype == dtype and torch.equal(x, kept)


def test_rows_where_a_neuron_is_silent_stay_bit_by_bit() -> None:
    sae, x = sae_of(), tokens(40)
    out = change("neuron-edit", TokenEdit(Edit((5,))), sae)(x, "place")
    silent = sae.encode(x)[..., 5] == 0
    assert torch.equal(out[silent], x[silent]) and silent.any() and not silent.all()


@pytest.mark.parametrize("where", [None, (0, 2)])
def test_held_at_the_probe_mean(where: tuple[int, ...] | None) -> None:
    sae = sae_of()
    given = evidence(sae)
    edit = held(TokenEdit(Edit((1, 8)), where, hold="probe mean"), given)
    x = given.probe["place"].x
    rows = (x if where is None else x[:, list(where)]).flatten(0, 1)
    np.testing.assert_allclose(edit.each_gamma, sae.encode(rows)[:, [1, 8]].double().mean(0).numpy(), rtol=1e-5)
    out = METHODS.get("neuron-edit")().fit(given, TokenEdit(Edit((1, 8)), where, hold="probe mean"))(x, "place")
    assert not torch.equal(out, x)


def test_mean_difference_leaves_group_means_equal_along_it() -> None:
    given = evidence()
    probe = given.probe["place"]
    out = METHODS.get("mean-difference")().fit(given, TokenEdit())(probe.x, "place")
    means = torch.stack([out[probe.labels == g].flatten(0, 1).mean(0) for g in range(3)])
    before = torch.stack([probe.x[probe.labels == g].flatten(0, 1).mean(0) for g in range(3)])
    torch.testing.assert_close(means - means.mean(0), torch.zeros_like(means), rtol=0, atol=1e-5)
    assert (before - before.mean(0)).abs().max() > 0.2
    again = METHODS.get("mean-difference")().fit(given, TokenEdit())(out, "place")
    torch.testing.assert_close(again, out, rtol=0, atol=1e-5)


def test_steering_moves_everybody_alike() -> None:
    x = tokens()
    moved = change("steering", TokenEdit(Edit(strength=0.5)))(x, "place") - x
    torch.testing.assert_close(moved, moved[:1, :1].expand_as(moved), rtol=0, atol=1e-5)
    whole = change("steering", TokenEdit(Edit()))(x, "place") - x
    torch.testing.assert_close(2 * moved, whole, rtol=0, atol=1e-5)


def test_an_engineered_prompt_changes_the_question_alone() -> None:
    method, x = METHODS.get("engineered-prompt")(), tokens()
    assert method.fit(Evidence(), TokenEdit())(x, "place") is x
    assert method.asked("who?").endswith("who?") and len(method.asked("who?")) > 10


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_speaks_for_itself(name: str) -> None:
    method = METHODS.get(name)
    assert method.title and method.formula and method.paper and len(method.plain) > 40
    x = tokens(dtype=torch.bfloat16)
    kept = x.clone()
    made = method().fit(evidence(sae_of()), TokenEdit(Edit((1,))))
    assert made(x, "place").dtype == torch.bfloat16 and made(x, "place").shape == x.shape
    assert torch.equal(made(x, "place"), made(x, "place")) and torch.equal(x, kept)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InputError, match="needs an SAE"):
        METHODS.get("neuron-edit")().fit(Evidence(), TokenEdit(Edit((1,))))
    with pytest.raises(InputError, match="known groups"):
        METHODS.get("mean-difference")().fit(Evidence(sae_of()), TokenEdit())
    with pytest.raises(InputError, match="neurons 0 to 19"):
        change("neuron-edit", TokenEdit(Edit((20,))))
    with pytest.raises(InputError, match="token 9 was given"):
        change("neuron-edit", TokenEdit(Edit((1,)), tokens=(9,)))(tokens(), "place")
