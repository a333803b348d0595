"""The one escape of texts that other people wrote, and the net under every place that reads Markdown.

`escape` makes a text literal. `close_page` catches what was not escaped: no element of the page leads to an address,
loads a picture from one or reads as HTML, whoever wrote its text. Nothing of ours is lost by it: pages link by buttons.
"""

import html
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

from core import access
from core.config import InputError
from core.reading import parse_json
from core.team import roots
from core.team.configuration import current
from core.writing import FORMULA, JOINER, closed, is_formula
from core.writing import escape as escape

if TYPE_CHECKING:
    import pyarrow as pa

FIELDS = frozenset({"body", "label", "help", "caption", "captions", "text", "title", "content", "delta", "placeholder"})
"""Names of the parts of an element that a browser reads as Markdown."""
LITERAL = frozenset({"html", "code", "json", "text", "doc_string", "exception", "component_instance"})
"""Kinds of element that show their text as it is, or are written by this app with an escape of their own."""
CHOICES = ("radio", "slider")
"""Kinds of element whose choices are read as Markdown; those of all others are shown as they are."""
HELP = re.compile(r'("help": ")((?:[^"\\]|\\.)*)')
"""The help of a column in the settings of a table, JSON."""
FIRST = f"^[{re.escape(''.join(FORMULA))}]"
"""How a cell begins that a spreadsheet may take for a formula, for Arrow."""
CHART_LINK = re.compile(r"(<|\\u003c)(?=\s*a[\s/>\\])", re.IGNORECASE)
"""Where a text of a chart would begin a link."""


def close_page() -> None:
    """From now on, every element that any page of this process shows is closed; called by app.py's first line."""
    if getattr(ScriptRunContext.enqueue, "closed", False):
        return
    plain = ScriptRunContext.enqueue

    def enqueue(self: ScriptRunContext, msg: ForwardMsg) -> None:
        close_message(msg)
        hide_folders(msg)
        plain(self, msg)

    enqueue.closed = True  # type: ignore[attr-defined]
    ScriptRunContext.enqueue = enqueue  # type: ignore[method-assign]


def close_message(msg: ForwardMsg) -> None:
    """Close the texts of an element, a block or a short message that goes to a browser."""
    if msg.WhichOneof("type") != "delta":
        return
    delta = msg.delta
    element = delta.new_element
    kind = element.WhichOneof("type")
    if delta.WhichOneof("type") == "add_block":
        _close(delta.add_block)
    elif kind == "table":
        _close(element.table)
        element.table.arrow_data.data = changed_table(element.table.arrow_data.data, closed)
    elif kind == "dataframe":
        element.dataframe.arrow_data.data = without_formulas(element.dataframe.arrow_data.data)
        element.dataframe.columns = HELP.sub(lambda m: m[1] + closed(m[2]), element.dataframe.columns)
    elif kind == "plotly_chart":
        element.plotly_chart.spec = CHART_LINK.sub(rf"\1{JOINER}", element.plotly_chart.spec)
    elif kind is not None and kind not in LITERAL:
        _close(getattr(element, kind))
    if kind in CHOICES:
        choices = getattr(element, kind).options
        choices[:] = [closed(one) for one in choices]


def changed_table(data: bytes, change: Callable[[str], str]) -> bytes:
    """A table as it goes to a browser, an Arrow stream, with every text of its cells and names of columns changed."""
    import pyarrow as pa  # where there is a table: the first screen has none

    with pa.ipc.open_stream(data) as stream:
        table = stream.read_all()
    columns = [
        pa.array([None if cell is None else change(cell) for cell in column.to_pylist()], _plain(column.type))
        if _holds_texts(column.type)
        else column
        for column in table.columns
    ]
    names = [change(name) for name in table.column_names]
    about = table.schema.metadata or {}
    metadata = {key: _renamed(value, change) if key == b"pandas" else value for key, value in about.items()}
    written = pa.BufferOutputStream()
    schema = pa.schema([pa.field(n, c.type) for n, c in zip(names, columns, strict=True)], metadata)
    with pa.ipc.new_stream(written, schema) as stream:
        stream.write_table(pa.table(columns, schema=schema))
    return written.getvalue().to_pybytes()


def without_formulas(data: bytes) -> bytes:
    """A table as it goes to a browser, whose own button saves it as CSV: no cell and no name of a column is a formula.

    A character without width stands before what would be one; all else, and every table without, is as it was.
    """
    if not data:
        return data
    import pyarrow as pa
    import pyarrow.compute as pc

    with pa.ipc.open_stream(data) as stream:
        table = stream.read_all()
    texts = [column for column in table.columns if _holds_texts(column.type)]
    names = pa.chunked_array([pa.array(table.column_names, pa.string())])
    found = (pc.match_substring_regex(column.cast(pa.large_string()), FIRST) for column in (names, *texts))
    if not any(pc.any(column).as_py() for column in found):
        return data
    return changed_table(data, lambda text: f"{JOINER}{text}" if is_formula(text) else text)


def _holds_texts(kind: "pa.DataType") -> bool:
    """Whether a column of a type holds texts, perhaps each of them once and its place in every row."""
    import pyarrow as pa

    of = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(of) or pa.types.is_large_string(of)


def _plain(kind: "pa.DataType") -> "pa.DataType":
    """The type of texts that are written out in every row."""
    import pyarrow as pa

    return pa.large_string() if pa.types.is_dictionary(kind) else kind


def _renamed(described: bytes, change: Callable[[str], str]) -> bytes:
    """What pandas says about a table, with the names that its columns have now."""

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, dict):
            return {key: renamed(one) for key, one in value.items()}
        return [renamed(one) for one in value] if isinstance(value, list) else value

    return json.dumps(renamed(parse_json(described.decode(), "what pandas says of a table"))).encode()


def _close(message: Any) -> None:
    """Close every text of a message by the name of its field, at any depth."""
    for field, value in message.ListFields():
        many = not isinstance(value, str | bytes) and hasattr(value, "__len__") and not hasattr(value, "keys")
        if field.type == field.TYPE_STRING and field.name in FIELDS:
            if many:
                value[:] = [closed(one) for one in value]
            else:
                setattr(message, field.name, closed(value))
        elif field.type == field.TYPE_MESSAGE and not hasattr(value, "keys"):
            for one in value if many else [value]:
                _close(one)


# -- folders of a team server -----------------------------------------------------------------------------------------


def hide_folders(msg: ForwardMsg) -> None:
    """On a team server, take every path of its disk out of what goes to a browser, whatever text it stands in.

    Whoever may choose by folder sees them. The net under places that show a name where they know one.
    """
    if not access.configured() or access.may("choose"):
        return
    with suppress(InputError):  # without a configuration that can be read nothing was opened
        _hide(msg)


def _hide(msg: ForwardMsg) -> None:
    configuration = current()
    if configuration is None:
        return
    hidden = [(form, name) for path, name in roots.hidden(configuration) for form in _forms(path)]
    raw = msg.SerializeToString()
    if any(form.encode() in raw for form, _ in hidden):
        _rewrite(msg, lambda text: roots.hiding(text, hidden))


def _forms(path: str) -> set[str]:
    """How a path is spelt in plain text, in Markdown and in HTML."""
    return {path, escape(path), html.escape(path)}


def _rewrite(message: Any, change: Callable[[str], str]) -> None:
    """Change every text of a message, at any depth."""
    for field, value in message.ListFields():
        many = not isinstance(value, str | bytes) and hasattr(value, "__len__") and not hasattr(value, "keys")
        if hasattr(value, "keys"):
            for key in list(value):
                if isinstance(value[key], str):
                    value[key] = change(value[key])
                elif hasattr(value[key], "ListFields"):
                    _rewrite(value[key], change)
        elif field.type == field.TYPE_STRING:
            if many:
                value[:] = [change(one) for one in value]
            else:
                setattr(message, field.name, change(value))
        elif field.type == field.TYPE_BYTES and not many:
            with suppress(ValueError):  # what is no table: a picture, say
                setattr(message, field.name, changed_table(value, change))
        elif field.type == field.TYPE_MESSAGE:
            for one in value if many else [value]:
                _rewrite(one, change)
