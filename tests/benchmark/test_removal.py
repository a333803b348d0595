"""Lean removed at a given cost, and what methods do to attributes that nobody asked about."""

import math

import numpy as np
import pytest

from core.benchmark import PROTOCOLS, BenchmarkResult, find_arm, run_benchmark
from core.benchmark.measures import rankings
from core.benchmark.removal import (
    COSTS,
    Moves,
    leading_group,
    lean_removed,
    others_lean,
    part_length,
    part_way,
    points,
)
from core.config import ASSETS
from core.gallery import Gallery
from core.units import unit
from tests.benchmark.small_world import PROMPTS, small_gallery, small_world

EVERY_PROTOCOL = pytest.mark.parametrize("protocol", PROTOCOLS.names())


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return small_gallery(tmp_path_factory.mktemp("removal"))


def ready(gallery: Gallery, name: str):
    return find_arm(name).ready(small_world(gallery))


def test_a_part_of_the_way_by_hand():
    u, v = unit(np.random.default_rng(0).normal(size=(2, 5, 7)))
    for t in (0.0, 0.3, 1.0):
        mixed = (1 - t) * u + t * v
        cosines = np.einsum("ij,ij->i", u, v)
        np.testing.assert_allclose(part_length(cosines, t), np.linalg.norm(mixed, axis=1), atol=1e-12)
        np.testing.assert_allclose(part_way(cosines, t), np.einsum("ij,ij->i", unit(mixed), u), atol=1e-12)
    assert part_way(np.array([-1.0]), 0.5) == 0.0, "half way to the opposite there is nothing"


@pytest.mark.parametrize("cosine", [0.95, 0.98, 0.999])
def test_the_side_that_moves_more_pays(cosine):
    items = [(np.full(6, 0.7), 10)]
    one, both = Moves(items, [1.0, 1.0]), Moves(items, [0.2, 0.4])
    assert one.cosine(one.strength(cosine)) == pytest.approx(cosine, abs=1e-9)
    assert both.strength(cosine) < one.strength(cosine), "the queries move further, so they set the cost"
    assert both.cosine(both.strength(cosine)) == pytest.approx(cosine, abs=1e-9)
    assert Moves([(np.full(2, 0.99), 10)], [1.0]).strength(0.98) == 1.0, "all of it costs less"


def removed_by_hand(gallery: Gallery, name: str, cosine: float) -> list[float]:
    """Blended rows, divided by their length and ranked by a plain sort, for a method of the items alone."""
    world, arm = small_world(gallery), ready(gallery, name)
    part = arm.part()
    texts = sorted(PROMPTS)
    plain = {
        text: (items.index.unit.astype(float), unit(v)) for text, items, v in ready(gallery, "identity").answers(texts)
    }
    there = {text: (items.index.unit.astype(float), unit(v)) for text, items, v in arm.answers(texts)}

    def blended(t: float):
        return {
            text: tuple(unit((1 - t) * a + t * b) for a, b in zip(plain[text], there[text], strict=True))
            for text in texts
        }

    def cost(t: float) -> float:
        now = blended(t)
        sides = [[np.sum(plain[text][side] * now[text][side], axis=-1).mean() for text in texts] for side in (0, 1)]
        return min(map(np.mean, sides))

    low, high = 0.0, 1.0
    if cost(1.0) >= cosine:
        low = 1.0
    else:
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if cost(middle) >= cosine else (low, middle)
    found, male = [], part.labels == part.groups.index("Male")
    for text in texts:
        leans = []
        for rows, query in (plain[text], blended(low)[text]):
            top = np.argsort(-(rows @ query), kind="stable")[: world.k]
            leans.append(abs(male[top].mean() - male.mean()))
        found.append(leans[0] - leans[1])
    return found


@pytest.mark.parametrize("name", ["mean-difference", "neuron-edit-rule"])
def test_lean_removed_is_a_plain_ranking_of_blended_rows(gallery, name):
    arm = ready(gallery, name)
    found = lean_removed(arm, rankings(arm, PROMPTS))
    curve = np.array([removed_by_hand(gallery, name, cosine) for cosine in COSTS[:-1]] + [[0.0] * len(PROMPTS)])
    assert found["removed"].estimate == pytest.approx(curve[COSTS.index(0.98)].mean(), abs=1e-6)
    steps = np.diff(COSTS)[:, None] * (curve[1:] + curve[:-1]) / 2
    areas = steps.sum(axis=0) / 0.05
    assert found["area"].estimate == pytest.approx(areas.mean(), abs=1e-6)
    assert found["area"].lo <= found["area"].estimate <= found["area"].hi and found["area"].n == len(PROMPTS)
    assert found["area"].estimate > 0.1


@EVERY_PROTOCOL
def test_the_untouched_model_removes_nothing_and_moves_nobody(gallery, protocol):
    (cell,) = run_benchmark(protocol, [small_world(gallery)], ["identity"]).cells
    for key in ("area", "removed", "mole"):
        assert (cell.values[key].estimate, cell.values[key].lo, cell.values[key].hi) == (0.0, 0.0, 0.0), key


def test_a_leans_change_on_other_attributes_by_hand(gallery):
    arm, plain = ready(gallery, "mean-difference"), ready(gallery, "identity")
    tops, before = rankings(arm, PROMPTS), rankings(plain, PROMPTS)
    rows = arm.part().rows
    town = gallery.labels("town")[rows] == "A"
    by_query = [
        abs(town[tops.rows[t]].mean() - town.mean()) - abs(town[before.rows[t]].mean() - town.mean()) for t in PROMPTS
    ]
    assert others_lean(arm, tops).estimate == pytest.approx(np.mean(by_query))


def test_points_and_the_leading_group(gallery):
    part = ready(gallery, "identity").part()
    female = part.groups.index("Female")
    women = np.flatnonzero(part.labels == female)[:10]
    share = part.counts[female] / sum(part.counts)
    assert points(part, women)[female] == pytest.approx(1 - share) and points(part, women).sum() == pytest.approx(0)
    assert leading_group(part, women) == (female, pytest.approx(1 - share))
    assert math.isnan(points(part, np.zeros(0, np.int64))[0])


# ------------------------------------------------------------------------------------------------ what the guide says

TITLES = {
    "untouched": ("identity",),
    "LEACE on the text": ("leace-text",),
    "mean difference on the text": ("mean-difference-text",),
    "rotation (WRING)": ("wring",),
    "closed form": ("closed-form",),
    "differences alone": ("difference-projection",),
    "smallest edit, a set per prompt": ("smallest-edit-per-query",),
    "smallest edit, one set": ("smallest-edit",),
    "LEACE on the pictures": ("leace",),
    "mean difference on the pictures": ("mean-difference",),
    "SPD, INLP": ("spd", "inlp"),
}
"""Methods of each row of the guide's table."""
FIGURES = (("area", 100), ("removed", 100), ("explicit", 1), ("others", 1), ("leakage", 1), ("mole", 100))
"""Column of the benchmark and unit of each column of the guide's table."""


def test_the_guides_figures_are_those_of_the_shipped_table():
    shipped = BenchmarkResult.load(ASSETS / "benchmarks" / "default.json")
    cells = {cell.arm: cell.values for cell in shipped.cells}
    text = (ASSETS / "guide" / "which-method-for-whom.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.split("\n") if line[:2] == "| "]
    table = {row[0]: row[1:] for row in rows if len(row) == len(FIGURES) + 1}
    assert table.keys() - {"method"} == TITLES.keys()
    for title, arms in TITLES.items():
        for said, (key, unit_of) in zip(table[title], FIGURES, strict=True):
            number, *interval = said.rstrip(")").split(" (")
            numbers = number.split(", ") * (1 if ", " in number else len(arms))
            for written, arm in zip(numbers, arms, strict=True):
                assert rounds_to(cells[arm][key].estimate, written, unit_of), (title, key, written)
            if interval:
                lo, hi = interval[0].split(" to ")
                assert rounds_to(min(cells[arm][key].lo for arm in arms), lo, unit_of), (title, key, lo)
                assert rounds_to(max(cells[arm][key].hi for arm in arms), hi, unit_of), (title, key, hi)


def rounds_to(value: float, written: str, unit_of: int) -> bool:
    """Whether a number is what is written, to as many digits as are written."""
    digits = len(written.partition(".")[2])
    return abs(value * unit_of - float(written)) <= 0.5 * 10**-digits + 1e-9
