"""Every registered intervention: pure, row by row, told apart by what it needs, and refusing what it lacks."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sparse
import torch

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS, Evidence, Material, References, Texts
from core.interventions.base import HeadSample
from core.neurons import encode_rows
from core.saes.base import SAE, new_sae, sae_config

D, F, N, GROUPS = 24, 64, 9, 3
EVERY = pytest.mark.parametrize("name", list(INTERVENTIONS))
CHOSEN = Edit((1, 3, 5))
SIDES = {"edit", "items", "query", "both"}


def small_sae(arch: str = "msae", seed: int = 0) -> SAE:
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(F, D))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    sae = new_sae(sae_config(arch, D, F, 4))
    given = {"W_enc": W.T, "b_enc": rng.normal(size=F) * 0.3 - 1.0, "W_dec": W, "b_dec": np.ones(D)}
    more = {"threshold": np.array(0.2)} if arch == "batch-topk" else {}
    return sae.load_arrays({k: v.astype(np.float32) for k, v in (given | more).items()}).frozen()


def rows(n: int, seed: int, dtype=np.float32) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, D)) * 2 + 1).astype(dtype)


@dataclass(frozen=True)
class GivenHeads:
    """What heads add to rows, as it was given."""

    parts: np.ndarray

    def __call__(self, chosen):
        return np.sum([self.parts[:, layer, head] for layer, head in chosen], axis=0)

    def at(self, rows):
        return GivenHeads(self.parts[rows])


def head_parts(n: int, seed: int, lean: np.ndarray | None = None) -> np.ndarray:
    """Parts of two layers of three heads; of the second layer's first head with a group direction."""
    parts = np.random.default_rng(seed).normal(size=(n, 2, 3, D)).astype(np.float32)
    parts[:, 1, 0] += 0 if lean is None else lean
    return parts


def evidence(sae: SAE | None = None) -> Evidence:
    """Three groups of unequal size, with a group direction in texts and items."""
    sizes, lean = (7, 5, 6), 3 * np.eye(GROUPS, D, dtype=np.float32)
    bias = rows(sum(sizes), 1) + np.repeat(lean, sizes, axis=0)
    contents = np.repeat(rows(5, 2), GROUPS, axis=0) + np.tile(lean, (5, 1))
    labels = np.random.default_rng(3).choice(GROUPS, p=[0.5, 0.3, 0.2], size=300)
    texts = {
        "diverse": Texts(rows(41, 4), (41,)),
        "bias": Texts(bias, sizes),
        "spurious": Texts(bias[[0, 7, 12]], (GROUPS,)),
        "contents": Texts(contents, (GROUPS,) * 5),
        "helpful": Texts(rows(4, 5), (2, 2)),
    }
    references = References(rows(300, 6) + lean[labels], labels)
    heads = HeadSample(head_parts(300, 8, lean[labels]), labels)
    return Evidence("race", ("A", "B", "C"), texts, references, sae or small_sae(), heads=heads)


def material(n: int = N, seed: int = 7, dtype=np.float32, sae: SAE | None = None) -> Material:
    sae, x = sae or small_sae(), rows(n, seed, dtype)
    codes = sparse.csc_matrix(encode_rows(x.astype(np.float32), sae))
    others = np.random.default_rng(seed + 1)
    paraphrases = tuple(np.vstack([row, row + 0.3 * others.normal(size=(4, D))]).astype(dtype) for row in x)
    augmented = tuple((row + np.eye(GROUPS, D)).astype(dtype) for row in x)
    heads = GivenHeads(head_parts(n, 9))
    return Material("text", x, codes=codes, sae=sae, paraphrases=paraphrases, augmented=augmented, heads=heads)


def some(m: Material, keep: list[int]) -> Material:
    """The same material with some rows, in another order."""
    return replace(
        m,
        pooled=m.pooled[keep],
        at_sae=m.x[keep],
        codes=m.codes[keep],
        paraphrases=tuple(m.paraphrases[i] for i in keep),
        augmented=tuple(m.augmented[i] for i in keep),
        heads=m.heads.at(keep),
    )


@cache
def fitted(name: str) -> Any:
    return INTERVENTIONS.get(name)().fit(evidence())


def applied(name: str, m: Material, given: Evidence | None = None, edit: Edit = CHOSEN) -> np.ndarray:
    method = INTERVENTIONS.get(name)()
    return method(m, edit, fitted(name) if given is None else method.fit(given))


@EVERY
def test_it_says_what_it_is(name):
    method = INTERVENTIONS.get(name)
    assert method.title and method.formula and method.paper and method.cost and method.changes in SIDES
    sentences = [s for s in method.plain.replace("”", "").split(". ") if s]
    assert len(sentences) == 2 and method.plain.endswith("."), "two sentences"
    assert len(method.plain) < 340 and "$" not in method.plain


@EVERY
def test_it_is_pure(name):
    m, given = material(), evidence()
    before = [m.pooled.copy(), m.codes.toarray(), given.references.pooled.copy(), given.texts["bias"].pooled.copy()]
    first, second = applied(name, m, given), applied(name, m, given)
    assert first.shape == m.pooled.shape and first.dtype == np.float32 and first is not m.pooled
    np.testing.assert_array_equal(first, second)
    after = [m.pooled, m.codes.toarray(), given.references.pooled, given.texts["bias"].pooled]
    for then, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(then, now)


@EVERY
def test_a_rows_result_does_not_depend_on_the_rows_beside_it(name):
    m = material()
    together = applied(name, m)
    keep = [6, 2, 8]
    np.testing.assert_allclose(applied(name, some(m, keep)), together[keep], rtol=0, atol=3e-6)


@EVERY
def test_dtype_is_followed(name):
    m = material(dtype=np.float64)
    found = applied(name, m)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, applied(name, material()), rtol=2e-5, atol=2e-5)


@EVERY
def test_no_row_is_no_row(name):
    m = replace(some(material(), []), codes=sparse.csc_matrix((0, F), dtype=np.float32))
    assert applied(name, m).shape == (0, D)


@EVERY
def test_what_it_lacks_is_refused_in_one_line(name):
    method, given = INTERVENTIONS.get(name)(), evidence()
    for role in (r for r in method.needs.prompts if r in given.texts):
        fewer = {r: t for r, t in given.texts.items() if r != role}
        with pytest.raises(InputError, match=r"this method needs .*the reason") as refused:
            method.fit(replace(given, texts=fewer, missing={role: "the reason"}))
        assert "\n" not in str(refused.value)
    if method.needs.references:
        with pytest.raises(InputError, match="labelled items of the probe half"):
            method.fit(replace(given, references=None))
    if method.needs.heads:
        with pytest.raises(InputError, match="the vision transformer that embedded them"):
            method.fit(replace(given, heads=None))
        with pytest.raises(InputError, match="they have no pictures"):
            method(replace(material(), heads=None), fitted=method.fit(given))
    if method.needs.sae and method.changes != "edit":
        with pytest.raises(InputError, match="an SAE"):
            method.fit(replace(given, sae=None))
    if "paraphrases" in method.needs.prompts:
        with pytest.raises(InputError, match="paraphrases of the query"):
            method(replace(material(), paraphrases=None), fitted=method.fit(given))


@EVERY
def test_wanted_texts_may_be_missing(name):
    method, given = INTERVENTIONS.get(name)(), evidence()
    fewer = {r: t for r, t in given.texts.items() if r not in method.needs.wanted}
    fit = method.fit(replace(given, texts=fewer)) if method.needs.wanted else fitted(name)
    found = method(replace(material(), augmented=None), CHOSEN, fit)
    assert np.isfinite(found).all()


@EVERY
def test_arrays_are_declared_where_there_is_a_form_on_arrays(name):
    method = INTERVENTIONS.get(name)()
    expected = "needs the array" if method.array_names else "cannot be applied to bare arrays"
    with pytest.raises(InputError, match=expected):
        method.on_arrays({})


@pytest.mark.parametrize("side", ["image", "text"])
@EVERY
def test_its_map_without_the_app_is_the_same_map_on_either_side(name, side):
    method, m = INTERVENTIONS.get(name)(), replace(material(30), side=side)
    if method.stays:
        with pytest.raises(InputError, match="cannot be taken along"):
            method.pieces(fitted(name), side, CHOSEN, small_sae())
        return
    moved = m.pooled
    for piece in method.pieces(fitted(name), side, CHOSEN, small_sae()):
        moved = piece(moved)
    before, after = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (applied(name, m), moved))
    np.testing.assert_allclose(after, before, rtol=0, atol=2e-6)


def test_the_default_device_and_threads_are_left_alone():
    grad, threads = torch.is_grad_enabled(), torch.get_num_threads()
    for name in INTERVENTIONS:
        applied(name, material())
    assert torch.is_grad_enabled() == grad and torch.get_num_threads() == threads


@EVERY
def test_what_it_does_is_said_of_what_the_gallery_holds(name):
    """No text tells whoever looks at captions of pictures."""
    kind = INTERVENTIONS.get(name)
    assert kind.plain_for("images") == kind.plain and "picture" not in kind.plain_for("captions").lower()
