"""The Benchmark page: the table as numbers with intervals, measured on request, with its words and downloads."""

from core.benchmark import BenchmarkResult, Cell
from core.figures import Picture, Series
from core.statistics import Band, Estimate
from core.ui.benchmark.page import not_computed
from core.ui.benchmark.table import heat_html, main, numbered, table_html
from core.ui.parts.charts import picture, trade_off

KEYS = ("max_skew", "min_skew", "ndkl", "accuracy", "cosine", "area", "removed", "mole")


def cell(
    arm: str, skew: float | None, cosine: float = 1.0, refused: str | None = None, area: float | None = None
) -> Cell:
    values = {key: Estimate.missing("not asked") for key in KEYS}
    values["max_skew"] = Estimate(skew, skew - 1, skew + 1, 12, null=Band(3.0, 9.0, 6.0)) if skew else values["ndkl"]
    values["cosine"] = Estimate(cosine, cosine, cosine, 40)
    values |= {} if area is None else {"area": Estimate(area, area, area, 12)}
    return Cell(arm, "small", {} if refused else values, refused)


RESULT = BenchmarkResult(
    "debiaslens",
    (
        cell("leace", 30.0),
        cell("mean-difference", 20.04, 0.9, area=0.2),
        cell("sem-b", None, refused="no text SAE was given"),
        cell("identity", 60.0, area=0.0),
        cell("orth-proj", 10.0, 0.95, area=0.1),
    ),
)


def test_what_is_not_computed_is_named_with_its_methods_and_reason() -> None:
    lines = not_computed(RESULT)
    assert (
        "leace, mean-difference, identity, orth-proj: MinSkew x 100 not computed: not asked" in lines
        and len(lines) == 6
    )
    notes = RESULT.table().set_index("method")["notes"]
    assert "Accuracy not computed: not asked" in notes["orth-proj"] and not isinstance(notes["sem-b"], str)


def test_the_untouched_model_comes_first_then_by_the_lean_removed() -> None:
    assert [one.arm for one in numbered(RESULT)] == ["identity", "mean-difference", "orth-proj", "leace"]


def test_numbers_have_intervals_and_n_and_only_a_merit_is_bold() -> None:
    shown = table_html(RESULT)
    assert "20.0</span><small>19.0 to 21.0</small>" in shown and "n = 12; a blind draw shows 3.00 to 9.00" in shown
    assert shown.count('class="best"') == 2 and '<span class="best">10.0</span>' in shown
    assert "no text SAE" not in shown and 'title="not asked">not computed' in shown
    assert "1. " in shown and shown.index("1. ") < shown.index("2. ") < shown.index("3. ")


def test_the_main_columns_hold_what_ranks_the_skew_and_the_price_in_the_order_of_the_table() -> None:
    shown = [column.key for column in main(RESULT)]
    assert {"area", "max_skew", "cosine"} <= set(shown) and len(shown) == 5
    assert shown == [column.key for column in RESULT.columns if column.key in shown]
    assert table_html(RESULT, main(RESULT)).count("<th ") == 5 < table_html(RESULT).count("<th ")


def test_a_heat_map_is_blue_where_a_method_is_better_and_strongest_where_it_is_most() -> None:
    rows = heat_html(RESULT).split("<tr>")[2:]
    skews = [row.split("<td")[1 + 1 + [c.key for c in RESULT.columns].index("max_skew")] for row in rows]
    assert "31,131,196,0.00" in skews[0] or "217,127,0,0.00" in skews[0], "the original is no better than itself"
    assert "31,131,196,0.55" in skews[2] and ">10.0<" in skews[2], "orth-proj falls from 60 to 10"
    assert "31,131,196,0.44" in skews[1]
    cosines = [row.split("<td")[1 + 1 + [c.key for c in RESULT.columns].index("cosine")] for row in rows]
    assert "217,127,0,0.55" in cosines[1], "the cosine that falls most is the worst"


def test_a_title_cannot_bring_markup() -> None:
    hostile = Estimate.missing("<script>alert(1)</script>")
    one = Cell("identity", "small", dict.fromkeys(KEYS, hostile) | {"max_skew": Estimate(1.0, 1.0, 1.0, 3)})
    assert "<script>" not in table_html(BenchmarkResult("debiaslens", (one,)))


def test_points_are_named_by_their_number() -> None:
    figure = trade_off([("1. original", Estimate(1.0, n=3), Estimate(0.6, 0.5, 0.7, 3))], "cosine", "skew")
    assert [note.text for note in figure.layout.annotations] == ["1"] and figure.data[0].error_y.array[0] > 0.09
    assert figure.data[0].error_x.array[0] is None, "no interval, and none of width 0"


def test_every_kind_of_picture_is_drawn() -> None:
    for kind in ("bars", "lines", "points", "cells"):
        x = ["a", "b"] if kind in ("bars", "cells") else [0.0, 1.0]
        series = (Series("one", x, [0.1, None], [0.0, None], [0.2, None]), Series("two", x, [0.3, 0.4]))
        assert picture(Picture("t", kind, "x", "y", series)).data
