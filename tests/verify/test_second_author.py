"""A wrong formula on either side makes two numbers that differ, and verify names them; right ones agree everywhere."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

import core.audit.findings
import core.audit.numbers
import core.metrics.max_skew
import core.metrics.min_skew
import core.ranking.changes
import core.statistics.areas
import core.statistics.effect
import core.statistics.exchange
import core.statistics.lean
import core.statistics.omnibus
import core.zeroshot.accuracy
from core.audit.run import AuditResult, numbers_of, run, side_effects
from core.audit.spec import AuditSpec
from core.metrics.base import skews
from core.metrics.ndkl import NDKL
from core.report import write_report
from core.statistics import Estimate, Exchange
from core.verify import carried, recomputed, verify
from core.verify.own import accuracy, areas, bands, change, findings, inversion, lists, means, permuted
from core.verify.own import metrics as own_metrics

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]
COST = ("cost", "leakage")


@pytest.fixture(scope="module")
def audit(world: Path) -> AuditResult:
    return run(AuditSpec.load(world / "spec.json"))


@pytest.fixture(scope="module")
def report(world: Path, audit: AuditResult) -> Path:
    return write_report(audit, world / "right")


def about(audit: AuditResult, asked: str, effects: dict[str, Any] | None = None) -> AuditResult:
    """The audit of one of its attributes alone, with these costs or its own: plants need no more to be found."""
    spec = replace(audit.spec, attributes=(asked,))
    kept = next({name: one[name] for name in COST} for one in audit.attributes if one["attribute"] == asked)
    numbers = [numbers_of(spec, audit.sources, asked, audit.edits[asked], audit.ranked, effects or kept)]
    return replace(audit, spec=spec, attributes=numbers, findings=core.audit.findings.findings(numbers))


@pytest.fixture(scope="module")
def short_report(world: Path, audit: AuditResult) -> Path:
    """A right report of the first attribute."""
    return write_report(about(audit, audit.spec.attributes[0]), world / "short")


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """A remembered number would hide what is planted, or keep it."""
    forget()
    yield
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.startswith(("core.statistics", "core.verify.own"))]:
        for thing in list(vars(sys.modules[name]).values()):
            if hasattr(thing, "cache_clear"):
                thing.cache_clear()


def test_every_value_of_a_right_report_is_found_again(report: Path, patch_tolerance: None) -> None:
    found = verify(report)
    assert found.differences == () and found.numbers > 3000


def test_a_report_of_one_attribute_is_found_again_too(short_report: Path, patch_tolerance: None) -> None:
    """What is planted, and not that the report is short, is what differs below."""
    assert verify(short_report).differences == ()


def test_a_metric_without_a_second_formula_is_measured_again(
    report: Path, patch_tolerance: None, numbers_alone: None, monkeypatch: Patch
) -> None:
    """As if KL had been written once."""
    for module in (lists, change, carried):
        monkeypatch.setattr(module, "NAMES", tuple(name for name in own_metrics.NAMES if name != "kl"))
    found = verify(report)
    assert found.differences == () and found.carried == ("kl",)


@pytest.fixture
def patch_tolerance(monkeypatch: Patch) -> None:
    """Equal to 1e-9 everywhere; a fitted probe is found again to the accuracy of its solver."""
    monkeypatch.setattr("core.verify.compared.ROUNDED", {"leakage": 1e-6})


# ------------------------------------------------------------------------------- planted where reports are made


def halved_p(patch: Patch) -> None:
    right = core.statistics.effect.exchange_p
    patch.setattr(core.statistics.effect, "exchange_p", lambda *a: (right(*a)[0] / 2, right(*a)[1]))


def no_holm(patch: Patch) -> None:
    patch.setattr(core.audit.findings, "holm", np.asarray)


def random_neurons_reversed(patch: Patch) -> None:
    right = core.audit.numbers._random

    def wrong(*arguments):
        document, chosen = right(*arguments), arguments[-1].estimate
        larger = sum(one["estimate"] >= chosen for one in document["draws"])
        return document | {"p": (1 + larger) / (1 + len(document["draws"]))}

    patch.setattr(core.audit.numbers, "_random", wrong)


def ratio_by_the_target(patch: Patch) -> None:
    right = core.statistics.lean._group

    def wrong(*arguments):
        one = right(*arguments)
        return replace(one, ratio=replace(one.ratio, estimate=one.share.estimate / 0.5))

    patch.setattr(core.statistics.lean, "_group", wrong)


def one_tail(patch: Patch) -> None:
    from core.statistics.biased_draw import _blind_tails

    for module in (core.statistics.lean, core.statistics.omnibus):
        patch.setattr(module, "blind_p", lambda *a: min(1.0, 2 * _blind_tails(*map(int, a))[0]))


def half_a_row_for_nobody(patch: Patch) -> None:
    def wrong(counts, target, mode, k):
        counts = np.asarray(counts, dtype=np.float64)
        return np.where(counts == 0, skews(counts, target, mode, k) - np.log(2), skews(counts, target, mode, k))

    for module in (core.metrics.max_skew, core.metrics.min_skew):
        patch.setattr(module, "skews", wrong)


def enters_for_leaves(patch: Patch) -> None:
    right = core.ranking.changes.exchange_of

    def wrong(*arguments):
        one = right(*arguments)
        return Exchange(one.enters, one.leaves, one.stays)

    patch.setattr(core.ranking.changes, "exchange_of", wrong)


def chi_square_for_g(patch: Patch) -> None:
    def wrong(cells, sizes, k, both):
        expected = k * np.array(sizes) / sum(sizes)
        return ((cells - expected) ** 2 / expected).sum(axis=1)

    patch.setattr(core.statistics.omnibus, "_statistic", wrong)


def areas_without_ties(patch: Patch) -> None:
    patch.setattr(core.statistics.areas, "mid_ranks", lambda scores: rankdata(scores, method="ordinal"))


def another_level(patch: Patch) -> None:
    patch.setattr(core.audit.findings, "ALPHA", 0.001)


def bonferroni_for_exploration(patch: Patch) -> None:
    patch.setattr(core.audit.findings, "benjamini_hochberg", lambda p: np.minimum(np.asarray(p) * len(p), 1.0))


def ndkl_not_normalised(patch: Patch) -> None:
    right = NDKL.__call__
    patch.setattr(NDKL, "__call__", lambda self, *a, **k: right(self, *a, **k) * 2)


def a_ninety_percent_interval(patch: Patch) -> None:
    patch.setattr(core.statistics.exchange, "NORMAL", 1.645)


def worst_group_not_picked(patch: Patch) -> None:
    right = core.zeroshot.accuracy.smallest_accuracy

    def wrong(*arguments):
        one = right(*arguments)
        return replace(one, lo=one.estimate - 0.1)

    patch.setattr(core.zeroshot.accuracy, "smallest_accuracy", wrong)


def leakage_without_inflation(patch: Patch) -> None:
    patch.setattr(import_module("core.statistics.leakages"), "_inflation", lambda *_: 1.0)


def permuted_prompt_by_prompt(patch: Patch) -> None:
    module = import_module("core.statistics.mean_leans")
    right = module.permuted_means

    def wrong(weights, sizes, n_groups, draws, seed):
        return sum(right(weights / 2, sizes, n_groups, draws, seed + i) for i in range(2))

    patch.setattr(module, "permuted_means", wrong)


def share_of_all_rows(patch: Patch) -> None:
    patch.setattr(
        core.audit.numbers, "share_estimate", lambda x, n: Estimate(x / (n + 1), x / (n + 2), x / n if n else 0.0, n)
    )


NUMBERS: list[tuple[Plant, str]] = [
    (halved_p, "effect | p:"),
    (no_holm, "p_adjusted"),
    (random_neurons_reversed, "random neurons | p:"),
    (ratio_by_the_target, "ratio | estimate"),
    (one_tail, "lean_p:"),
    (half_a_row_for_nobody, "min_skew | estimate"),
    (enters_for_leaves, "difference | shares"),
    (chi_square_for_g, "lean_p:"),
    (another_level, "verdict"),
    (bonferroni_for_exploration, "a photo of a clerk | effect | p_adjusted"),
    (ndkl_not_normalised, "ndkl | estimate"),
    (a_ninety_percent_interval, "difference | shares"),
    (permuted_prompt_by_prompt, "original | lean | p:"),
    (share_of_all_rows, "rows_changed | estimate"),
]
EFFECTS: list[tuple[Plant, str]] = [
    (areas_without_ties, "explicit"),
    (worst_group_not_picked, "worst_group | lo"),
    (leakage_without_inflation, "leakage | before | lo"),
]


@pytest.fixture
def numbers_alone(monkeypatch: Patch, audit: AuditResult) -> None:
    """What the plants do not touch is not done each time: rankings, what an edit costs, and the page."""
    kept = {one["attribute"]: {name: one[name] for name in COST} for one in audit.attributes}
    monkeypatch.setattr(recomputed, "cost_of", lambda _spec, _sources, searched, *_: kept[searched.attribute])
    monkeypatch.setattr(recomputed.Rankings, "check", lambda self, progress=None: self.wrong)
    monkeypatch.setattr(recomputed, "_rendered", lambda *_: iter(()))


@pytest.mark.usefixtures("numbers_alone")
@pytest.mark.parametrize(("plant", "where"), NUMBERS, ids=lambda given: getattr(given, "__name__", ""))
def test_a_wrong_formula_of_the_report_is_found(
    plant: Plant, where: str, audit: AuditResult, tmp_path: Path, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    asked = "gender x age" if plant is chi_square_for_g else "gender"
    lines = verify(write_report(about(audit, asked), tmp_path / "wrong")).differences
    assert any(where in line for line in lines), lines[:5]


@pytest.mark.parametrize(("plant", "where"), EFFECTS, ids=lambda given: getattr(given, "__name__", ""))
def test_a_wrong_formula_of_the_cost_is_found(
    plant: Plant, where: str, audit: AuditResult, tmp_path: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(recomputed.Rankings, "check", lambda self, progress=None: self.wrong)
    plant(monkeypatch)
    name = audit.spec.attributes[0]
    effects = side_effects(audit.spec, audit.sources, name, audit.edits[name], audit.ranked)
    lines = verify(write_report(about(audit, name, effects), tmp_path / "wrong")).differences
    assert lines and all(where.split(" | ")[0] in line for line in lines), lines[:5]
    assert any(where in line for line in lines)


# ------------------------------------------------------------------------------- planted in the second author


def own_p_halved(patch: Patch) -> None:
    right = lists.together_p
    patch.setattr(lists, "together_p", lambda *a: (right(*a)[0] / 2, right(*a)[1]))


def own_no_holm(patch: Patch) -> None:
    patch.setitem(findings.CORRECTED, "headline", ("Holm", list))


def own_narrow_share(patch: Patch) -> None:
    right = lists.biased_ends
    patch.setattr(lists, "biased_ends", lambda *a: (right(*a)[0] + 0.1, right(*a)[1]))


def own_exchange_reversed(patch: Patch) -> None:
    right = change.exchanged
    patch.setattr(change, "exchanged", lambda before, after, *a: right(after, before, *a))


def own_level_of_inversion(patch: Patch) -> None:
    patch.setattr(inversion, "TAIL", 0.05)


def own_verdicts(patch: Patch) -> None:
    patch.setattr(findings, "SHOWN", 0.001)


def own_band(patch: Patch) -> None:
    patch.setattr(bands, "middle", lambda drawn: (float(drawn.min()), float(drawn.max())))


def own_permutations(patch: Patch) -> None:
    right = permuted.permuted
    patch.setattr(permuted, "permuted", lambda w, s, tests, seed: right(w, s, tests, seed + 1))


def own_signed_sizes(patch: Patch) -> None:
    right = means.sizes
    patch.setattr(means, "sizes", lambda *a: right(*a) / 2)


def own_cosine(patch: Patch) -> None:
    right = means.mean_cosine
    patch.setattr(means, "mean_cosine", lambda found, arm, n: right(found, arm, 2 * n))


@pytest.mark.usefixtures("numbers_alone")
@pytest.mark.parametrize(
    ("plant", "where"),
    [
        (own_p_halved, "lean_p:"),
        (own_no_holm, "p_adjusted"),
        (own_narrow_share, "share | lo"),
        (own_exchange_reversed, "difference | shares"),
        (own_level_of_inversion, "max_skew"),
        (own_verdicts, "verdict"),
        (own_band, "blind_draw"),
        (own_permutations, "original | lean | p:"),
        (own_signed_sizes, "size | estimate"),
        (own_cosine, "cosine | lo"),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_a_wrong_formula_of_the_second_author_is_a_difference(
    plant: Plant, where: str, short_report: Path, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    lines = verify(short_report).differences
    assert any(where in line for line in lines), lines[:5]


@pytest.mark.parametrize(
    ("module", "name", "wrong", "where"),
    [
        (accuracy, "wilson_ends", lambda x, n: (0.0, 1.0), "zeroshot"),
        (areas, "UNSEEN", 25.0, "explicit"),
        (areas, "_known", lambda *_: 1.0, "leakage"),
    ],
)
def test_a_wrong_cost_of_the_second_author_is_a_difference(
    module, name: str, wrong, where: str, short_report: Path, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(recomputed.Rankings, "check", lambda self, progress=None: self.wrong)
    monkeypatch.setattr(module, name, wrong)
    lines = verify(short_report).differences
    assert any(where in line for line in lines), lines[:5]
