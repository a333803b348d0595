"""The figure of shares says the numbers it was given: marks, intervals and strokes at their places, words beside."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from core.statistics import lean_of
from core.ui.parts import shares_figure
from core.ui.parts.figures import AFTER, BEFORE, TARGET
from core.ui.parts.shares_figure import Shares

GROUPS = ("Female", "Male")
ARMS = {"before": lean_of((500, 500), (8, 92)), "after": lean_of((500, 500), (45, 55))}
EVEN = Shares(GROUPS, ARMS, [0.5, 0.5], "even shares")
HOSTILE = "</text><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


def drawn(shares: Shares, answers: bool = False) -> ElementTree.Element:
    """The figure as a tree: it is well-formed, whatever stands in it."""
    return ElementTree.fromstring(shares_figure.svg(shares, ["where", "it comes from"], "in words", answers))


def rows(shares: Shares, answers: bool = False) -> list[ElementTree.Element]:
    return [e for e in drawn(shares, answers).iter("g") if e.get("class") == "row"]


def along(element: ElementTree.Element, name: str = "x1") -> float:
    """A place in the plot, as a part of its width."""
    return float(element.attrib[name].removesuffix("%")) / 100


def texts(element: ElementTree.Element, kind: str) -> list[str]:
    return [e.text or "" for e in element.iter("text") if e.get("class") == kind]


def test_a_mark_is_at_its_share_and_its_interval_ends_at_the_limits() -> None:
    for at, row in enumerate(rows(EVEN)):
        marks = [e for e in row.iter("g") if e.get("class") == "mark"]
        for mark, (name, lean) in zip(marks, ARMS.items(), strict=True):
            share, (circle,) = lean.groups[at].share, mark.iter("circle")
            (line,) = [e for e in mark.iter("line") if e.get("class") == "interval"]
            assert along(circle, "cx") * EVEN.end == pytest.approx(share.estimate, abs=1e-4)
            assert along(line) * EVEN.end == pytest.approx(share.lo, abs=1e-4)
            assert along(line, "x2") * EVEN.end == pytest.approx(share.hi, abs=1e-4)
            assert mark.get("stroke") == (AFTER if name == "after" else BEFORE)
            assert circle.get("fill") == (AFTER if name == "after" else "transparent"), "hollow before, filled after"


def test_every_share_stands_beside_its_mark_with_its_ratio() -> None:
    for at, row in enumerate(rows(EVEN)):
        said = texts(row, "number")
        for text, lean in zip(said, ARMS.values(), strict=True):
            group = lean.groups[at]
            assert (
                text.startswith(f"{100 * group.share.estimate:.0f} % (") and f"× {group.ratio.estimate:.2f} (" in text
            )


def test_searched_share_and_target_are_drawn_for_every_group_and_named() -> None:
    shares = replace(EVEN, arms={"before": lean_of((300, 700), (8, 92))})
    found = {
        colour: [along(e) * shares.end for e in drawn(shares).iter("line") if e.get("stroke") == colour]
        for colour in ("currentColor", TARGET)
    }
    assert found["currentColor"] == pytest.approx([0.3, 0.7], abs=1e-4)
    assert found[TARGET] == pytest.approx([0.5, 0.5], abs=1e-4)
    assert {"searched", "even shares"} <= set(texts(drawn(shares), "label"))
    same = replace(shares, target=[0.3, 0.7], target_name="the shares of the searched rows")
    named = texts(drawn(same), "label")
    assert "searched = target" in named and same.target_name not in named
    assert not [e for e in drawn(same).iter("line") if e.get("stroke") == TARGET]


def test_ticks_are_round_shares_inside_the_axis() -> None:
    many = Shares(list(map(str, range(50))), {"before": lean_of((10,) * 50, (1,) * 50)}, [0.02] * 50, "even shares")
    for shares in (EVEN, many):
        for drawn_for in (shares, replace(shares, phone=True)):
            ticks = [e for e in drawn(drawn_for).iter("text") if re.fullmatch(r"\d+%", e.text or "")]
            assert 3 <= len(ticks) <= shares_figure.MOST_TICKS + 1
            for tick in ticks:
                assert along(tick, "x") * shares.end == pytest.approx(int(tick.text[:-1]) / 100, abs=1e-4)
                assert along(tick, "x") <= 1.0


def test_a_row_is_a_button_that_tells_its_group_only_where_a_click_does_something() -> None:
    chosen = replace(EVEN, chosen="Male")
    female, male = rows(chosen, answers=True)
    assert [row.get("data-group") for row in (female, male)] == list(GROUPS)
    assert all(row.get("role") == "button" and row.get("tabindex") == "0" for row in (female, male))
    assert (female.get("aria-pressed"), male.get("aria-pressed")) == ("false", "true")
    assert [float(e.get("opacity", 1)) for e in female.iter("g") if e.get("class") == "mark"] == [0.3, 0.3]
    assert [float(e.get("opacity", 1)) for e in male.iter("g") if e.get("class") == "mark"] == [1.0, 1.0]
    told = female.get("data-told", "")
    assert "adjusted p" in told and "8 retrieved of 500 searched" in told and "target 50 %" in told
    assert not any(row.get("role") for row in rows(EVEN)) and drawn(EVEN).get("role") == "img"


def test_a_list_that_cannot_be_counted_has_its_reason_and_no_mark() -> None:
    none = replace(EVEN, arms={"before": lean_of((5, 5), (0, 0))})
    assert not [e for e in drawn(none).iter("circle") if e.get("r") == "5.5"]
    assert all(
        text.startswith("no retrieved row has a known group") for row in rows(none) for text in texts(row, "number")
    )


def test_on_a_phone_numbers_stand_over_and_under_their_marks_and_nothing_else_changes() -> None:
    phone = replace(EVEN, phone=True)
    assert phone.right < EVEN.right and phone.row > 2 * EVEN.row
    for wide, narrow in zip(rows(EVEN), rows(phone), strict=True):
        assert texts(wide, "number") == texts(narrow, "number")
        middle = float(narrow.find("rect").get("height")) / 2
        first, second = (e for e in narrow.iter("text") if e.get("class") == "number")
        marks = [float(e.get("cy")) for e in narrow.iter("circle")]
        assert float(first.get("y")) < marks[0] < middle < marks[1] < float(second.get("y"))
        assert first.get("text-anchor") == "end"
    long = replace(phone, groups=("Latino Hispanic women", "Male"))
    assert long.lines(long.groups[0]) == ["Latino", "Hispanic", "women"] and long.left < 120


def test_small_print_and_alternative_text_are_in_the_figure() -> None:
    figure = drawn(EVEN)
    assert figure.get("aria-label") == "in words" and texts(figure, "label")[-2:] == ["where", "it comes from"]
    last = [float(e.get("y")) for e in figure.iter("text")][-1]
    assert last < float(figure.get("height"))


def test_names_are_text_whatever_they_are() -> None:
    shares = replace(EVEN, groups=(HOSTILE, "Male"), target_name=HOSTILE)
    figure = ElementTree.fromstring(shares_figure.svg(shares, [HOSTILE], HOSTILE, True))
    assert {e.tag for e in figure.iter()} <= {"svg", "g", "rect", "line", "circle", "text"}
    assert rows(shares)[0].get("data-group") == HOSTILE and HOSTILE in texts(figure, "label")
