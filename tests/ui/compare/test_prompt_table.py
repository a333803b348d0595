"""A list of prompts: a row is that prompt's own ranking, p is corrected over the list, nothing is left out."""

import csv
import io

import numpy as np
import pytest

from core.config import Edit, InputError
from core.statistics import Estimate
from core.ui.compare import prompt_table
from core.ui.session import results, why_results
from core.ui.session.state import AppState
from core.verdicts import LEAN_CHANGE_WORDS
from core.writing import frame_text

PROMPTS = ["a photo of a doctor", "a photo of a nurse", "a photo of a person"]
pytestmark = pytest.mark.usefixtures("small_model")


def question(world: dict[str, str], edit: Edit | None = None) -> results.Asked:
    state = AppState(gallery=world["searched"], model="small", query=PROMPTS[0], k=15)
    state.saes = {"image": world["image"], "text": world["text"]}
    if edit is not None:
        state.set_edit("image", edit)
    return results.asked(state, "gender")


def test_a_row_is_the_prompts_own_ranking(world: dict[str, str]) -> None:
    asked = question(world, Edit((0, 1, 2)))
    rows = prompt_table.asked(asked, PROMPTS, "Male")
    for row, prompt in zip(rows, PROMPTS, strict=True):
        alone = results.ranking(prompt_table._of(asked, prompt))
        at = alone.part.groups.index("Male")
        assert row.before == alone.before.numbers.lean.groups[at].points
        assert alone.after is not None and row.after == alone.after.numbers.lean.groups[at].points
        lean = row.before.estimate
        searched = alone.before.numbers.lean.groups[at]
        assert lean == pytest.approx(searched.retrieved / sum(g.retrieved for g in alone.before.numbers.lean.groups)
                                     - searched.base_share)  # fmt: skip


def test_a_change_is_told_in_the_words_of_every_page(world: dict[str, str]) -> None:
    rows = prompt_table.asked(question(world, Edit((0, 1, 2))), PROMPTS, "Male")
    assert {row.direction for row in rows} <= set(LEAN_CHANGE_WORDS.values())


def test_p_is_corrected_over_the_list(world: dict[str, str]) -> None:
    rows = prompt_table.asked(question(world), PROMPTS, "Male")
    table = prompt_table.frame(rows, "Male").set_index("Prompt")
    p = [row.p for row in rows]
    order = np.argsort(p, kind="stable")
    expected = np.empty(len(p))
    expected[order] = np.minimum(1.0, np.maximum.accumulate(np.asarray(p)[order] * (len(p) - np.arange(len(p)))))
    np.testing.assert_allclose(table.loc[PROMPTS, "p"], expected, rtol=1e-12)
    assert table["Beyond chance"].loc[PROMPTS].tolist() == [bool(one <= 0.05) for one in expected]
    assert table["Lean, points"].is_monotonic_decreasing


def test_a_prompt_that_cannot_be_asked_stays_with_its_reason(world: dict[str, str], monkeypatch) -> None:
    asked, whole = question(world), results.ranking

    def refusing(of: results.Asked, progress: object = None) -> object:
        if of.request.query == PROMPTS[1]:
            raise InputError("no such prompt")
        return whole(of)

    monkeypatch.setattr(results, "ranking", refusing)
    table = prompt_table.frame(prompt_table.asked(asked, PROMPTS, "Male"), "Male")
    assert len(table) == 3 and table["Prompt"].iloc[-1] == PROMPTS[1]
    assert table["Not computed"].tolist()[-1] == "no such prompt" and np.isnan(table["Lean, points"].iloc[-1])


def test_the_file_has_every_prompt(world: dict[str, str]) -> None:
    table = prompt_table.frame(prompt_table.asked(question(world), PROMPTS, "Female"), "Female")
    read = list(csv.DictReader(io.StringIO(frame_text(table.assign(gallery="searched")))))
    assert {row["Prompt"] for row in read} == set(PROMPTS) and read[0]["gallery"] == "searched"


def test_a_list_is_one_prompt_a_line_and_never_empty() -> None:
    assert why_results.prompts_of("  a photo\nof \n\na photo\n") == ["a photo", "of"]
    with pytest.raises(InputError, match="empty"):
        why_results.prompts_of(" \n ")


def test_the_figure_holds_the_strongest() -> None:
    rows = [
        prompt_table.Row(f"p{i}", Estimate(i / 100, 0.0, 1.0, 9), None, Estimate(0.5, 0, 1, 9), 0.5, "")
        for i in range(60)
    ]
    drawn = prompt_table.figure(rows, "Male")
    assert len(drawn.data[0].x) == prompt_table.DRAWN and max(drawn.data[0].x) == pytest.approx(59)
