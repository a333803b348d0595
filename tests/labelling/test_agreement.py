"""Agreement equals scikit-learn's kappa and the krippendorff package's alpha, and says why where there is none."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from core.labelling import agreement, cohen_kappa, krippendorff_alpha, standings
from tests.labelling.label_helpers import label

TYPES = ["artefact", "context", "social", "unclear"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES)), min_size=1, max_size=40))
def test_kappa_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    found = cohen_kappa([first, second], draws=10)
    if len({*first, *second}) == 1:
        assert found.estimate is None and "the same" in found.reason
    else:
        assert found.estimate == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
        assert found.n == len(pairs)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.data())
def test_alpha_is_that_of_the_krippendorff_package(raters: int, data: st.DataObject) -> None:
    row = st.lists(st.sampled_from([*TYPES, None]), min_size=12, max_size=12)
    said = [data.draw(row) for _ in range(raters)]
    numbers = [[np.nan if s is None else TYPES.index(s) for s in row] for row in said]
    pairable = [u for u in zip(*said, strict=True) if sum(s is not None for s in u) > 1]
    found = krippendorff_alpha(said, draws=10)
    if len({s for u in pairable for s in u if s is not None}) < 2:
        assert found.estimate is None
    else:
        wanted = krippendorff.alpha(reliability_data=numbers, level_of_measurement="nominal")
        assert found.estimate == pytest.approx(wanted, abs=1e-12)
        assert found.n == len(pairable)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Two raters who agree with probability .7 + chance: the kappa that many items show lies in most intervals."""
    rng, covered, runs = np.random.default_rng(0), 0, 120

    def draw(n: int) -> list[list[str]]:
        first, random = rng.choice(TYPES, n), rng.choice(TYPES, n)
        return [list(first), list(np.where(rng.random(n) < 0.7, first, random))]

    truth = cohen_kappa(draw(200_000), draws=1).estimate
    assert truth == pytest.approx(0.7, abs=0.01)
    for run in range(runs):
        found = cohen_kappa(draw(80), draws=300, seed=run)
        covered += found.lo <= truth <= found.hi
    assert 0.88 <= covered / runs <= 1.0


def test_labels_are_counted_by_neuron_and_gallery_and_decisions_are_left_out() -> None:
    first, undone = label(1, "ann"), label(3, "ann")
    events = [
        first,
        label(1, "ben", "context"),
        label(2, "ann", attribute="gender"),
        label(2, "ben", attribute="age"),
        label(2, "cy", gallery="d" * 64),
        undone,
        label(3, "ben"),
        label(3, "ann", kind="retract", about=undone.id, type=None),
        label(1, "cy", kind="adjudication"),
    ]
    found = agreement(standings(events).values())
    assert (found.raters, found.items) == (("ann", "ben"), 2)
    assert found.cohen_kappa.estimate == pytest.approx(cohen_kappa_score(["social"] * 2, ["context", "social"]))


def test_agreement_on_attributes_is_asked_for_apart() -> None:
    said = [("gender", "age"), ("age", "age"), ("gender", "gender")]
    events = [label(9, r, "context") for r in ("ann", "ben")]
    events += [
        label(i, r, attribute=a) for i, pair in enumerate(said) for r, a in zip(("ann", "ben"), pair, strict=True)
    ]
    assert agreement(standings(events).values()).krippendorff_alpha.estimate == 1.0
    assert agreement(standings(events).values(), by_attribute=True).krippendorff_alpha.estimate < 1.0


def test_nobody_to_agree_with_is_a_reason() -> None:
    found = agreement(standings([label(1)]).values())
    assert found.items == 0
    assert "two raters" in found.krippendorff_alpha.reason
    assert found.cohen_kappa.estimate is None
