"""What could not be computed is said to be so: no 0 stands for it, in no sentence, no figure and no document."""

import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core import figures
from core.cli import main
from core.config import ROOT
from core.neurons import coactive_neurons
from core.report import answers_render
from core.saes.base import new_sae, sae_config
from core.saes.quality import quality
from core.statistics import Estimate
from core.ui.parts import answer_words, model_charts, wording
from core.ui.parts.charts import picture
from core.ui.parts.figures import interval_bars
from core.zeroshot.parity import ParityResult

MISSING = Estimate.missing("nobody of this group was asked")
NAMES = {"estimate", "lo", "hi"}
SEEMS = re.compile(r"(estimate|lo|hi)[\"'\]]* or [\d.]")
"""Files in which it is worth looking."""


def _number_instead(node: ast.AST) -> bool:
    """Whether an expression puts a number where an estimate has none: `e.estimate or 0.0`, `x["estimate"] or 0`."""
    if not (isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or)):
        return False
    last = node.values[-1]
    number = isinstance(last, ast.Constant) and isinstance(last.value, int | float)
    first = node.values[0]
    named = isinstance(first, ast.Attribute) and first.attr in NAMES
    keyed = isinstance(first, ast.Subscript) and isinstance(first.slice, ast.Constant) and first.slice.value in NAMES
    return number and (named or keyed)


def test_no_number_stands_for_a_missing_estimate_anywhere_in_the_code() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "core").rglob("*.py"))
        if SEEMS.search(text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if _number_instead(node)
    ]
    assert not found, "an estimate without a number is not 0"
    assert _number_instead(ast.parse("e.estimate or 0.0", mode="eval").body), "and this would be seen"


def test_words_of_a_missing_number() -> None:
    bare = Estimate(None)
    assert {write(bare) for write in (wording.share_text, wording.share_alone, wording.in_points)} == {"not computed"}
    assert wording.value(bare) == wording.change(bare) == wording.ratio_text(bare) == "not computed"
    assert answer_words.points(bare) == "not computed"
    assert answer_words.points(Estimate(0.25)) == "25 points", "a number without an interval has none of width 0"
    assert wording.share_text(MISSING) == MISSING.reason


def test_a_number_without_an_interval_has_no_line_of_length_0() -> None:
    bars = interval_bars([Estimate(0.5, 0.4, 0.7), Estimate(0.5), MISSING], "red")
    assert bars["array"] == [pytest.approx(0.2), None, None] and bars["arrayminus"][1:] == [None, None]


@pytest.mark.parametrize("kind", ["bars", "cells"])
def test_a_studys_figure_says_it(tmp_path: Path, kind: str) -> None:
    series = figures.Series("s", ("a", "b", "c"), (0.5, None, 0.0), (0.4, None, None), (0.6, None, None))
    drawn = figures.Picture("t", kind, "x", "y", (series,))
    figures.draw_svg(drawn, tmp_path / "f.svg")
    text = (tmp_path / "f.svg").read_text(encoding="utf-8")
    assert text.count("not computed") == 1 and "0.000" in text, "a 0 that was computed stays"
    if kind == "bars":
        down, up = figures._whiskers(series)
        assert np.isnan(down[1:]).all() and np.isnan(up[1:]).all() and up[0] == pytest.approx(0.1)
    assert str(picture(drawn).to_json()).count("not computed") == (kind == "cells")


def test_a_group_that_was_not_answered_has_no_gap() -> None:
    arms = {"before": {"F": Estimate(0.4), "M": MISSING}, "after": {"F": Estimate(0.4), "M": MISSING}}
    assert wording.gap_said(arms) == "What the edit does to the gap is not computed: no picture of M was answered."
    assert "not computed" in str(model_charts.by_group(arms).to_json())
    assert "not computed" in str(model_charts.gaps({"original": MISSING}, (), 0.1).to_json())


def test_of_no_gap_nothing_is_less() -> None:
    def arm(gap: float) -> dict:
        return {"estimate": gap, "lo": 0.0, "hi": 0.1, "n": 9, "blind": 0.02}

    share = {"estimate": 0.9, "lo": 0.8, "hi": 1.0, "n": 9}
    document = {
        "spec": {"attributes": ["gender"]},
        "items": ["a"] * 9,
        "findings": [],
        "titles": {},
        "attributes": {
            "gender": {
                "groups": ["F"],
            }
        },
        "summary": {
            "gap": {"original": arm(0.0), "edit": arm(0.05)},
            "ability": dict.fromkeys(("original", "edit"), share),
        },
        "evidence": {"words": ["w"], "answers": ["yes"], "absent": {}, "arms": ["original", "edit"]},
    }
    said = " ".join(map(str, answers_render.summary(document)))
    assert "are left; right answers" in said and "less" not in said


def test_an_sae_that_saw_no_row_has_no_quality() -> None:
    sae = new_sae(sae_config("relu", 4, 6, 2))
    sae.initialise(torch.Generator().manual_seed(0))
    found = quality(sae.frozen(), np.zeros((0, 4), np.float32))
    assert found.to_json() == {"fvu": None, "l0": None, "dead_fraction": None, "n": 0}
    assert np.isnan(found.firing_rate).all()


def test_neurons_that_never_fire_overlap_with_nothing() -> None:
    z = np.array([[1.0, 0, 0, 2], [0, 0, 0, 1]])
    assert coactive_neurons(z, 1, 3) == [(0, 0.0), (3, 0.0)], "and not with the other silent one, by 0 of 0 items"


def test_the_largest_of_differences_is_one_that_was_computed() -> None:
    low, high = Estimate(0.0, 0.0, 0.1, 9), Estimate(0.2, 0.1, 0.3, 9)
    found = ParityResult({"a": (MISSING, MISSING), "b": (low, MISSING), "c": (high, MISSING), "d": (high, MISSING)})
    assert found.worst("demographic_parity_difference") is high
    assert found.worst("equalized_odds_difference") is MISSING
    assert (
        replace(found, by_class={"b": (low, low), "e": (replace(low), low)}).worst("demographic_parity_difference")
        is low
    )


def test_a_group_that_nobody_retrieved_gives_no_ratio_and_no_trace(tmp_path: Path, capsys) -> None:
    rows = ["F"] * 40 + ["M"] * 40
    for name, kept in (("ranked", rows[:20]), ("all", rows)):
        (tmp_path / f"{name}.csv").write_text("g\n" + "".join(f"{one}\n" for one in kept))
    given = ["metrics", "--ranked", f"{tmp_path}/ranked.csv", "--gallery-table", f"{tmp_path}/all.csv", "--k", "20"]
    assert main(given) == 0
    assert "worst pair: F and M, ratio not computed: nobody of M was retrieved" in capsys.readouterr().out
    assert main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["worst_pair"]["ratio"] is None
