"""Page, table, card and document say the same; every clause leads to a section; the published schema holds."""

import csv
import json
import math
import re
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml

from core.audit.stated import BLOCKS
from core.cli import main
from core.config import ASSETS
from core.report import canonical, front_matter
from core.report.crosswalk import PARTS, TABLE, crosswalk
from core.report.render import html
from core.report.sections import SECTIONS
from core.store import read_json

STRANGE = {"prompt": "x", "words": ["x"], "interpreted": True, "reason": None}
SCHEMA = ASSETS / "report" / "report.schema.json"
STATED = {
    "purpose": {"provider": "Example Ltd.", "reviewers": ["A. Reader", "B. Reader"], "residual_risk": "some | is left"},
    "data_sheet": {"collected_by": "Example Ltd.", "special_necessity": "groups cannot be counted otherwise"},
}


@pytest.fixture(scope="module")
def several(audited: Path) -> Path:
    """A report with several methods, a part of the gallery, everything stated, a frozen spec."""
    out = audited / "several"
    if not out.is_dir():
        spec = json.loads((audited / "spec.json").read_text()) | STATED
        spec |= {"attributes": ["gender"], "where": {"age": "young"}, "methods": ["neuron-edit", "mean-difference"]}
        (audited / "several.json").write_text(json.dumps(spec))
        assert main(["audit", f"{audited}/several.json", "--freeze"]) == 0
        assert main(["audit", f"{audited}/several.json", "--out", str(out)]) == 0
    return out


def document(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def other(found: dict[str, Any]) -> dict[str, Any]:
    """The numbers of the second method."""
    return found["methods"][0]["attributes"][0]


def test_the_report_of_several_methods_is_verified(several: Path) -> None:
    assert main(["verify", str(several)]) == 0
    found = document(several)
    assert [one["method"] for one in found["methods"]] == ["mean-difference"]
    effects = [f for f in found["findings"] if f["about"] == "effect"]
    assert {f["method"] for f in effects} == {"neuron-edit", "mean-difference"}
    # a lean, two effects, of three pre-registered prompts and their mean
    assert {f["m"] for f in found["findings"] if f["kind"] == "headline"} == {12}


@pytest.mark.parametrize(
    ("alter", "where"),
    [
        (lambda d: other(d)["prompts"][0]["after"]["shares"]["Male"].update(estimate=0.1), "Male"),
        (lambda d: other(d)["leakage"]["after"].update(estimate=0.5), "leakage"),
        (lambda d: d["findings"][-1].update(p=0.5), "findings"),
        (lambda d: d["crosswalk"][0].update(status="answered"), "crosswalk"),
        (lambda d: d["stated"]["purpose"][0].update(said=["Somebody else"]), "stated"),
        (lambda d: d["treatment"].update(title="Magic"), "treatment"),
        (lambda d: d["unknown_words"].append(STRANGE), "unknown_words"),
    ],
)  # fmt: skip
def test_a_change_of_what_is_new_is_found(several: Path, tmp_path: Path, alter: Any, where: str) -> None:
    import shutil

    from core.gallery import open_gallery
    from core.report import canonical, rendered, sealed
    from core.store import file_digest
    from core.verify import verify

    report = tmp_path / "report"
    shutil.copytree(several, report)
    changed = document(report)
    alter(changed)
    (report / "report.json").write_text(canonical(changed))
    for name, text in rendered(changed, open_gallery(f"{several.parent}/gallery")).items():
        (report / name).write_text(text)
    manifest = json.loads((report / "manifest.json").read_text())
    manifest["files"] = {name: file_digest(report / name) for name in manifest["files"]}
    (report / "manifest.json").write_text(canonical(sealed(manifest)))
    lines = verify(report).differences
    assert any(where in line for line in lines), lines


def test_the_title_holds_the_filter_and_the_page_when_the_spec_was_frozen(several: Path) -> None:
    page = (several / "report.html").read_text()
    assert "<h1>A test (only age = young)</h1>" in page and "<title>A test (only age = young)</title>" in page
    assert "The spec was frozen at 20" in page
    assert "## Bias audit: A test (only age = young)" in (several / "card.md").read_text()


def test_the_published_schema_holds_for_every_report(audited: Path, several: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for folder in (audited / "report", several):
        assert [error.message for error in validator.iter_errors(document(folder))] == []


@pytest.mark.parametrize(
    "alter",
    [
        lambda d: d.pop("findings"),
        lambda d: d.update(more=1),
        lambda d: d["findings"][0].update(p=1.5),
        lambda d: d["findings"][0].update(verdict="fair"),
        lambda d: d["attributes"][0]["prompts"][0]["before"]["shares"]["Male"].pop("n"),
        lambda d: d["options"].pop("frozen"),
        lambda d: d["crosswalk"][0].update(status="certified"),
    ],
)
def test_the_schema_can_fail(several: Path, alter: Any) -> None:
    changed = document(several)
    alter(changed)
    assert list(jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).iter_errors(changed))


def sections_of(page: str) -> dict[str, str]:
    """Name -> the words of every section of a page, in small letters, as a reader sees them."""
    body = re.sub(r"<style.*?</style>|<svg.*?</svg>", " ", page, flags=re.DOTALL)
    parts = re.findall(r'<(section|header)[^>]* id="(\w+)"[^>]*>(.*?)</\1>', body, flags=re.DOTALL)
    assert len(parts) == len(SECTIONS)
    plain = {name: unescape(re.sub(r"<[^>]+>", " ", inside)) for _, name, inside in parts}
    return {name: " ".join(text.lower().split()) for name, text in plain.items()}


@pytest.fixture(scope="module")
def unedited(audited: Path) -> Path:
    """A report in which nothing is edited, by nobody who says so."""
    out = audited / "unedited"
    if not out.is_dir():
        spec = json.loads((audited / "spec.json").read_text()) | {"attributes": ["gender"], "edit": None, "sae": None}
        (audited / "unedited.json").write_text(json.dumps(spec))
        assert main(["audit", f"{audited}/unedited.json", "--out", str(out)]) == 0
    return out


def test_every_clause_leads_to_sections_that_are_on_the_page(several: Path) -> None:
    page = (several / "report.html").read_text()
    ids = set(re.findall(r'<(?:section|header)[^>]* id="(\w+)"', page))
    assert ids == set(SECTIONS)
    keys = {f"{block}.{key}" for block, known in BLOCKS.items() for key in known}
    table = read_json(TABLE)
    listed = [row for source in table["sources"] for row in source["rows"]]
    for source in table["sources"]:
        for row in source["rows"]:
            assert set(row["needs"]) <= keys and set(row["sentences"]) <= set(table["sentences"]), row
            assert row["asks"] and row["answer"] and row.get("wording", source["wording"]) in table["wording"]
    assert {name for row in listed for name in row["sentences"]} == set(table["sentences"])
    assert {one["rests_on"] for one in table["sentences"].values() if "rests_on" in one} == set(PARTS)
    for leads in re.findall(r'href="#(\w+)"', page):
        assert leads in ids
    shown = document(several)["crosswalk"]
    assert len({(row["source"], row["clause"]) for row in shown}) == len(shown) == len(listed) > 70


def test_every_sentence_that_answers_a_clause_stands_in_its_section(
    audited: Path, several: Path, unedited: Path
) -> None:
    for folder in (audited / "report", several, unedited):
        said = sections_of((folder / "report.html").read_text())
        for row in document(folder)["crosswalk"]:
            for one in row["sentences"]:
                assert one["section"] in row["sections"]
                assert one["says"].lower() in said[one["section"]], (folder.name, row["clause"], one)
            silent = row["status"] in ("not covered", "not stated", "not measured")
            assert bool(row["sentences"]) != silent, row
            assert row["status"] != "not covered" or not row["sections"]


def test_what_was_not_measured_or_not_said_answers_no_clause(several: Path, unedited: Path) -> None:
    def of(folder: Path, clause: str) -> dict[str, Any]:
        return next(row for row in document(folder)["crosswalk"] if row["clause"] == clause)

    for clause in ("Art. 15(3)", "MEASURE 2.13"):
        row = of(unedited, clause)
        assert row["status"] == "not measured" and row["sentences"] == [] and row["missing"]
    assert of(several, "MEASURE 2.13")["status"] == "answered in part"
    auditor = of(unedited, "6 RCNY § 5-301(a)")
    assert (auditor["status"], auditor["missing"]) == ("not measured", ["auditor"])


def test_every_row_says_whether_its_wording_was_compared(several: Path) -> None:
    found = document(several)
    wordings = read_json(TABLE)["wording"].values()
    page, card = (several / "report.html").read_text(), (several / "card.md").read_text()
    with (several / "findings.csv").open() as file:
        lines = {line["metric"]: line["note"] for line in csv.DictReader(file) if line["kind"] == "clause"}
    for row in found["crosswalk"]:
        assert row["wording"] in wordings
        assert f"Wording {row['wording']}." in lines[f"{row['source']}, {row['clause']}"]
        if row["source"].startswith("ISO"):
            assert "not public" in row["wording"] and row["status"] not in ("answered", "stated")
    for wording in {row["wording"] for row in found["crosswalk"]}:
        assert f"Wording {wording}." in page and f"Wording {wording}." in card


def test_a_clause_is_answered_stated_or_not() -> None:
    def status(clause: str, purpose: dict, data_sheet: dict, held: tuple[str, ...] = tuple(PARTS)) -> str:
        rows = crosswalk({"purpose": purpose, "data_sheet": data_sheet}, held)
        return next(row["status"] for row in rows if row["clause"] == clause)

    assert status("Art. 13(3)(f)", {}, {}) == "not covered"
    assert status("Art. 13(3)(a)", {}, {}) == "not stated"
    assert status("Art. 13(3)(a)", {"provider": "x"}, {}) == "stated"
    assert status("MAP 2.2", {}, {}) == "answered in part"
    assert status("MAP 2.2", {"human_oversight": "x"}, {}) == "answered"
    assert status("MEASURE 2.11", {}, {}) == "answered"
    assert status("Annex IV, 5", {"residual_risk": "x"}, {}) == "answered in part"
    assert status("Art. 10(2)(f)", {"sources_of_bias": "x"}, {}) == "answered in part"
    assert status("6 RCNY § 5-301(b)", {}, {}) == "answered in part"
    assert status("MANAGE 1.4", {"residual_risk": "x"}, {}) == "answered"
    assert status("MANAGE 1.4", {"residual_risk": "x"}, {}, ()) == "answered in part"
    assert status("Art. 15(3)", {}, {}, ()) == "not measured"


def test_a_method_without_neurons_is_not_said_to_switch_any(several: Path) -> None:
    page = (several / "report.html").read_text()
    assert "No neuron is switched" not in page and "Switched:" in page
    assert "(effects of Chosen neurons; those of the other methods: section 7)" in page
    found = document(several)
    projected = {**found["methods"][0], "attributes": found["attributes"]}
    bare = [{**one, "edits": [{} for _ in one["edits"]]} for one in found["attributes"]]
    methods = [{**found["methods"][0], "attributes": bare}]
    said = html({**found, "attributes": bare, "methods": methods})
    assert "No neuron is switched. What the methods learn" in said and "Switched:" not in said
    assert "No neuron is switched" not in html({**found, "attributes": bare, "methods": [projected]})


def test_no_character_of_a_name_ends_a_line_of_the_front_matter() -> None:
    for sign in "\u2028\u2029\x7f\x80\x85\ufeff\U0001f600\u05d0\n":
        assert yaml.safe_load(f"name: {front_matter._said(f'a{sign}--- b')}") == {"name": f"a{sign}--- b"}


def metrics(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "card.md").read_text()
    assert text.startswith("---\n")
    front = yaml.safe_load(text.split("---\n")[1])
    (result,) = front["model-index"][0]["results"]
    assert {"task", "dataset", "metrics"} <= set(result) and {"type", "name"} <= set(result["task"])
    assert result["dataset"]["revision"] == document(folder)["gallery"]["digest"]
    return result["metrics"]


def test_findings_are_the_same_in_document_table_card_and_page(audited: Path, several: Path) -> None:
    for folder in (audited / "report", several):
        found = document(folder)["findings"]
        with (folder / "findings.csv").open() as file:
            lines = [line for line in csv.DictReader(file) if line["metric"] in ("lean", "effect")]
        listed = metrics(folder)
        assert len(found) == len(lines) == len(listed)
        page = (folder / "report.html").read_text()
        for finding, metric in zip(found, listed, strict=True):
            args, value = metric["args"], finding["value"]
            assert metric["value"] == value["estimate"] and args["p_adjusted"] == finding["p_adjusted"]
            assert (args["lo"], args["hi"], args["n"]) == (value["lo"], value["hi"], value["n"])
            prompt = finding["prompt"] or "all pre-registered prompts"
            own = [
                line
                for line in lines
                if (line["attribute"], line["prompt"], line["metric"])
                == (finding["attribute"], prompt, finding["about"])
                and finding["method"] in (None, line["intervention"])
            ]
            assert len(own) == 1 and float(own[0]["estimate"]) == value["estimate"]
            assert (own[0]["verdict"], float(own[0]["p_adj"])) == (finding["verdict"], finding["p_adjusted"])
            assert (finding["prompt"] or "mean over") in page


def test_what_was_stated_stands_in_all_of_them(several: Path) -> None:
    page, card, table = ((several / name).read_text() for name in ("report.html", "card.md", "findings.csv"))
    for text in ("Example Ltd.", "B. Reader", "groups cannot be counted otherwise"):
        assert text in page and text in card and text in table
    for clause in ("Art. 4a(1)", "MEASURE 2.11", "Local Law 144"):
        assert clause in page and clause in card and clause in table
    assert "not stated" in page and "not stated" in table and "not covered" in card


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"purpose": {"providr": "x"}}, "purpose has no providr; known: provider"),
        ({"purpose": ["x"]}, "expected an object with any of provider"),
        ({"data_sheet": {"consent": 3}}, "data_sheet, consent was 3; expected a text"),
        ({"methods": ["leace", "leace"]}, "names one twice"),
        ({"methods": "leace"}, "methods was 'leace'; expected a list"),
        ({"methods": ["leace"], "method": "sem-i"}, "methods begin with 'leace'"),
    ],
)
def test_a_wrong_block_of_a_spec_is_named(audited: Path, more: dict, said: str, capsys: pytest.CaptureFixture) -> None:
    spec = {"schema": 2, "gallery": f"{audited}/gallery", "attributes": ["gender"], "k": 5, "prompts": ["x"]}
    (audited / "wrong.json").write_text(json.dumps(spec | more))
    assert main(["audit", f"{audited}/wrong.json", "--out", f"{audited}/wrong"]) == 2
    assert said in capsys.readouterr().err


def test_empty_words_are_as_good_as_none() -> None:
    from core.audit.spec import AuditSpec

    spec = {"schema": 2, "gallery": "default", "attributes": ["gender"], "k": 10, "prompts": ["x"]}
    empty = AuditSpec.from_json(spec | {"purpose": {"provider": " "}, "data_sheet": {}, "methods": []})
    assert empty.digest == AuditSpec.from_json(spec).digest
    assert not {"purpose", "data_sheet", "methods"} & set(empty.to_json())


def test_a_document_is_written_as_json_writes_it_with_indents() -> None:
    document = {
        "text": 'a "b" \\ ü \u2028 \n',
        "numbers": [0, -3, 10**18, 0.1, 1e-300, 1e22, -0.0, True, False, None],
        "NumPy's": [np.float64(0.25)],
        "empty": [{}, [], "", ()],
        "deep": {"a": [[{"b": (1, {"c": []})}]]},
        7: "seven",
        None: 0.5,
    }
    assert canonical(document) == json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    for wrong, error in ((math.nan, ValueError), (math.inf, ValueError), (object(), TypeError)):
        with pytest.raises(error):
            canonical({"a": [wrong]})
