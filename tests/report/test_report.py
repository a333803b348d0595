"""What a reader gets: no number alone, every finding there or its removal recorded, one number redone by hand."""

import csv
import json
import math
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.report import licence_allows

SETTINGS = {"spec", "settings", "software", "texts", "edits", "saes", "gallery", "probe", "options"}
"""Parts of the document that say what was chosen, not what was found."""
BESIDE = {"p", "p_adjusted", "null", "null_mean", "target"}
"""Numbers that belong to an estimate beside them."""


def document(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report" / "report.json").read_text())


def bare_numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Paths of floats that are no estimate with n, interval and target."""
    if isinstance(value, dict):
        if "estimate" in value:
            whole = value["estimate"] is None and value["reason"]
            whole = whole or all(value.get(name) is not None for name in ("estimate", "lo", "hi", "n", "target"))
            if not whole:
                yield " | ".join(path)
        for key, item in value.items():
            if not (len(path) == 0 and key in SETTINGS) and key not in BESIDE and key not in ("estimate", "lo", "hi"):
                yield from bare_numbers(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from bare_numbers(item, (*path, str(i)))
    elif isinstance(value, float) and "edits" not in path:
        yield " | ".join(path)


def test_no_number_in_the_document_without_n_interval_and_target(audited: Path) -> None:
    found = document(audited)
    assert list(bare_numbers(found)) == []
    estimate = found["attributes"][0]["prompts"][0]["shares"]["Male"]["original"]
    for name in ("n", "lo", "target"):
        broken = json.loads(json.dumps(found))
        del broken["attributes"][0]["prompts"][0]["shares"]["Male"]["original"][name]
        assert list(bare_numbers(broken)), f"a share without {name} passes"
    assert estimate["lo"] <= estimate["estimate"] <= estimate["hi"]


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
        said = re.sub(r"p [=<] \d\.\d+", "", text)
        if re.search(r"\d\.\d", said) and not classes & allowed:
            pytest.fail(f"a number stands alone in the page: {text!r}")


def test_every_line_of_the_table_is_whole(audited: Path) -> None:
    with (audited / "report" / "findings.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {"original", "edited", "difference", "random neurons"} <= {line["arm"] for line in lines}
    for line in lines:
        whole = all(line[name] != "" for name in ("estimate", "lo", "hi", "n", "target", "method"))
        assert whole or line["reason"], line


def test_nothing_in_the_page_leads_outside(audited: Path) -> None:
    text = (audited / "report" / "report.html").read_text()
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", text)
    assert "<script" not in text and "@import" not in text


def test_one_number_can_be_redone_by_hand_from_the_page_alone(audited: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (audited / "report" / "report.html").read_text())
    found = re.search(r"gender, “a photo of a pilot”, original: ([^.]+)\. In order", text)
    counts = {name: int(n) for name, n in re.findall(r"([\w ]+?) (\d+) times", found.group(1))}
    known = {name.strip(): n for name, n in counts.items() if name.strip() != "unknown"}
    n, leading = sum(known.values()), max(known, key=known.__getitem__)
    p, z = known[leading] / n, 1.959964
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    lo, hi = ((p + z * z / (2 * n) + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    assert f"{100 * p:.1f} % ({100 * lo:.1f} to {min(100 * hi, 100):.1f} %, n = {n}) are {leading}" in text
    assert f"MaxSkew is {math.log(p / 0.5):.3f}" in text


def test_every_finding_is_asked_and_answered(audited: Path) -> None:
    found = document(audited)
    # 2 attributes: bias and effect of 3 pre-registered prompts and of their mean, and of 1 exploratory prompt
    assert [sum(f["kind"] == kind for f in found["findings"]) for kind in ("headline", "exploratory")] == [16, 4]
    assert {f["m"] for f in found["findings"] if f["kind"] == "headline"} == {16}
    verdicts = {f["verdict"] for f in found["findings"]}
    assert verdicts <= {"beyond chance", "not distinguishable", "less", "more", "none"}
    pilot = next(f for f in found["findings"] if f["id"] == "gender | a photo of a pilot | bias")
    assert (pilot["verdict"], pilot["group"]) == ("beyond chance", "Male")


def test_a_removed_finding_is_recorded(audited: Path, capsys: pytest.CaptureFixture) -> None:
    name, out = "gender | a photo of a nurse | bias", audited / "removed"
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
