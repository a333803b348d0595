"""The card of an edit whose every name is a payload: a reader of Markdown finds in it what it finds in any other."""

from collections import Counter
from typing import Any

from markdown_it import MarkdownIt

from core.portable.card import card_text
from tests.payloads import PAYLOADS
from tests.portable.edits import edit_of

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
DIGEST = "d" * 64


def layout(name: str) -> Counter[str]:
    """What a card is made of, besides texts, where somebody called everything so."""
    arm = {"estimate": 0.1, "lo": 0.0, "hi": 0.2}
    groups = {name: {"searched": 40, "points": {"before": arm, "after": arm}}}
    one = {"query": name, "attribute": name, "k": 5, "n": 40, "half": "all", "groups": groups, "effect": name}
    named = {"name": name, "digest": DIGEST}
    about: dict[str, Any] = {
        "name": name,
        "query": [name],
        "gallery": named,
        "audit": named,
        "saes": {"image": named},
        "edits": {"image": {"neurons": [1], "form": "blend"}},
        "measured": [{**one, "cosine": 0.9, "rows_changed": 40, "cost": {f"accuracy of {name}": name}}],
        "limits": [name],
    }
    tokens = [t for b in READER.parse(card_text(about, edit_of("cut", about=about))) for t in (b, *(b.children or ()))]
    return Counter(t.type for t in tokens if t.type not in ("text", "text_special"))


def test_a_name_is_text_wherever_it_stands() -> None:
    plain = layout("Ada")
    assert {payload: found - plain for payload in PAYLOADS if (found := layout(payload)) != plain} == {}
