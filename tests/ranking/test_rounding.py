"""No number that a person reads comes from rounding: embeddings that are moved by 1e-6 of themselves show the same."""

from collections.abc import Iterator

import numpy as np
import pytest

from core import ranking
from core.backbones.open_clip_models import load_backbone
from core.benchmark import run_benchmark
from core.benchmark.worlds import usual_world
from core.config import NOTHING, Edit, NothingLeft
from core.gallery import Gallery, open_gallery
from core.interventions import INTERVENTIONS, Material
from core.interventions.bend import equalised
from core.interventions.sp_topk import group_spread
from core.interventions.subspaces import mean_differences, remainder, unit, without
from core.ranking import RankRequest
from core.ranking.items import Items, edited_items
from core.ranking.queries import embed_texts
from core.ranking.results import ArmResult, RankResult
from core.retrieval import FlatIndex, LackingIndex
from core.saes.checkpoint import load_sae
from core.scene import Scene
from core.statistics import held_out_leakage, telling
from core.zeroshot import PromptSet, class_embeddings

SIZE = 1e-6
"""Share of its size by which every number of every embedding is moved, at random."""
TIE = 1e-5
"""Cosines this close to the k-th may change sides: no arithmetic tells which of them is first."""
PRINTED = 1e-3
"""The last digit of what tables and reports print."""
MAN, WOMAN = "a photo of a man", "a photo of a woman"
PROMPTS = (MAN, WOMAN, "a picture of a woman", "a photo of a doctor", "a photo of a nurse", "a photo of a writer")
METHODS = [name for name in INTERVENTIONS if not INTERVENTIONS.get(name).needs.heads]
"""Those that read stored embeddings; heads are read from pictures, which are not moved here."""
LEAVE_NOTHING = {"orth-proj", "prism-mini", "bendvlm"}
"""Methods that remove the plainest prompts of the groups wholly."""


class Shaken:
    """A text model whose embeddings are moved, never twice in the same way."""

    def __init__(self, model) -> None:
        self._model, self._rng = model, np.random.default_rng(1)

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def encode_texts(self, *given, **more) -> dict[str, np.ndarray]:
        return {name: moved(x, self._rng) for name, x in self._model.encode_texts(*given, **more).items()}


def moved(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = np.asarray(x, dtype=np.float32)
    return (x * (1 + SIZE * rng.standard_normal(x.shape))).astype(np.float32)


@pytest.fixture(scope="module")
def shaken_gallery() -> Iterator[pytest.MonkeyPatch]:
    """Makes every gallery that is opened give moved embeddings, wherever it is entered."""
    stored, kept = Gallery.embeddings, {}

    def embeddings(self: Gallery, attach: str = "pooled") -> np.ndarray:
        key = (str(self.path), attach)
        if key not in kept:
            kept[key] = moved(stored(self, attach), np.random.default_rng(len(kept)))
        return kept[key]

    patch = pytest.MonkeyPatch()

    class Entered:
        def __enter__(self) -> None:
            patch.setattr(Gallery, "embeddings", embeddings)

        def __exit__(self, *_) -> None:
            patch.undo()

    yield Entered()
    patch.undo()


@pytest.fixture(scope="module")
def saes() -> dict:
    return {side: load_sae(f"default-{side}") for side in ("image", "text")}


def asked(method: str, query: str) -> RankRequest:
    edits = {"image": Edit((3, 7, 11, 20))} if INTERVENTIONS.get(method).changes == "edit" else {}
    return RankRequest("gender", query=query, method=method, edits=edits, null_draws=20)


@pytest.fixture(scope="module")
def both(shaken_gallery, saes) -> dict[str, tuple[list[RankResult], list[RankResult]]]:
    """Every method's answer to every prompt, on the embeddings as they are and on moved ones."""
    model, found = load_backbone("default"), {}

    def answers(text_model) -> dict[str, list[RankResult]]:
        scene = Scene(open_gallery("default"), saes, text_model)
        return {method: [ranking.rank(scene, asked(method, q)) for q in PROMPTS] for method in METHODS}

    plain = answers(model)
    with shaken_gallery:
        found = answers(Shaken(model))
    return {method: (plain[method], found[method]) for method in METHODS}


def same_numbers(a: ArmResult, b: ArmResult) -> None:
    """The same items but for ties at the k-th place; where these agree, the same of every number."""
    np.testing.assert_allclose(a.scores, b.scores, rtol=0, atol=PRINTED / 2)
    for one, other in ((a, b), (b, a)):
        strange = ~np.isin(one.rows, other.rows)
        assert (np.abs(one.scores[strange] - one.scores[-1]) <= TIE).all(), "another item is among the nearest"
    if set(a.ids) != set(b.ids):
        return
    for group in a.shares:
        assert a.shares[group] == b.shares[group]
    for name, estimate in a.metrics.items():
        other = b.metrics[name]
        for end in ("estimate", "lo", "hi"):
            assert getattr(estimate, end) == pytest.approx(getattr(other, end), abs=PRINTED), (name, end)


@pytest.mark.parametrize("method", METHODS)
def test_moved_embeddings_give_the_same_ranking(both, method):
    for query, a, b in zip(PROMPTS, *both[method], strict=True):
        assert a.reason == b.reason, query
        same_numbers(a.before, b.before)
        if a.after is None:
            continue
        same_numbers(a.after, b.after)
        assert a.difference.query_cosine == pytest.approx(b.difference.query_cosine, abs=PRINTED / 2)
        assert a.difference.cosine.estimate == pytest.approx(b.difference.cosine.estimate, abs=PRINTED / 2)
        assert a.difference.cosine.lo == pytest.approx(b.difference.cosine.lo, abs=PRINTED / 2)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_takes_away_wholly_is_not_ranked(both, method):
    """The plainest prompts of the groups are what projections remove; all others are ranked."""
    for query, found in zip(PROMPTS, both[method][0], strict=True):
        if method not in LEAVE_NOTHING or query not in (MAN, WOMAN):
            assert found.reason is None, query
            continue
        title = INTERVENTIONS.get(method).title
        assert found.after is None and found.difference is None
        assert found.reason == f"{title} leaves nothing of “{query}”: it lies in what it removes"
        document = found.to_json()
        assert document["after"] == document["difference"] == {"reason": found.reason}
        assert document["before"]["max_skew"]["estimate"] is not None


@pytest.fixture(scope="module")
def columns(shaken_gallery, saes):
    """The default protocol's cells of a few methods, plain and moved."""
    model = load_backbone("default")

    def cells(text_model):
        world = usual_world(
            Scene(open_gallery("default"), saes, text_model), "default", prompts=PROMPTS[3:], controls=PROMPTS[5:]
        )
        arms = ["mean-difference-text", "orth-proj", "roboshot", "neuron-edit-rule"]
        return {cell.arm: cell.values for cell in run_benchmark("default", [world], arms).cells}

    plain = cells(model)
    with shaken_gallery:
        return plain, cells(Shaken(model))


def test_moved_embeddings_give_the_same_columns(columns):
    plain, shaken = columns
    for arm, values in plain.items():
        for key, estimate in values.items():
            other = shaken[arm][key]
            assert estimate.reason == other.reason, (arm, key)
            if estimate.estimate is not None:
                assert estimate.estimate == pytest.approx(other.estimate, abs=PRINTED), (arm, key)


def test_no_column_is_made_of_what_rounding_left(columns):
    explicit = {arm: values["explicit"] for arm, values in columns[0].items()}
    assert explicit["orth-proj"].estimate is None and "Orth-Proj leaves nothing of" in explicit["orth-proj"].reason
    assert all(estimate.estimate is not None for arm, estimate in explicit.items() if arm != "orth-proj")
    for key in ("skew", "control", "query_cosine", "leakage"):
        assert columns[0]["orth-proj"][key].estimate is not None


# ----------------------------------------------------------------------------------------------------- the bound


def test_less_than_the_bound_is_nothing():
    before = np.array([[3.0, 4.0], [3.0, 4.0], [0.0, 5.0]])
    after = np.array([[0.0, 5 * NOTHING * 1.01], [0.0, 5 * NOTHING * 0.99], [0.0, 0.0]])
    np.testing.assert_array_equal(remainder(before, after), after * [[1], [0], [0]])
    np.testing.assert_array_equal(remainder(before[1], after[1]), [0.0, 0.0])


def test_a_row_inside_what_is_removed_comes_out_as_zeros():
    rng = np.random.default_rng(0)
    V = np.linalg.qr(rng.normal(size=(64, 2)))[0]
    inside = (rng.normal(size=(5, 2)) @ V.T).astype(np.float32)
    np.testing.assert_array_equal(without(inside, V), 0.0)
    assert without(rng.normal(size=(5, 64)).astype(np.float32), V).any(axis=1).all()


def test_queries_of_which_nothing_is_left_are_named(saes):
    gallery, model = open_gallery("default"), load_backbone("default")
    queries = embed_texts(Scene(gallery, saes, model), asked("orth-proj", MAN), PROMPTS)
    with pytest.raises(NothingLeft, match=f"Orth-Proj leaves nothing of “{MAN}”, “{WOMAN}”: they lie in") as refused:
        queries.vectors("orth-proj", None)
    assert refused.value.texts == (MAN, WOMAN)


# ------------------------------------------------------------------------------------------------------ pictures


def test_items_of_which_nothing_is_left_are_in_no_list_and_are_counted():
    rng = np.random.default_rng(0)
    pooled = rng.normal(size=(12, 16)).astype(np.float32)
    V = np.linalg.qr(rng.normal(size=(16, 1)))[0]
    pooled[[2, 7]] = (V.T * 3.0).astype(np.float32)
    baseline = Items(FlatIndex(unit(pooled)), np.zeros(0, np.int64), np.zeros(0), "stored")
    found = edited_items(Material("image", pooled), baseline, "mean-difference", Edit(), "edited", V)
    np.testing.assert_array_equal(found.lost, [2, 7])
    query = rng.normal(size=16).astype(np.float32)
    kept = [i for i in range(12) if i not in (2, 7)]
    alone = FlatIndex(unit(without(pooled, V))[kept]).search(query, 10)
    ranked = found.index.search(query, 12)
    np.testing.assert_array_equal(ranked.rows, [*np.array(kept)[alone.rows], 2, 7])
    np.testing.assert_allclose(ranked.scores[:10], alone.scores, atol=1e-6)
    assert np.isneginf(ranked.scores[10:]).all() and np.isneginf(found.index.scores(query)[[2, 7]]).all()
    np.testing.assert_array_equal(found.cosines[[2, 7]], 0.0)
    assert found.note("mean-difference") == (
        "Mean difference (items) leaves nothing of 2 of 12 searched rows: they lie in what it removes and are not "
        "ranked",
    )
    assert baseline.note("mean-difference") == () and isinstance(found.index, LackingIndex)
    with pytest.raises(ValueError, match="k was 11; expected 1 to 10"):
        found.require(11)


# --------------------------------------------------------------------------------------------- other denominators


def test_a_column_that_an_edit_made_constant_tells_a_probe_nothing():
    """Rounding left 1e-9 of the group in it; standardised it would be read without a mistake."""
    rng, labels = np.random.default_rng(0), np.arange(400) % 2
    x = rng.normal(size=(400, 3))
    x[:, 1] = 0.25 + 1e-9 * labels
    assert telling(x).shape == (400, 2)
    assert held_out_leakage(x[:200], labels[:200], x[200:], labels[200:]).estimate < 0.7
    x[:, 1] = labels
    assert held_out_leakage(x[:200], labels[:200], x[200:], labels[200:]).estimate == 1.0


def test_directions_between_equal_means_are_none():
    rows = np.repeat(np.random.default_rng(0).normal(size=(1, 16)), 6, axis=0)
    rows[3:] *= 1 + 1e-8
    labels = np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(mean_differences(rows, labels), 0.0)
    e0 = unit(np.random.default_rng(1).normal(size=(1, 16)))
    np.testing.assert_allclose(equalised(e0, rows[[0, 3]]), e0, atol=1e-15)


def test_a_deviation_that_is_rounding_spreads_nothing():
    """1 + 1e-16 beside 1: the groups' means are apart by 1, and nothing varies inside them."""
    values = np.array([[0.1 + 0.2], [0.3], [1.3], [1.0 + 0.1 + 0.2]])
    np.testing.assert_array_equal(group_spread(values, np.array([0, 0, 1, 1])), [0.0])


def test_class_prompts_that_cancel_out_have_no_mean():
    prompts = PromptSet("size", ("{}",), {"size": {"Large": ("large", "not large"), "Small": ("small",)}})
    rows = {"large": np.array([1.0, 0.0]), "not large": np.array([-1.0, 1e-6]), "small": np.array([0.0, 1.0])}
    with pytest.raises(ValueError, match="class prompts of Large point in opposite directions"):
        class_embeddings(lambda texts: np.stack([rows[text] for text in texts]), prompts, "size")
