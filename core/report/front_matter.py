"""The front matter of a model card in Hugging Face's layout: tags, and every finding as a metric of `model-index`."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
TASK = {"image": ("zero-shot-image-classification", "Text-to-image retrieval"),
        "text": ("sentence-similarity", "Text-to-text retrieval")}  # fmt: skip
METRICS = {"lean": "lean in points", "effect": "change of share with the edit"}
NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""Characters that a string of JSON holds as they are, and that end a line of YAML or may not stand in it."""
ARGS = ("attribute", "prompt", "kind", "group", "method", "verdict", "p", "p_adjusted", "m", "correction")


def front_matter(document: Document) -> str:
    """YAML between the two lines of dashes; strings are written as JSON, which YAML reads."""
    gallery = document["gallery"]
    task, name = TASK["image" if gallery["kind"] == "images" else "text"]
    lines = ["tags:", "- bias-audit", "- retrieval", "model-index:"]
    lines += [f"- name: {_said(gallery['fingerprints']['pooled']['model'])}", "  results:"]
    lines += ["  - task:", f"      type: {task}", f"      name: {name}", "    dataset:"]
    lines += [f"      name: {_said(gallery['name'])}", "      type: unskew-gallery", "      split: evaluation"]
    lines += [f"      revision: {_said(gallery['digest'])}"]
    if document["spec"]["where"]:
        lines += [f"      args: {_said(document['spec']['where'])}"]
    lines += ["    metrics:"]
    for finding in document["findings"]:
        lines += _metric(document, finding)
    return "\n".join(lines)


def _metric(document: Document, finding: Document) -> Iterator[str]:
    """One finding; a value that could not be computed is null, as in report.json."""
    value = finding["value"]
    yield f"    - type: {_said(finding['about'])}"
    yield f"      name: {_said(METRICS[finding['about']] + ': ' + finding['id'])}"
    yield f"      value: {_said(value['estimate'])}"
    args = {name: finding[name] for name in ARGS} | {name: value.get(name) for name in ("lo", "hi", "n")}
    removed = document["options"]["removed"].get(finding["id"])
    yield f"      args: {_said(args | ({'removed': removed} if removed else {}))}"


def _said(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", said)
