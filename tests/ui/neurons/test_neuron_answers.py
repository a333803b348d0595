"""What a neuron answers to on the pages: words, figure, and nothing of it on the label page before it is asked for."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.neurons import Answers, Association, lifts, named_group
from core.statistics import Estimate
from core.ui.parts import answer_charts, answer_words
from core.ui.session import probing
from core.ui.session.state import KEY
from tests.ui.test_pages import chosen, texts

ROOT = Path(__file__).resolve().parents[3]


def association(attribute: str, group: str, auc: float, p: float = 0.001, half: float = 0.03) -> Association:
    return Association(attribute, group, Estimate(auc, auc - half, auc + half, 900), p, p, 200, 0.9, 0.1)


def lift(women: int, men: int, n: int = 100):
    (found,) = lifts([3], np.array([[women], [men]]), np.array([n, n]), ["Female", "Male"], 0)
    return found


def test_lift_in_words():
    sure, unsure, none = lift(90, 10), lift(52, 48), lift(60, 0)
    assert answer_words.rates(sure, "Female") == "90 % of Female · 10 % of Male · 80 points (70 to 86) more"
    assert "unsure" in answer_words.rates(unsure, "Female") and "more" not in answer_words.rates(unsure, "Female")
    said = answer_words.most_often(sure, "Female", 1)
    assert "next on Male (10 %)" in said and "9.00 times as often" in said and "Specific for Female at τ" in said
    doubt = answer_words.most_often(unsure, "Female", 1)
    assert "may be nothing" in doubt and "Unsure" in doubt and "Specific for" not in doubt
    assert "at least 1" in answer_words.times(none) and "inf" not in answer_words.times(none)
    assert "all 6 other groups" in answer_words.most_often(sure, "Female", 6)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((0.09, 0.046, 0.132), "9 points (5 to 13)"),
        ((0.01, 0.006, 0.02), "1 point (1 to 2)"),
        ((0.03, -0.0004, 0.06), "3 points (0 to 6)"),
        ((0.03, -0.004, 0.06), "3.0 points (−0.4 to 6.0)"),
        ((-0.08, -0.25, 0.1), "−8 points (−25 to 10)"),
    ],
)
def test_points_never_round_a_sign_away(ends, said):
    assert answer_words.points(Estimate(*ends, 100)) == said


def test_the_strongest_association_is_said_beside_the_group_that_is_looked_at():
    orange = association("background", "orange", 0.97)
    answers = Answers((orange, association("gender", "Male", 0.55)), 12)
    said = answer_words.sentence(answers, ["gender"], "gender Male", 0.55)
    assert said == "Answers most to **background orange**, AUC 0.97 (0.94 to 1.00): more than to gender Male (0.55)."
    assert probing.compared(answers, ["gender"], 0.96) == "as much", "its interval reaches down to that"
    assert probing.compared(answers, ["background"], 0.96) is None
    assert probing.compared(answers, ["gender"], 0.02) is None, "the group is told better from the other side"
    chance = Answers((association("mood", "calm", 0.52, p=0.4),), 12)
    assert "none of 12 associations is beyond chance" in answer_words.sentence(chance, ["gender"], "gender Male", 0.5)
    assert "no group is large enough" in answer_words.sentence(Answers((), 0), ())


def test_what_it_does_not_fire_on_is_said_from_the_other_side():
    one = association("background", "orange", 0.1)
    assert one.said == "not background orange" and probing.towards(one) == pytest.approx((0.9, 0.87, 0.93))
    assert named_group("hat", "no hat") == "no hat" and named_group("hair", "bald") == "hair bald"


def test_the_figure_is_ranked_with_intervals_from_a_half():
    listed = [
        association("background", "orange", 0.97),
        association("hair", "bald", 0.2),
        association("a", "b", 0.51, 0.6),
    ]
    figure = answer_charts.associations(listed)
    (bars,) = figure.data
    assert list(bars.y) == ["background orange", "not hair bald", "a b"] and bars.base == 0.5
    assert list(bars.x) == pytest.approx([0.47, 0.3, 0.01]) and list(bars.error_x.array) == pytest.approx([0.03] * 3)
    assert bars.marker.opacity[2] < bars.marker.opacity[0], "not told from chance"
    assert [note.text for note in figure.layout.annotations][1] == "0.80 (0.77 to 0.83)"


def best(world: dict[str, str]) -> tuple[probing.Probe, int]:
    found = probing.probe_of(chosen(world), "image")
    return found, probing.best(found, "gender", "Male", 1)[0]


def opened(world: dict[str, str], page: str, neuron: int | None = None, **filters: object) -> AppTest:
    shown = AppTest.from_file(str(ROOT / page), default_timeout=180)
    state = chosen(world)
    state.filters |= filters
    if neuron is not None:
        state.open_neuron(neuron, "image")
    shown.session_state[KEY] = state
    shown.run()
    assert not shown.exception
    return shown


def test_a_neurons_page_says_what_it_answers_to_with_figure_and_table(world: dict[str, str]) -> None:
    found, neuron = best(world)
    strongest = probing.answers(found, neuron).strongest
    assert strongest is not None and strongest.attribute == "gender"
    page = opened(world, "pages/neurons.py", neuron)
    shown = texts(page)
    assert f"Answers most to **{strongest.said}**" in shown and "What it answers to" in shown
    assert "p adjusted: Mann-Whitney" in shown and len(page.get("plotly_chart")) == 3
    assert page.dataframe[0].value["answers to"].iloc[0] == strongest.said


def test_the_list_says_it_on_every_card(world: dict[str, str]) -> None:
    shown = texts(opened(world, "pages/neurons.py"))
    assert shown.count("Answers most to") + shown.count("What it answers to is not known") >= 2
    assert "points" in shown


def test_a_rater_sees_it_only_when_asked_for_and_not_for_the_next_neuron(world: dict[str, str]) -> None:
    page = opened(world, "pages/label.py", rater="ann", **{"label-testing": False})
    assert "fires most often" not in texts(page)
    next(button for button in page.button if button.label.startswith("Answers to")).click().run()
    assert "fires most often" in texts(page) or "fires equally often" in texts(page)
    next(button for button in page.button if button.label.startswith("Context")).click().run()
    assert not page.exception and "fires most often" not in texts(page)


def test_a_suggested_neuron_that_is_unsure_is_not_called_specific(world: dict[str, str], monkeypatch) -> None:
    monkeypatch.setattr("core.neurons.lift.LEVEL", 1 - 1e-14)
    suggestions, _ = probing.suggested(chosen(world), "image", "gender", 0.5)
    named = [s for s in suggestions if "AUC" not in s.why]
    assert named and all("unsure" in s.why and "specific" not in s.why and not s.specific for s in named)
