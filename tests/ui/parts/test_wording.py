"""Numbers as words: percentages are read right, sentences count what was retrieved, lean and distance stay apart."""

import ast
import inspect
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from core import verdicts
from core.config import Edit
from core.ranking.changes import list_change
from core.ranking.measures import list_numbers
from core.ranking.results import Part
from core.statistics import Estimate, share_estimate
from core.ui.parts import wording

CORE = Path(verdicts.__file__).resolve().parent
CHANCE = ("chance", "random", "luck", "significan", "distinguish", "blind", "no bias")
"""Words of a verdict about chance; none belongs into a sentence about a distance."""


@pytest.mark.parametrize(("share", "text"), [(0.5, "50 %"), (0.004, "0.4 %"), (0.996, "99.6 %"), (1.0, "100 %")])
def test_small_and_nearly_full_shares_keep_a_decimal(share: float, text: str) -> None:
    assert wording.percent(share) == text


def test_a_share_has_its_interval_and_count() -> None:
    assert wording.share_text(share_estimate(90, 98)) == "92 % (85 to 96) of 98"
    assert wording.share_text(Estimate.missing("no row")) == "no row"


def test_the_count_names_what_was_asked_and_who_is_known() -> None:
    said = wording.counted("a photo of a doctor", 100, "Male", 92, 100, "pictures")
    assert said == "Of the 100 pictures nearest to “a photo of a doctor”, **92 are Male**"
    said = wording.counted("a photo of a doctor", 100, "Male", 90, 98, "pictures")
    assert said.startswith("Of the 98 with a known label among the 100 pictures nearest")


def test_names_are_listed_and_many_neurons_are_counted() -> None:
    assert wording.listing([3]) == "3"
    assert wording.listing([3, 17]) == "3 and 17"
    assert wording.listing([1, 2, 3, 4], 2) == "1, 2 and 2 more"
    assert wording.switched_words(Edit((3, 17), strength=0.5), "image") == "image neurons 3 and 17 turned down by 50 %"
    assert wording.switched_words(Edit(tuple(range(12))), "image") == "12 image neurons off"
    own = Edit((3,), strengths=(0.5,), gammas=(0.1,))
    assert wording.switched_words(own, "image") == "image neuron 3 moved towards their means"


def test_a_neuron_that_is_set_to_a_level_is_not_called_off() -> None:
    assert wording.switched_words(Edit((3,), gamma=-0.5), "text") == "text neuron 3 held at −0.5"
    assert wording.switched_words(Edit((3,), 0.25, 2.0), "text") == "text neuron 3 moved by 25 % of the way to 2"
    assert wording.switched_words(Edit((3,), 0.5, 2.0, strengths=(0.5,)), "text").endswith(
        "moved towards 2, at 50 % of their strengths"
    )


def test_minus_signs_are_minus_signs() -> None:
    assert wording.number(-0.5) == "−0.50"
    assert wording.signed(0.5) == "+0.50"
    assert wording.number(0.0123) == "0.012"
    assert wording.number(None) == "–"
    assert (wording.number(-0.0001), wording.signed(-0.0001), wording.signed(0.0001)) == ("0.000",) * 3
    assert wording.in_points(Estimate(-0.126, -0.2, 0.001)) == "−13 (−20 to 0)"


def test_a_ratio_without_an_upper_end_says_so() -> None:
    assert wording.ratio_text(Estimate(3.674, 3.119, 4.193)) == "3.67 (3.12 to 4.19)"
    assert wording.ratio_text(Estimate(10.21, 7.09, None)) == "10.2 (7.09 to any)"
    assert wording.ratio_text(Estimate(1.0)) == "1.00"


# -- lean, distance and effect ----------------------------------------------------------------------------------------


def part(searched: tuple[int, ...], target: tuple[float, ...]) -> Part:
    labels = np.repeat(np.arange(len(searched)), searched).astype(np.int16)
    groups = ("Female", "Male", "Other")[: len(searched)]
    return Part(np.arange(len(labels)), "d" * 8, groups, labels, searched, np.array(target))


def rows_of(given: Part, retrieved: tuple[int, ...], skip: int = 0) -> np.ndarray:
    """Rows with so many of each group, after the first `skip` of each."""
    starts = np.cumsum([0, *given.counts[:-1]])
    return np.concatenate([np.arange(n) + s + skip for s, n in zip(starts, retrieved, strict=True)])


def blocks(given: Part, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[dict, dict, dict]:
    tops = rows_of(given, before), rows_of(given, after)
    first, second = (list_numbers(given.labels[top], given, draws=20) for top in tops)
    change = list_change(first, second, tops, given, sum(before), draws=20)
    return first.to_json(), second.to_json(), change.to_json()


def said(before: tuple[int, ...], after: tuple[int, ...], searched: tuple[int, ...], target: object) -> str:
    even = tuple(1 / len(searched) for _ in searched)
    shares = tuple(n / sum(searched) for n in searched)
    given = part(searched, shares if target == "gallery" else even)
    arms = blocks(given, before, after)
    return wording.effect_said("image neuron 3 off", arms[2], arms[:2], target)


def test_the_commander_of_the_white_half_leans_and_is_above_even_shares() -> None:
    """1,000 women and 207 men searched, 37 and 63 retrieved: the ratio is the model's, the split adds up."""
    before, _, _ = blocks(part((1000, 207), (0.5, 0.5)), (37, 63), (37, 63))
    assert verdicts.list_line(before).startswith("Leans towards Male beyond chance: 3.67 times (3.12 to 4.19)")
    line = verdicts.away_line("Male", before["distance"]["Male"], "uniform")
    assert line.startswith("Male is 13 points above even shares (")
    assert line.endswith("): the gallery brings −33, the model adds +46.")
    own = blocks(part((1000, 207), (1000 / 1207, 207 / 1207)), (37, 63), (37, 63))[0]
    assert own["lean"] == before["lean"]
    line = verdicts.away_line("Male", own["distance"]["Male"], "gallery")
    assert line.startswith("Male is 46 points above the shares of the searched rows (") and "brings" not in line


def test_an_effect_is_told_by_its_direction() -> None:
    searched = (500, 500)
    assert "the lean falls" in said((90, 10), (65, 35), searched, "gallery")
    assert "the lean grows" in said((60, 40), (99, 1), searched, "gallery")
    assert "towards the target; the lean falls" in said((90, 10), (65, 35), searched, "uniform")
    past = said((100, 0), (27, 73), searched, "uniform")
    assert "From 100 % Female to 73 % Male: past the target: it overshoots; the lean turns round" in past
    assert "No change beyond chance" in said((50, 50), (51, 49), searched, "uniform")


def test_so_few_exchanged_rows_that_nothing_can_be_known_say_so() -> None:
    line = said((50, 50), (51, 49), (500, 500), "gallery")
    assert "1 exchanged row cannot show one, whatever they are" in line


def test_so_few_retrieved_rows_that_nothing_can_be_known_say_so() -> None:
    before, _, _ = blocks(part((500, 500), (0.5, 0.5)), (0, 2), (0, 2))
    assert verdicts.list_line(before) == (
        "No lean beyond chance (a list of 2 rows of known group cannot show one here, whoever they are)."
    )


def test_a_p_at_its_smallest_says_so() -> None:
    assert verdicts.p_text(0.04, 0.01) == "p = 0.04"
    assert verdicts.p_text(0.01, 0.01) == "p = 0.01, the smallest that could come out"
    assert verdicts.p_text(1e-9, 1e-9) == "p < 0.0001, the smallest that could come out"
    before, _, _ = blocks(part((1000, 100), (0.5, 0.5)), (0, 5), (0, 5))
    assert "the smallest that could come out" in wording.lean_p(before)


def test_ties_at_the_end_of_a_list_are_said() -> None:
    assert "12 rows tie at place 10: the order of the gallery decides" in verdicts.ties_line(12, 10)


@pytest.mark.parametrize("seed", range(40))
def test_the_printed_parts_of_a_distance_add_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = np.round(rng.uniform(-0.5, 0.5, 2), 3)
    whole, one, other = (
        float(text.replace("−", "-")) for text in verdicts.added_up(first + second, float(first), float(second))
    )
    assert one + other == pytest.approx(whole, abs=1e-9)


@pytest.mark.parametrize("shown", [7, 10, 30, 97])
def test_the_parts_of_a_distance_add_up_in_a_report(shown: int) -> None:
    for count in range(shown + 1):
        difference, composition = count / shown - 0.5, 30 / 177 - 0.5
        away = {"difference": {"estimate": difference}, "composition": composition, "model": difference - composition}
        said = verdicts.distance_parts(away)
        size = {"above": 1, "below": -1, "away from": 0}[said["side"]] * float(said["difference"].split()[0])
        one, other = (float(said[part].replace("−", "-")) for part in ("composition", "model"))
        assert one + other == pytest.approx(size, abs=1e-9), said
    assert verdicts.distance_parts({"difference": {"estimate": 0.0}, "composition": -0.2, "model": 0.2}) == {
        "difference": "0.0 points", "side": "away from", "composition": "−20.0", "model": "+20.0"
    }  # fmt: skip


# -- no sentence mixes the two questions ------------------------------------------------------------------------------

SHARES = ((37, 63, 0), (0, 100, 0), (34, 33, 33), (1, 1, 0), (83, 17, 0))


def distances() -> list[str]:
    told = []
    for retrieved, target in product(SHARES, ("uniform", "gallery", {"Female": 0.2, "Male": 0.3, "Other": 0.5})):
        before, _, _ = blocks(part((500, 400, 300), (0.2, 0.3, 0.5)), retrieved, retrieved)
        told += [verdicts.away_line(group, away, target) for group, away in before["distance"].items()]
        told += [verdicts.away_words(away, target) for away in before["distance"].values()]
    missing = {"difference": {"estimate": None, "reason": "nobody known"}, "composition": None, "model": None}
    return [*told, verdicts.away_line("Male", missing, "uniform"), verdicts.away_words(missing, "gallery")]


def test_no_distance_has_a_word_of_chance() -> None:
    told = distances()
    assert len(told) > 60
    for line in told:
        assert not [word for word in CHANCE if word in line.lower()], line
    for words in (verdicts.TARGET_NAMES, {t: w for t, w in verdicts.TARGET_CHANGE_WORDS.items() if "chance" not in t}):
        assert not [word for word in CHANCE if word in str(words.values()).lower()]


def test_every_sentence_about_a_lean_is_the_same_for_every_target() -> None:
    for retrieved in SHARES:
        told = {
            verdicts.list_line(blocks(part((500, 400, 300), target), retrieved, retrieved)[0])
            for target in ((1 / 3, 1 / 3, 1 / 3), (5 / 12, 4 / 12, 3 / 12), (0.9, 0.05, 0.05))
        }
        assert len(told) == 1


SENTENCES = [
    *(CORE / "verdicts.py", CORE / "cli" / "rank_verb.py"),
    *sorted((CORE / "ui").rglob("*.py")),
    *sorted((CORE / "report" / "sentences").glob("*.py")),
]
OF_A_BAND = {"null_side", "distinguishable", "READINGS"}


def strings(path: Path) -> list[str]:
    """Every text of a module that is no docstring; the texts between the braces of an f-string joined by {}."""
    tree, found = ast.parse(path.read_text()), []
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(value) for value in node.values}
            found.append("{}".join(v.value for v in node.values if isinstance(v, ast.Constant)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (docs | inside):
            found.append(node.value)
    return found


@pytest.mark.parametrize("path", SENTENCES, ids=lambda path: path.name)
def test_no_verdict_is_made_of_a_null_band(path: Path) -> None:
    """What a metric's band says is context: no page reads its side, and none says that a list shows no bias."""
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not names & OF_A_BAND
    for text in strings(path):
        assert not [word for word in (*OF_A_BAND, "no bias", "unbiased", "by chance alone") if word in text], text


@pytest.mark.parametrize("path", SENTENCES, ids=lambda path: path.name)
def test_no_text_joins_a_distance_with_chance(path: Path) -> None:
    for text in strings(path):
        far = any(word in text.lower() for word in ("distance to", "from the target", "above even", "points above"))
        assert not (far and "chance" in text.lower()), text


def test_the_table_of_words_is_the_only_one() -> None:
    """A module that says "beyond chance" takes the words from the table, but for the titles of figures and legends."""
    own = inspect.getsource(wording)
    assert "beyond chance" not in own and "overshoot" not in own


def gap(a: float, b: float, after_a: float, after_b: float) -> str:
    arms = {"before": {"a": a, "b": b}, "after": {"a": after_a, "b": after_b}}
    return wording.gap_said({arm: {g: Estimate(p, p, p, 9) for g, p in shares.items()} for arm, shares in arms.items()})


@pytest.mark.parametrize(
    ("p", "said"),
    [
        ((0.8, 0.2, 0.79, 0.21), "60 to 58 points: hardly any answer moves"),
        ((0.8, 0.2, 0.8, 0.75), "60 to 5 points: after it, answers about b are nearly those about a"),
        ((0.2, 0.8, 0.22, 0.25), "60 to 3 points: after it, answers about b are nearly those about a"),
        ((0.8, 0.2, 0.6, 0.5), "60 to 10 points: both groups' answers move towards each other"),
        ((0.8, 0.2, 0.9, 0.1), "60 to 80 points: it does not shrink"),
        ((0.6, 0.4, 0.9, 0.7), "20 to 20 points: it does not shrink"),
        ((0.8, 0.2, 0.3, 0.7), "60 to 40 points: its sign turns"),
        ((0.8, 0.2, 0.8, 0.4), "60 to 40 points."),
        ((0.8, 0.2, 0.9, 0.5), "60 to 40 points."),
    ],
)
def test_what_an_edit_did_to_a_gap_is_said_as_it_is(p: tuple[float, float, float, float], said: str) -> None:
    assert said in gap(*p)
