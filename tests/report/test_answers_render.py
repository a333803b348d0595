"""A report of answers says of a gap what became of it, and shows what people have typed as text."""

from typing import Any

import pytest

from core.report import answers_render

Pair = tuple[float, float]


def arm(*pairs: Pair, groups: tuple[str, ...] = ("F", "M")) -> dict[str, Any]:
    """P of the first answer by word and group, and the mean gap."""
    words = {
        f"word {i}": {"groups": {group: {"estimate": p} for group, p in zip(groups, pair, strict=True)}}
        for i, pair in enumerate(pairs)
    }
    gap = sum(abs(b - a) for a, b in pairs) / len(pairs)
    return {"words": words, "gap": {"estimate": gap, "lo": gap, "hi": gap, "n": 9, "blind": 0.02}}


def one(before: dict[str, Any], after: dict[str, Any], groups: tuple[str, ...] = ("F", "M")) -> dict[str, Any]:
    return {"groups": dict.fromkeys(groups, 9), "arms": {"original": before, "edit": after}}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([(0.2, 0.8), (0.1, 0.7)], [(0.2, 0.25), (0.1, 0.15)], "answers about M are nearly those about F"),
        ([(0.2, 0.8), (0.1, 0.7)], [(0.2, 0.7), (0.1, 0.6)], ""),
        ([(0.2, 0.8), (0.1, 0.7)], [(0.2, 0.9), (0.1, 0.8)], "it does not shrink"),
        ([(0.2, 0.8), (0.7, 0.1)], [(0.4, 0.6), (0.5, 0.3)], "both groups' answers move towards each other"),
        ([(0.2, 0.8), (0.7, 0.1)], [(0.7, 0.4), (0.3, 0.6)], "its sign turns"),
        ([(0.2, 0.8)], [(0.21, 0.8)], "hardly any answer moves"),
    ],
)
def test_a_gap_is_called_gone_where_it_is(before: list[Pair], after: list[Pair], said: str) -> None:
    found = answers_render.towards(one(arm(*before), arm(*after)), "edit")
    assert said in found if said else found == ""


def test_names_are_text_and_a_larger_gap_is_more() -> None:
    groups = ("<i>F</i>", "M")
    before, after = arm((0.2, 0.6), groups=groups), arm((0.2, 0.8), groups=groups)
    share = {"estimate": 0.9, "lo": 0.8, "hi": 1.0, "n": 9}
    document = {
        "spec": {"attributes": ["<b>gender</b>"]},
        "items": ["a"] * 9,
        "findings": [],
        "titles": {},
        "attributes": {"<b>gender</b>": one(before, after, groups)},
        "summary": {
            "gap": {"original": before["gap"], "edit": after["gap"]},
            "ability": dict.fromkeys(("original", "edit"), share),
        },
        "evidence": {
            "words": ["w"], "answers": ["<u>yes</u>"], "absent": {"held": "<s>no</s>"}, "arms": ["original", "edit"],
        },
    }  # fmt: skip
    said = " ".join(answers_render.summary(document))
    assert "&lt;b&gt;gender&lt;/b&gt;" in said and "&lt;u&gt;yes" in said and "&lt;s&gt;no" in said
    assert not any(tag in said for tag in ("<b>", "<i>", "<u>", "<s>")) and '<span class="est"' in said
    assert "50 % more" in said and "less" not in said
