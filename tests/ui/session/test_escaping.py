"""What other people typed leads nowhere: escaped where it is shown, and caught by the net where it was not."""

import json

import pandas as pd
import pyarrow as pa
import pytest
from markdown_it import MarkdownIt
from streamlit.dataframe_util import convert_anything_to_arrow_bytes
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.ui.session.escaping import JOINER, close_message, closed, escape
from tests.payloads import PAYLOADS

TEXTS = (*PAYLOADS, "a\nb", "")


def kinds(markdown: str) -> set[str]:
    """Kinds of tokens of a Markdown text, with links that stand alone recognised as GitHub's dialect does."""
    reader = MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"])
    found: set[str] = set()
    for token in reader.parse(markdown):
        found.add(token.type)
        found |= {child.type for child in token.children or ()}
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_an_escaped_text_is_text_alone(text: str) -> None:
    found = kinds(escape(text)) | kinds(f"**{escape(text)}** and")
    assert found <= {
        "paragraph_open",
        "paragraph_close",
        "inline",
        "text",
        "text_special",
        "strong_open",
        "strong_close",
    }
    shown = "".join(t.content for t in MarkdownIt("commonmark").parse(escape(text)) for t in t.children or ())
    for lead in ("http://", "https://", "www.", "@example"):
        assert lead not in shown.lower()


@pytest.mark.parametrize("text", TEXTS)
def test_the_net_leaves_no_link_no_picture_and_no_html(text: str) -> None:
    for markdown in (closed(text), closed(f"see {text}.\n\n{text}")):
        assert not kinds(markdown) & {"link_open", "image", "html_inline", "html_block"}
        for lead in ("http://", "https://", "www."):
            assert lead not in markdown.lower()


def test_our_own_markdown_is_as_it_was() -> None:
    for own in ("**bold** :small[:gray[n = 5]]", ":material/info: a line", "p < .05 and a <b", "`digest`: ok", "## 5"):
        assert closed(own).replace(JOINER, "") == own
        assert kinds(closed(own)) == kinds(own) - {"html_inline"}


def test_every_text_of_an_element_is_closed() -> None:
    link = "[x](http://a.b)"
    for kind, fields in {
        "markdown": {"body": link},
        "alert": {"body": link, "title": link},
        "button": {"label": link, "help": link},
        "metric": {"label": link, "body": link},
        "progress": {"text": link},
    }.items():
        message = ForwardMsg()
        element = getattr(message.delta.new_element, kind)
        for name, value in fields.items():
            setattr(element, name, value)
        close_message(message)
        assert all(getattr(element, name) == closed(link) != link for name in fields), kind
    for kind in ("radio", "slider"):
        message = ForwardMsg()
        element = getattr(message.delta.new_element, kind)
        element.options.extend([link, "b"])
        close_message(message)
        assert list(element.options) == [closed(link), "b"]
    message = ForwardMsg()
    message.delta.add_block.expandable.label = link
    close_message(message)
    assert message.delta.add_block.expandable.label == closed(link)
    message = ForwardMsg()
    message.delta.new_element.plotly_chart.spec = '{"a": "\\u003ca href=1\\u003e", "b": "<A href=1>", "c": "<b>"}'
    close_message(message)
    said = message.delta.new_element.plotly_chart.spec
    assert "\\u003ca" not in said and "<A" not in said and "<b>" in said
    message = ForwardMsg()
    message.delta.new_element.code.code_text = link
    close_message(message)
    assert message.delta.new_element.code.code_text == link


def test_cells_and_columns_of_a_table_are_closed() -> None:
    link = "[x](http://a.b)"
    shown = pd.DataFrame({link: [link, "**bold**"], "n": [5, 6], "b": ["=", None]}, index=["row", link])
    message = ForwardMsg()
    message.delta.new_element.table.arrow_data.data = convert_anything_to_arrow_bytes(shown)
    close_message(message)
    read = pa.ipc.open_stream(message.delta.new_element.table.arrow_data.data).read_pandas()
    assert list(read.columns) == [closed(link), "n", "b"] and list(read.index) == ["row", closed(link)]
    assert read[closed(link)].tolist() == [closed(link), "**bold**"] and closed(link) != link
    assert read["n"].tolist() == [5, 6] and read["b"].iloc[0] == "=" and pd.isna(read["b"].iloc[1])


def test_no_cell_of_a_table_that_a_browser_saves_is_a_formula() -> None:
    shown = pd.DataFrame({"=1+1": ["=2", "@SUM(A1)", "-1 and", "plain"], "n": [-5, 6, 7, 8]})
    shown = shown.assign(m=["-2", "+3.5", None, "'a"], c=pd.Categorical(["=3", "=3", "b", None]))
    message = ForwardMsg()
    message.delta.new_element.dataframe.arrow_data.data = convert_anything_to_arrow_bytes(shown)
    close_message(message)
    read = pa.ipc.open_stream(message.delta.new_element.dataframe.arrow_data.data).read_pandas()
    cells = [*read.columns, *read.iloc[:, 0]]
    assert cells == [f"{JOINER}=1+1", "n", "m", "c", f"{JOINER}=2", f"{JOINER}@SUM(A1)", f"{JOINER}-1 and", "plain"]
    assert read["n"].tolist() == [-5, 6, 7, 8] and read["m"].tolist()[:2] == ["-2", "+3.5"]
    assert read["m"].iloc[3] == "'a" and read["c"].tolist()[:3] == [f"{JOINER}=3", f"{JOINER}=3", "b"]
    plain = convert_anything_to_arrow_bytes(shown[["n"]])
    message.delta.new_element.dataframe.arrow_data.data = plain
    close_message(message)
    assert message.delta.new_element.dataframe.arrow_data.data == plain


def test_the_help_of_a_column_is_closed() -> None:
    link = 'said "so" [x](http://a.b)'
    message = ForwardMsg()
    message.delta.new_element.dataframe.columns = json.dumps({"[a](http://b.c)": {"label": "n", "help": link}})
    close_message(message)
    shown = json.loads(message.delta.new_element.dataframe.columns)
    assert shown == {"[a](http://b.c)": {"label": "n", "help": closed(link)}} and closed(link) != link
