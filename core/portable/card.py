"""card.md: what the edit is, what it did where it was made, what it must not be used for, and code that runs it."""

import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from core.portable.edit import PortableEdit
from core.writing import begun, literal

MOST_LINES = 40
HEAD = """\
import numpy as np
from safetensors.numpy import load_file

arrays = load_file("edit.safetensors")

"""
TAIL = """\
def edited(x, side={side!r}):
    x = before = np.asarray(x, dtype=np.float32)
    for place, (rule, settings) in enumerate(PIECES[side]):
        head = f"{{side}}.{{place}}."
        x = rule(x, {{name[len(head):]: a for name, a in arrays.items() if name.startswith(head)}}, **settings)
    whole, left = (np.linalg.norm(rows, axis=1, keepdims=True) for rows in (before, x))
    return np.where(left > 1e-4 * whole, x / np.maximum(left, 1e-30), 0)
"""


def numpy_code(edit: PortableEdit) -> str:
    """A NumPy program of at most MOST_LINES lines whose `edited(x, side)` gives the edit's unit rows.

    It holds the very rules that the app runs. Empty for an edit inside a model (residual attach point).
    """
    if any(side.attach != "pooled" for side in edit.sides.values()):
        return ""
    kinds = {piece.name: type(piece) for side in edit.sides.values() for piece in side.pieces}
    rules = [_plain(kind) for kind in kinds.values()]
    named = {
        side: ", ".join(f"({_function(type(piece).name)}, {piece.settings})" for piece in one.pieces)
        for side, one in edit.sides.items()
    }
    table = "PIECES = {" + ", ".join(f"{side!r}: [{pieces}]" for side, pieces in named.items()) + "}\n\n"
    return HEAD + "\n".join([*rules, table + TAIL.format(side=next(iter(edit.sides)))])


def _function(name: str) -> str:
    return name.replace("-", "_")


def _plain(kind: Any) -> str:
    """A piece's rule as a function by itself, without types and decorator."""
    source = textwrap.dedent(inspect.getsource(kind.rule)).removeprefix("@staticmethod\n")
    body = source.partition("\n")[2]
    names = list(inspect.signature(kind.rule).parameters)
    return f"def {_function(kind.name)}({', '.join(names)}):\n{body}"


def card_text(document: Mapping[str, Any], edit: PortableEdit) -> str:
    """The card, Markdown."""
    return "\n".join(_lines(document, edit)).rstrip() + "\n"


def _lines(document: Mapping[str, Any], edit: PortableEdit) -> Iterator[str]:
    method = document.get("method", {})
    yield from (f"# Edit: {literal(edit.name)}", "")
    if method:
        yield from (f"Method: {method['title']} (`{method['name']}`), {method['paper']}.", "")
    for side, one in edit.sides.items():
        yield from (f"## {side.capitalize()}", "", f"For embeddings of {literal(one.fingerprint.describe())}.", "")
        if not one.pieces:
            yield "Nothing is changed."
        yield from (f"{place + 1}. `{piece.formula}`" for place, piece in enumerate(one.pieces))
        yield from ("", "Then every row is divided by its length; a row of which nothing is left is zero.", "")
    if document.get("query"):
        yield from ("## For which searches", "")
        yield from (f"- {begun(query)}" for query in document["query"])
        yield ""
    yield from ("## Where it comes from", "")
    yield from _origin(document)
    yield from ("", "## What it did there", "")
    yield from _measured(document.get("measured", []))
    yield from ("", "## Limits", "")
    yield from (f"- {begun(limit)}" for limit in document.get("limits", []))
    code = numpy_code(edit)
    if code:
        yield from ("", "## In NumPy", "", "Rows (n, d) in, unit rows out. Run it beside `edit.safetensors`.", "")
        yield from ("```python", code.rstrip(), "```")
    else:
        yield from ("", "It changes rows inside a model: use the app's wrappers (`core.home.models`).")


def _origin(document: Mapping[str, Any]) -> Iterator[str]:
    for what, key in (("Gallery", "gallery"), ("Audit", "audit")):
        if document.get(key):
            yield f"- {what}: {literal(document[key]['name'])}, digest {document[key]['digest']}"
    for side, sae in document.get("saes", {}).items():
        yield f"- SAE of the {side} side: {literal(sae['name'])}, digest {sae['digest']}"
    for side, said in document.get("edits", {}).items():
        neurons = ", ".join(map(str, said["neurons"])) or "none"
        yield f"- Neurons of the {side} side: {neurons}; form {said['form']}"


def _measured(measured: list[Mapping[str, Any]]) -> Iterator[str]:
    if not measured:
        yield "Nothing was measured: no attribute and search was given. Audit before you rely on it."
    for one in measured:
        asked = f"“{literal(one['query'])}”, {literal(one['attribute'])}, k = {one['k']}"
        yield f"{asked}, {one['n']:,} rows searched ({one['half']} half):"
        yield ""
        for group, said in one["groups"].items():
            yield f"- {begun(group)}: {said['searched']:,} of the searched rows; {_arms(said)}"
        if one.get("effect"):
            yield f"- {begun(one['effect'])}"
        yield f"- cost: cosine before and after {one['cosine']:.4f} on average, {one['rows_changed']:,} rows changed"
        for name, cost in one.get("cost", {}).items():
            yield f"- {begun(name)}: {literal(cost)}"
        yield ""


def _arms(said: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{arm} {points['estimate'] * 100:+.1f} points ({points['lo'] * 100:+.1f} to {points['hi'] * 100:+.1f})"
        if points.get("estimate") is not None
        else f"{arm} not computed"
        for arm, points in said["points"].items()
    )
