"""What every method makes of rows, of edits, of bare arrays, and what it says of them, as recorded."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sparse

from core.config import Edit, InputError
from core.interventions import INTERVENTIONS, matched_random_edits
from core.interventions.closed_form import kept_share, losses
from core.interventions.leace import eraser
from core.interventions.neuron_edit import edit_tokens
from core.interventions.prism import train_prism
from core.interventions.spd import Neutral
from core.interventions.subspaces import at_length, mean_differences, remainder, row_space, unit_means, without
from core.interventions.zsdebias import Drawn
from core.interventions.zsdebias_network import train
from tests.as_recorded import Recording, told
from tests.interventions.test_contract import evidence, fitted, material, rows, small_sae
from tests.recorded import case_of, oracle

RECORDED = Recording(Path(__file__).with_name("recorded.json"), near=2e-5)
EDITS = {
    "chosen": Edit((1, 3, 5)),
    "turned down": Edit((0, 2), strength=0.4, gamma=0.3),
    "each its own": Edit((4, 9, 11), strengths=(0.2, 1.0, 0.5), gammas=(0.0, 0.7, 0.1)),
    "blended": Edit((1, 3), strength=0.5, form="blend", alpha=0.7),
    "blended alone": Edit((), form="blend", alpha=0.3),
}


def inside(value: Any) -> Iterator[Any]:
    """Numbers of what was fitted, and its rows of numbers: bases may be turned."""
    if isinstance(value, np.ndarray):
        yield told(value) if value.ndim < 2 else value.shape
    elif isinstance(value, Neutral):  # its constant is written in a basis that other processors turn
        yield from (value.V.shape, told(value.V @ value.constant))
    elif isinstance(value, Mapping):
        yield from inside(tuple(value.values()))
    elif is_dataclass(value):
        for field in fields(value):
            yield from inside(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from inside(one)
    elif isinstance(value, int | float | str | bool):
        yield value


def method_of(name: str) -> Any:
    found = INTERVENTIONS.get(name)
    facts = [found.changes, sorted(found.needs.words()), found.random, found.fitted_as, found.array_names, found.stays]
    method = found()
    images = replace(material(), side="image")
    made = [told(method(m, EDITS["chosen"], fitted(name))) for m in (material(), images, material(dtype=np.float16))]
    said = [list(method.remarks(m, fitted(name))) for m in (material(), images)]
    return [facts, list(inside(fitted(name))), made, said]


FITTED = [name for name in INTERVENTIONS if name not in ("prism", "zsdebias")]
"""All but those that train for a second."""
RECORDED.case(method_of, [(name,) for name in FITTED])


def of_images(name: str) -> Any:
    """Two groups, and texts on both sides."""
    method, given = INTERVENTIONS.get(name)(), evidence()
    assert given.references is not None and given.heads is not None
    labels = np.minimum(given.references.labels, 1)
    two = {"references": replace(given.references, labels=labels), "heads": replace(given.heads, labels=labels)}
    return told(method(material(), EDITS["turned down"], method.fit(replace(given, side="text", **two))))


LABELLED = ("bendvlm", "clip-clip", "head-ablation", "inlp", "leace", "mean-difference", "sp-topk")
RECORDED.case(of_images, [(name,) for name in LABELLED])


def edited(name: str, arch: str) -> Any:
    method, sae = INTERVENTIONS.get(name)(), small_sae(arch)
    return [told(method(material(sae=sae), edit)) for edit in EDITS.values()]


RECORDED.case(
    edited, [(n, a) for n in ("neuron-edit", "reconstruction-only") for a in ("msae", "topk", "batch-topk", "relu")]
)


def taken(name: str, edit: str) -> Any:
    """The pieces that leave the app, and what they make of rows."""
    sae, found = small_sae("topk"), []
    for side in ("image", "text"):
        try:
            pieces = INTERVENTIONS.get(name)().pieces(fitted(name), side, EDITS[edit], sae)
        except InputError as error:
            found.append(str(error))
            continue
        x = rows(5, 6)
        for piece in pieces:
            x = piece(x)
        found += [[type(piece).__name__ for piece in pieces], told(x)]
    return found


RECORDED.case(taken, [(name, "chosen") for name in FITTED])
RECORDED.case(taken, [("neuron-edit", edit) for edit in EDITS])


# -- parts -------------------------------------------------------------------------------------------------------------


def drawn(share: float, count: int, draws: int, edit: Edit) -> Any:
    rng = np.random.default_rng(3)
    codes = sparse.csc_matrix(rng.random((40, count)) * (rng.random((40, count)) < share * rng.random(count)))
    found = matched_random_edits(codes, edit, draws, 5, exclude=(2, 7))
    return [[one.neurons, one.each_gamma, one.each_strength, one.form] for one in found]


RECORDED.case(
    drawn, [(0.5, 60, 4, Edit((1, 9), strength=0.3)), (0.9, 18, 3, EDITS["each its own"]), (0.4, 24, 2, Edit(()))]
)


def spaces(seed: int, n: int, d: int) -> Any:
    x, labels = rows(n, seed, np.float64)[:, :d], np.arange(n) % 3
    V = row_space(x[:2])
    x[2] = x[0] + x[1]
    return [
        [told(row_space(part) @ row_space(part).T) for part in (x, x[:3], x[:1], 0 * x[:1], 0 * x)],
        told(without(x, V)),
        told(remainder(x, x * np.where(np.arange(n) % 2, 1e-12, 1)[:, None])),
        told(at_length(x, unit_means(x, np.arange(n)))),
        told(unit_means(x, labels)),
        told(mean_differences(x, labels)),
    ]


RECORDED.case(spaces, [(0, 9, 5), (1, 12, 7)])


def erased(covariance: str, tolerance: float) -> Any:
    x, z = rows(60, 3, np.float64)[:, :6], np.eye(3)[np.arange(60) % 3]
    found = eraser(x + 2 * z @ np.ones((3, 1)) * np.arange(6), z, tolerance, covariance)
    return [told(found.P), found.read.shape]


RECORDED.case(erased, [(c, t) for c in ("plain", "shrunk") for t in (0.01, 0.3)])


def weighed(share: list[float]) -> Any:
    p = np.array(share)
    A = row_space(rows(2, 4, np.float64))
    units = rows(6, 5, np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    return [kept_share(p, np.sqrt(1 - p**2)), [told(one) for one in losses(units, A)]]


RECORDED.case(weighed, [([0.0, 1e-7, 0.1, 0.5, 0.9, 1.0],)])


def tokens(alpha: float, gamma: float) -> Any:
    sae = small_sae("relu").arrays()
    h, z = rows(6, 1).reshape(2, 3, -1), np.maximum(np.random.default_rng(0).normal(size=(2, 3, 64)), 0)
    return told(edit_tokens(h, z, sae["W_dec"], sae["b_dec"], np.array([1, 5]), alpha, gamma))


RECORDED.case(tokens, [(0.0, 0.4), (0.6, 0.0), (1.0, 0.4)])


def trained(swapped: bool, n: int) -> Any:
    return list(inside(train(rows(n, 2)[:, :6], rows(13, 3)[:, :6], 1, 3, 1e-2, swapped)))


RECORDED.case(trained, [(False, 30), (True, 12)])


def pulled(contents: int, groups: int, seed: int) -> Any:
    found = train_prism(rows(contents * groups, 4), (groups,) * contents, 4, seed)
    return [told(found.W), found.losses, told(INTERVENTIONS.get("prism")()(material(), fitted=found))]


RECORDED.case(pulled, [(5, 3, 0), (2, 2, 1)])


def noisy(seed: int) -> Any:
    method, network = INTERVENTIONS.get("zsdebias")(), train(rows(20, 2), rows(13, 3), 1, 1)
    return told(method(material(), fitted=method.seeded(Drawn(network), seed)))


RECORDED.case(noisy, [(0,), (7,)])


# -- bare arrays that just fit, and that do not ------------------------------------------------------------------------

BARE = {
    "bendsem": lambda: oracle("bendsem_2class"),
    "bendvlm": lambda: oracle("bendvlm_2class"),
    "clip-clip": lambda: {**oracle("clip_clip"), "n": np.array(5)},
    "closed-form": lambda: case_of(oracle("closed_form_vlm"), "few"),
    "inlp": lambda: {**oracle("inlp"), **case_of(oracle("inlp"), "two"), "n_iterations": np.array(1)},
    "leace": lambda: case_of(oracle("leace"), "two"),
    "neuron-edit": lambda: {**oracle("debiaslens_attach"), "alpha": np.array(0.6), "gamma": np.array(0.0)},
    "orth-cali": lambda: oracle("orth_proj_cali"),
    "orth-proj": lambda: oracle("orth_proj_cali"),
    "prism-mini": lambda: oracle("prism_mini"),
    "roboshot": lambda: oracle("roboshot"),
    "sem-b": lambda: oracle("sem_2class_even"),
    "sem-bi": lambda: oracle("sem_2class_even"),
    "sem-i": lambda: oracle("sem_2class_even"),
    "zsdebias": lambda: {
        **(given := case_of(oracle("zsdebias"), "raw")),
        **{"eps": given["eps_seed33"], "noise": given["noise_seed33"], "normalise": np.array(1)},
    },
}


def spoilt(array: np.ndarray) -> Iterator[np.ndarray]:
    """The array with something left out, added or changed."""
    array = np.asarray(array)
    yield array
    if array.ndim == 0:
        yield from (np.array(value) for value in (-1, 0, 0.5, 1, 1.5, 2, np.nan))
        yield np.stack([array, array])
        return
    yield from (
        array[:0],
        array[:1],
        array[:2],
        array[:-1],
        np.concatenate([array, array[:1]]),
        array[None],
        array + 0.5,
    )
    if array.ndim > 1:
        yield from (array[..., :-1], array[..., :1], array[0])
    if array.dtype.kind == "f":
        yield np.where(np.arange(array.size).reshape(array.shape) == 0, np.nan, array)
    else:
        yield from (-array - 1, 0 * array, array + 10_000)


def bare(name: str) -> Any:
    method, given, found = INTERVENTIONS.get(name)(), BARE[name](), []
    settings = ("lam", "image_emb", "text_emb", "prototypes", "settings_C_tol_maxiter", "unseen_x")
    for array in (*method.array_names, *(one for one in settings if one in given)):
        for value in (None, *spoilt(given[array])):
            arrays = {one: own for one, own in given.items() if one != array} | (
                {} if value is None else {array: value}
            )
            try:
                found.append([[key, np.shape(out)] for key, out in method.on_arrays(arrays).items()])
            except InputError as error:
                found.append(f"refused: {error}")
    return found


RECORDED.case(bare, [(name,) for name in BARE])


@pytest.mark.parametrize("name", RECORDED.made)
def test_as_recorded(name: str) -> None:
    RECORDED.check(name)


if __name__ == "__main__":
    RECORDED.write()
