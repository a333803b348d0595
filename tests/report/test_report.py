"""What a reader gets: no number alone, every finding there or its removal recorded, one number redone by hand."""

import csv
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from scipy.optimize import brentq
from scipy.stats import hypergeom, nchypergeom_fisher

from core.cli import main
from core.report import licence_allows
from core.verdicts import LEAN_WORDS, TARGET_CHANGE_WORDS

SETTINGS = {"spec", "settings", "software", "texts", "edits", "saes", "gallery", "probe", "options"}
"""Parts of the document that say what was chosen, not what was found."""
BESIDE = {"p", "p_adjusted", "p_smallest", "p_group", "lean_p", "lean_p_smallest", "null", "null_mean", "target"}
"""Numbers that belong to an estimate beside them."""
COUNTED = {"base_share", "departure", "composition", "model", "impact", "worst_pair", "blind_draw", "share_bounds"}
"""What follows from counts, from the target, or from the searched rows alone: no sample, so no interval of its own."""
NO_TARGET = {"lean", "shares", "value", "ratio", "difference"}
"""Blocks whose estimates have no target, or share that of the block `distance` beside them."""


def document(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report" / "report.json").read_text())


def bare_numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths of floats that are no estimate with n, interval and, where it has one, target."""
    if isinstance(value, dict):
        if "estimate" in value:
            wanted = ["estimate", "lo", "hi", "n"] + ["target"] * (not NO_TARGET & set(path))
            if not (value["estimate"] is None and value["reason"]) and any(value.get(name) is None for name in wanted):
                yield " | ".join(path)
        for key, item in value.items():
            if not (len(path) == 0 and key in SETTINGS) and key not in {*BESIDE, *COUNTED, "estimate", "lo", "hi"}:
                yield from bare_numbers(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from bare_numbers(item, (*path, str(i)))
    elif isinstance(value, float) and "edits" not in path:
        yield " | ".join(path)


def test_no_number_in_the_document_without_n_interval_and_target(audited: Path) -> None:
    found = document(audited)
    assert list(bare_numbers(found)) == []
    own = found["attributes"][0]["prompts"][0]["before"]
    for block, name in (("shares", "n"), ("shares", "lo"), ("lean", "hi"), ("distance", "n"), ("max_skew", "target")):
        broken = json.loads(json.dumps(own))
        inner = broken[block].get("Male", broken[block])
        del {"lean": inner.get("ratio"), "distance": inner.get("difference")}.get(block, inner)[name]
        assert list(bare_numbers(broken)), f"{block} without {name} passes"
    assert own["shares"]["Male"]["lo"] <= own["shares"]["Male"]["estimate"] <= own["shares"]["Male"]["hi"]


VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Texts of a page with the classes around them, and every estimate's attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.around: list[tuple[str, str]] = []
        self.texts: list[tuple[str, set[str]]] = []
        self.estimates: list[tuple[dict[str, str], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.around.append((tag, given.get("class") or ""))
        if "est" in (given.get("class") or "").split():
            self.estimates.append((given, ""))

    def handle_endtag(self, tag: str) -> None:
        while self.around and self.around.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        classes = {name for tag, own in self.around for name in (*own.split(), f"<{tag}>")}
        self.texts.append((data, classes))
        if "est" in classes:
            self.estimates[-1] = (self.estimates[-1][0], data)


def test_no_number_in_the_page_without_n_interval_and_target(audited: Path) -> None:
    page = Page((audited / "report" / "report.html").read_text())
    assert len(page.estimates) > 100
    for given, _ in page.estimates:
        assert all(given.get(f"data-{name}") for name in ("estimate", "lo", "hi", "n", "target")), given
    allowed = {"est", "setting", "settings", "formulas", "mono", "tick", "<style>", "<title>"}
    for text, classes in page.texts:
        said = re.sub(r"p [=<] \d\.\d+|z = [+−]\d+\.\d", "", text)
        if re.search(r"\d\.\d", said) and not classes & allowed:
            pytest.fail(f"a number stands alone in the page: {text!r}")


def test_every_line_of_the_table_is_whole(audited: Path) -> None:
    with (audited / "report" / "findings.csv").open() as file:
        lines = list(csv.DictReader(file))
    arms = {"before", "after", "difference", "original", "edited", "random neurons"}
    assert arms <= {line["arm"] for line in lines}
    names = {"share", "ratio", "points", "difference", "composition", "model", "selection_rate", "impact_ratio"}
    assert names | {"lean", "effect", "max_skew"} <= {line["metric"] for line in lines}
    for line in lines:
        if line["metric"] == "impact_ratio" and line["estimate"]:
            # the benchmark's own ratio is 1 by definition, and a ratio may have no upper end
            assert line["note"] or line["hi"]
            continue
        whole = all(line[name] != "" for name in ("estimate", "lo", "hi", "n", "target", "method"))
        assert whole or line["reason"], line


def test_nothing_in_the_page_leads_outside(audited: Path) -> None:
    text = (audited / "report" / "report.html").read_text()
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", text)
    assert "<script" not in text and "@import" not in text


def test_numbers_can_be_redone_by_hand_from_the_page_alone(audited: Path) -> None:
    """Share, ratio, p and the ends of the interval, from the printed counts and scipy alone."""
    text = re.sub(r"<[^>]+>", "", (audited / "report" / "report.html").read_text())
    found = re.search(r"gender, “a photo of a pilot”, original: ([^.]+)\. In order", text)
    counts = {name.strip(): int(n) for name, n in re.findall(r"([\w ]+?) (\d+) times", found.group(1))}
    k, male = counts["Male"] + counts.get("Female", 0), counts["Male"]
    sizes = {g: n["n"] for g, n in document(audited)["attributes"][0]["part"]["groups"].items()}
    total = sum(sizes.values())
    base = sizes["Male"] / total

    def odds(tail: Callable[[Any], float]) -> float:
        def far(w: float) -> float:
            return tail(nchypergeom_fisher(total, sizes["Male"], k, math.exp(w))) - 0.025

        return math.exp(brentq(far, -12, 12))

    ends = [odds(lambda d: d.sf(male - 1))] + ([odds(lambda d: d.cdf(male))] if male < k else [])
    shares = [nchypergeom_fisher(total, sizes["Male"], k, w).mean() / k for w in ends] + [1.0] * (male == k)
    written = " to ".join(f"{share / base:.2f}" for share in shares)
    assert f"Leans towards Male beyond chance: {male / k / base:.2f} times ({written}, n = {k})" in text
    p = min(1.0, 2 * hypergeom(total, sizes["Male"], k).sf(male - 1))
    assert document(audited)["attributes"][0]["prompts"][0]["before"]["lean_p"] == pytest.approx(p, rel=1e-6)
    assert f"{math.log(male / k / 0.5):.3f} (" in text


def test_every_finding_is_asked_and_answered(audited: Path) -> None:
    found = document(audited)
    # 2 attributes: lean and effect of 3 pre-registered prompts and of their mean, and of 1 exploratory prompt
    assert [sum(f["kind"] == kind for f in found["findings"]) for kind in ("headline", "exploratory")] == [16, 4]
    assert {f["m"] for f in found["findings"] if f["kind"] == "headline"} == {16}
    for finding in found["findings"]:
        words = LEAN_WORDS if finding["about"] == "lean" else TARGET_CHANGE_WORDS
        assert finding["verdict"] in words
        assert finding["group"] is None or finding["p_adjusted"] <= 0.05
    pilot = next(f for f in found["findings"] if f["id"] == "gender | a photo of a pilot | lean")
    assert (pilot["verdict"], pilot["group"]) == ("beyond chance", "Male")


def test_a_distance_never_speaks_of_chance(audited: Path) -> None:
    said = re.findall(r"<p>Distance, .*?</p>", (audited / "report" / "report.html").read_text())
    said = [re.sub(r"<[^>]+>", "", line) for line in said]
    assert len(said) == 8 and not any("chance" in line or "p =" in line for line in said)
    assert all("the gallery brings" in line and "the model adds" in line for line in said)


def test_a_removed_finding_is_recorded(audited: Path, capsys: pytest.CaptureFixture) -> None:
    name, out = "gender | a photo of a nurse | lean", audited / "removed"
    shutil.rmtree(out, ignore_errors=True)
    spec = str(audited / "spec.json")
    assert main(["audit", spec, "--out", str(out), "--remove", f"{name}=a typing mistake in the prompt"]) == 0
    text = (out / "report.html").read_text()
    assert f"{name}. Reason given: a typing mistake in the prompt" in text and name in (out / "card.md").read_text()
    whole = json.loads((out / "report.json").read_text())
    assert any(f["id"] == name and f["p"] is not None for f in whole["findings"])
    assert main(["verify", str(out)]) == 0
    capsys.readouterr()
    assert main(["audit", spec, "--out", str(audited / "no"), "--remove", "nothing=why"]) == 2
    assert "'nothing' is not in this audit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("CC0 1.0: drawn", True),
        ("CC BY 4.0", True),
        ("CC BY-SA 4.0", True),
        ("CC BY-NC 4.0", False),
        ("CC BY-NC-ND", False),
        ("CC BY-ND 4.0", False),
        ("all rights reserved", False),
        (None, False),
        ("", False),
    ],
)
def test_pictures_need_a_licence_that_allows_it(licence: str | None, allowed: bool) -> None:
    assert licence_allows(licence) is allowed
