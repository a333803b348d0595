"""The page and the model-card section, rendered from the document alone."""

import base64
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from core.audit.stated import BLOCKS, SPECIAL_CATEGORIES
from core.metrics import headline_metrics
from core.report import charts, sentences, words
from core.report.costs import cost_rows, largest_loss
from core.report.crosswalk import PARTS
from core.report.front_matter import front_matter
from core.report.sections import SECTIONS, contents
from core.verdicts import DIFFERENT_PEOPLE, clustered, in_points, smallest, target_name
from core.writing import begun, literal

TEMPLATES = Path(__file__).resolve().parent / "templates"
NOT_IN_CSS = re.compile(r"[^A-Za-z0-9 ,.:-]")
"""Signs that could end a string of a style sheet; who writes the date and the digest is not known."""
IMPACT_COLUMNS = 3
"""Groups of an attribute whose impact ratios stand beside each other; more stand below each other."""
PICTURES = 12
"""Pictures shown of each arm's top k."""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "estimate": words.estimate,
        "blind": words.blind,
        "target": words.target_name,
        "p": words.p_text,
        "neurons": words.neurons,
        "percent": words.percent,
        "ratio": words.ratio,
        "signed": in_points,
        "css": lambda text: NOT_IN_CSS.sub("", text),
        "begun": lambda text: Markup(begun(text)),
        "title_first": lambda pair: (pair[0]["title"], pair[1]),
        "runs": lambda groups: [(group, len(list(run))) for group, run in groupby(groups)],
    }
    return made


@cache
def _markdown() -> Environment:
    """For files in Markdown: every text that a template shows is literal there."""
    return _environment().overlay(finalize=lambda shown: literal(shown) if type(shown) is str else shown)


def html(document: Mapping[str, Any], pictures: Mapping[str, bytes] | None = None) -> str:
    """One self-contained page: no request leaves it.

    Parameters
    ----------
    pictures : id of an item -> its JPEG; only where they are to be embedded.
    """
    embedded = {
        item: Markup(f"data:image/jpeg;base64,{base64.b64encode(data).decode()}")
        for item, data in (pictures or {}).items()
    }
    return _environment().get_template("report.html.j2").render(**_view(document), pictures=embedded)


def card(document: Mapping[str, Any]) -> str:
    """A section for a Hugging Face model card, in Markdown."""
    return _markdown().get_template("card.md.j2").render(**_view(document))


def shown_ids(document: Mapping[str, Any]) -> list[str]:
    """Items whose pictures the page shows where pictures are embedded."""
    prompts = (prompt for one in document["attributes"] for prompt in one["prompts"])
    tops = (prompt[arm] for prompt in prompts for arm, _ in words.arms_of(prompt))
    return list(dict.fromkeys(item for top in tops for item in top["ids"][:PICTURES]))


def _view(document: Mapping[str, Any]) -> dict[str, Any]:
    removed = document["options"]["removed"]
    first = document["spec"]["method"]
    listed = {(f["attribute"], f["prompt"], f["about"], f["method"]): f for f in document["findings"]}

    def finding(attribute: str, prompt: str | None, about: str, method: str | None = None) -> Any:
        by = None if about == "lean" else method or first
        return _shown(listed.get((attribute, prompt, about, by)), removed)

    return {
        "document": document,
        "charts": charts,
        "sentences": sentences,
        "words": words,
        "metrics": headline_metrics(),
        "summary": list(sentences.summary(document)),
        "finding": finding,
        "heading": words.heading(document),
        "contents": contents(),
        "titles": SECTIONS,
        "front_matter": Markup(front_matter(document)),
        "others_of": _others_of,
        "prompt_at": lambda one, prompt: one["prompts"].index(prompt),
        "special": tuple(SPECIAL_CATEGORIES),
        "key_titles": PARTS
        | {f"{block}.{key}": title for block, keys in BLOCKS.items() for key, title in keys.items()},
        "in_columns": lambda one: len(one["part"]["groups"]) <= IMPACT_COLUMNS,
        "removed": [(f, removed[f["id"]]) for f in document["findings"] if f["id"] in removed],
        "prompts_of": _prompts_of,
        "arms_of": words.arms_of,
        "edited": words.edited,
        "target_of": _target_of,
        "with_target": _with_target,
        "lean_rows": _lean_rows,
        "about_group": _about_group,
        "impact_row": _impact_row,
        "cost_rows": cost_rows,
        "largest_loss": largest_loss,
        "picture_count": PICTURES,
        "smallest": smallest,
        "people": lambda together: DIFFERENT_PEOPLE if together is None else f"{clustered(together).capitalize()}.",
        "edit_groups": _edit_groups,
        "switches_any": _switches_any,
    }


def _shown(finding: Mapping[str, Any] | None, removed: Mapping[str, str]) -> Mapping[str, Any] | None:
    return None if finding is None or finding["id"] in removed else finding


def _prompts_of(one: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [prompt for prompt in one["prompts"] if prompt["kind"] == kind]


def _target_of(one: Mapping[str, Any]) -> str:
    """The target of an attribute in words; a table of its own is printed beside the group sizes."""
    return target_name(one["part"]["target"])


def _others_of(document: Mapping[str, Any], attribute: str) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(method, its numbers of one attribute) of every method beside the first."""
    return [
        (method, one) for method in document["methods"] for one in method["attributes"] if one["attribute"] == attribute
    ]


def _with_target(found: Mapping[str, Any], group: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A share or a difference with the target share of its group beside it."""
    return {**value, "target": found["distance"][group]["target"]}


def _about_group(one: Mapping[str, Any]) -> str:
    """The group that figures of one group are about: the one that leads in the mean, else departs most in it."""
    return one["arms"]["original"]["lean"]["group"]


def _lean_rows(prompts: Sequence[Mapping[str, Any]], group: str) -> dict[str, dict[str, Any]]:
    """prompt -> arm -> lean of one group in points; prompts whose lean was not computed are left to the text."""
    rows = {p["prompt"]: {arm: p[arm]["lean"][group]["points"] for arm, _ in words.arms_of(p)} for p in prompts}
    return {prompt: arms for prompt, arms in rows.items() if any(v["estimate"] is not None for v in arms.values())}


def _impact_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row of a table of impact ratios: rate and ratio as estimates, and the words beside them."""
    lo, hi = row["impact_ratio_interval"]
    marks = ["benchmark"] * row["benchmark"] + ["under 2 % of the data"] * row["under_2_percent"]
    return {
        "ratio": {"estimate": row["impact_ratio"], "lo": lo, "hi": hi, "n": row["n"], "reason": "no benchmark"},
        "marks": ", ".join(marks),
    }


def _switches_any(document: Mapping[str, Any]) -> bool:
    """Whether any method of a report switches a neuron for any prompt."""
    methods = [document, *document["methods"]]
    return any(edits for one in methods for about in one["attributes"] for edits in about.get("edits", ()))


def _edit_groups(one: Mapping[str, Any], prompts: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each different edit in words, with the prompts that it is for."""
    groups: dict[str, list[str]] = {}
    for edits, prompt in zip(one["edits"], prompts, strict=True):
        groups.setdefault(words.neurons(edits), []).append(prompt)
    return list(groups.items())
