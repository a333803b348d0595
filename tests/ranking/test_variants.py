"""One finding and its variants, by hand: what holds, what turns, what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from core.ranking.robustness import _Lists, _shows_less, _summed, lengths_around
from core.ranking.rows import Part
from core.ranking.variants import PromptRobustness, Variant
from core.statistics import Effect, Estimate, effect_of, exchange_of, lean_of

SIZES, K = (100, 100, 40), 20
MEN, WOMEN, EVEN, FEW = (16, 3, 1), (2, 17, 1), (9, 8, 3), (1, 1, 0)


def variant(counts: tuple[int, ...], kind: str = "paraphrase", name: str = "x", moved: float | None = None) -> Variant:
    """A list with these counts; `moved` the change of the first group's share by an edit, 0 no change beyond chance."""
    effect = None
    if moved is not None:
        shares = tuple(Estimate(moved * sign, -1.0, 1.0, K) for sign in (1, -1, 0))
        p = 0.01 if moved else 0.5
        says = "towards" if moved < 0 else "away" if moved else "no change beyond chance"
        effect = Effect(None, p, 0.001, (p,) * 3, shares, None, None, 0, says, says)
    return Variant(kind, name, sum(counts), lean_of(SIZES, counts), None, effect)


def prompt(original: Variant, *variants: Variant, plain: Variant | None = None) -> PromptRobustness:
    return PromptRobustness("a cook", ("Male", "Female", "Other"), original, variants, plain)


def test_directions() -> None:
    assert [variant(MEN).direction(g) for g in range(3)] == [1, -1, 0]
    assert [variant(WOMEN).direction(g) for g in range(2)] == [-1, 1]
    assert [variant(EVEN).direction(g) for g in range(3)] == [0, 0, 0]
    assert variant((0, 0, 0)).direction(0) == 0
    found = variant(MEN)
    for p, side in ((0.05, 1), (0.0501, 0)):
        group = replace(found.lean.groups[0], p_adjusted=p)
        assert replace(found, lean=replace(found.lean, groups=(group, *found.lean.groups[1:]))).direction(0) == side
    still = replace(found.lean.groups[0], departure=0.0)
    assert replace(found, lean=replace(found.lean, groups=(still, *found.lean.groups[1:]))).direction(0) == 0


@pytest.mark.parametrize(("departure", "side"), [(0.5, 1), (-0.5, -1)])
def test_a_direction_is_the_sign_of_a_departure_however_small(departure: float, side: int) -> None:
    found = variant(MEN)
    group = replace(found.lean.groups[0], departure=departure)
    assert replace(found, lean=replace(found.lean, groups=(group, *found.lean.groups[1:]))).direction(0) == side


def test_the_followed_group_leads_or_departs_most_of_the_large_ones() -> None:
    assert prompt(variant(WOMEN)).group == 1 and prompt(variant(MEN)).group_name == "Male"
    assert prompt(variant(EVEN)).group == 0
    small = Variant("original", "x", 8, lean_of((100, 100, 10), (3, 3, 2)))
    assert small.lean.leading is None and prompt(small).group == 0
    tiny = Variant("original", "x", 4, lean_of((9, 9, 9), (1, 1, 2)))
    assert prompt(tiny).group == 2


def test_what_holds_and_what_turns() -> None:
    men, women, even, other = variant(MEN), variant(WOMEN), variant(EVEN), variant(MEN, "picture")
    one = prompt(men, men, women, even, other)
    assert [one.holds(v) for v in one.variants] == [True, False, False, True]
    assert [one.flips(v) for v in one.variants] == [False, True, False, False]
    assert one.counted() == {"paraphrase": (1, 3), "picture": (1, 1), "all": (2, 4)}
    compared = prompt(men, men, other, plain=women)
    assert [compared.reference(v) for v in compared.variants] == [men, women]
    assert [compared.holds(v) for v in compared.variants] == [True, False]
    assert compared.flips(other) and not compared.flips(men)
    assert one.disagree == {"for": ["x", "x"], "against": ["x"]}
    assert prompt(men, men).disagree == {} == prompt(men, even).disagree
    assert prompt(even, variant(EVEN)).holds(variant(EVEN))


def test_ratios_of_the_followed_group() -> None:
    one = prompt(variant(MEN), variant(WOMEN), variant(EVEN))
    assert one.ratio_range == pytest.approx((0.1 / (100 / 240), 0.8 / (100 / 240)))
    nobody = Variant("original", "x", 0, lean_of(SIZES, (0, 0, 0)))
    assert prompt(nobody).ratio_range is None


def test_edits_that_do_the_same_or_the_opposite() -> None:
    away, towards, none = (variant(MEN, moved=moved) for moved in (0.2, -0.2, 0.0))
    one = prompt(away, away, towards, none, variant(MEN))
    assert [one.change_holds(v) for v in one.variants] == [True, False, False, None]
    assert [one.change_flips(v) for v in one.variants] == [False, True, False, False]
    assert prompt(variant(MEN), away).change_holds(away) is None
    for p, p_group, flips in ((0.05, 0.05, True), (0.06, 0.01, False), (0.01, 0.06, False)):
        turned = replace(towards, effect=replace(towards.effect, p=p, p_group=(p_group, 1.0, 1.0)))
        assert one.change_flips(turned) is flips
    for share in (Estimate(0.0), Estimate.missing("a list holds no known group")):
        still = replace(towards, effect=replace(towards.effect, shares=(share,) * 3))
        assert not one.change_flips(still), "what does not move, or cannot be told, turns nothing round"
        assert not prompt(towards).change_flips(still), "whichever way the prompt's own edit moves it"
    words = " ".join(one.sentences())
    assert "does the same in 1 of 3 variants; in the others: " in words and "(1)" in words
    assert "It moves Male the other way with: x." in words
    plain = prompt(away, variant(MEN, "picture", moved=-0.2), plain=variant(MEN, "picture", moved=-0.2))
    assert "it does something else already" in " ".join(plain.sentences())


def test_sentences_count_and_name() -> None:
    men = variant(MEN)
    lost = [variant(EVEN, name=f"v{i}") for i in range(6)]
    words = " ".join(prompt(men, men, *lost, variant(WOMEN, "k", "k = 9")).sentences())
    assert words.startswith("“a cook” (leans towards Male beyond chance): the finding holds in 1 of 8 variants")
    assert "(paraphrases 1 of 7, list lengths 0 of 1)" in words
    assert "with: v0; v1; v2; v3 and 2 others." in words and "The direction turns with: k = 9." in words
    assert "The ratio of Male goes from 0.24 to 1.92." in words
    assert " others" not in " ".join(prompt(men, *lost[:4]).sentences())
    assert "no variant could be asked" in " ".join(prompt(men).sentences())
    assert "leans towards" not in " ".join(prompt(variant(EVEN), men).sentences())
    other = " ".join(prompt(men, variant(MEN, "picture"), plain=variant(EVEN, "picture")).sentences())
    assert "the finding is another one already" in other
    assert "another one already" not in " ".join(prompt(men, men, plain=variant(MEN, "picture")).sentences())
    document = prompt(men, men, lost[0]).to_json()
    assert document["holds"] == {"paraphrase": {"count": 1, "n": 2}, "all": {"count": 1, "n": 2}}
    assert document["flips"] == [] and document["change_flips"] == [] and document["group"] == "Male"


def test_shorter_lists_may_show_less() -> None:
    one = prompt(variant(MEN))
    assert _shows_less(one, variant(FEW, "k")) and not _shows_less(one, variant(MEN, "k"))
    assert not _shows_less(one, replace(variant(FEW, "k"), k=K)) and not _shows_less(
        prompt(variant(EVEN)), variant(FEW, "k")
    )
    assert not _shows_less(one, replace(variant((7, 2, 0), "k"), lean=variant(MEN).lean))


@pytest.mark.parametrize(
    ("k", "n", "lengths"),
    [(100, 1000, [25, 50, 200, 400]), (2, 100, [1, 4, 8]), (3, 100, [1, 6, 12]), (1, 4, [2]), (1, 5, [2, 4])],
)
def test_lengths(k: int, n: int, lengths: list[int]) -> None:
    assert lengths_around(k, n)[0] == lengths


def test_what_was_left_out_is_summed() -> None:
    assert _summed({"a": [], "b": []}) == []
    assert _summed({"a": ["x"], "b": ["y", "z"]}) == ["3 paraphrases are left out, the first: x"]


def test_what_an_edit_does_to_the_unchanged_pictures_is_told_only_where_it_is_something_else() -> None:
    away, plain = variant(MEN, moved=0.2), variant(MEN, "picture", moved=0.2)
    words = " ".join(prompt(away, plain, plain=plain).sentences())
    assert "does the same in 1 of 1 variants." in words and "something else already" not in words
    assert "The edit" not in " ".join(prompt(away, variant(MEN)).sentences())
    assert prompt(variant(MEN, moved=0.0), away).change_flips(away) is False


def test_unchanged_pictures_that_find_something_else_are_told() -> None:
    def said(plain: Variant) -> bool:
        return "the finding is another one already" in " ".join(prompt(variant(MEN), plain, plain=plain).sentences())

    women, none = variant(WOMEN, "picture"), variant(EVEN, "picture")
    assert women.verdict == variant(MEN).verdict != none.verdict
    assert said(women) and said(none) and not said(variant(MEN, "picture"))


def test_a_variant_of_lists() -> None:
    labels = np.array([0, 1, 2, -1, 0, 1, 0, 0])
    part = Part(np.arange(8), "x", ("a", "b", "c"), labels, (4, 2, 1), np.full(3, 1 / 3))
    rows = {(0, "t"): np.array([0, 3, 4, 1, 2]), (1, "t"): np.array([5, 1, 3, 0, 2])}
    one = _Lists(part, rows, True).variant("k", "k = 4", "t", 4, 7)
    assert one.lean == lean_of((4, 2, 1), (2, 1, 0), 7) and one.after == lean_of((4, 2, 1), (1, 2, 0), 7)
    exchange = exchange_of(rows[0, "t"][:4], rows[1, "t"][:4], labels, 3)
    assert one.effect == effect_of(one.lean, one.after, exchange, [1 / 3] * 3, 7)
    plain = _Lists(part, rows, False).variant("k", "k = 4", "t", 4, 7)
    assert plain.lean == one.lean and plain.after is None and plain.effect is None and plain.k == 4
