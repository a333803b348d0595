"""One word for each thing: what people read on pages, in verdicts, reports, messages and the guide has no twins."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TWINS = {
    r"(statistically )?significan": "beyond chance",
    r"distinguishable": "beyond chance",
    r"(even|equal) split|equal shares|parity target": "even shares",
    r"desired (share|distribution)|reference distribution": "target",
    r"deactivat|ablated? neuron|knock(ed)? out|turn(ed|s)? (it |them )?off": "off",
    r"(training|test|validation|held-out) half|(probe|evaluation) split": "probe half, evaluation half",
    r"(post|pre)-edit": "before, after",
    r"search term|keyword": "prompt",
    r"latents?": "neuron",
    r"annotators?": "rater",
    r"bias score": "lean",
}
"""What nobody reads here, and the word that says it (assets/guide/words.md)."""
READ = (
    "core/ui",
    "core/cli",
    "core/benchmark",
    "core/report",
    "core/interventions",
    "core/metrics",
    "core/studies",
    "pages",
)


@cache
def constants(path: Path) -> tuple[tuple[int, str], ...]:
    """Texts of a module that are no docstrings."""
    tree = ast.parse(path.read_text(), str(path))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in silent)
    return tuple((node.lineno, node.value) for node in found if isinstance(node.value, str))


def spoken(path: Path) -> list[tuple[int, str]]:
    """Those of several words: what can reach a person."""
    return [(number, text) for number, text in constants(path) if " " in text]


def sources() -> list[Path]:
    modules = [path for room in READ for path in sorted((ROOT / room).rglob("*.py"))]
    return [*modules, ROOT / "core" / "verdicts.py"]


def texts() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "assets" / "guide").glob("*.md"))]


@pytest.mark.parametrize("twin", TWINS)
def test_nobody_reads_a_twin(twin: str) -> None:
    pattern = re.compile(rf"\b({twin})", re.IGNORECASE)
    lines = [(path, number, text) for path in sources() for number, text in spoken(path)]
    lines += [(path, n, line) for path in texts() for n, line in enumerate(path.read_text().splitlines(), 1)]
    found = [f"{path.relative_to(ROOT)}:{n}: {text[:90]}" for path, n, text in lines if pattern.search(text)]
    assert not found, f"say “{TWINS[twin]}”:\n" + "\n".join(found)


def test_the_words_of_the_guide_are_the_words_of_the_pages() -> None:
    """Every word that the guide explains is read somewhere in the app, so that the list does not outlive it."""
    guide = (ROOT / "assets" / "guide" / "words.md").read_text()
    explained = {word.strip() for line in guide.splitlines() if line.startswith("| **")
                 for word in re.findall(r"\*\*([^*]+)\*\*", line.split("|")[1])}  # fmt: skip
    read = " ".join(text for path in sources() for _, text in constants(path)).lower()
    single = {word for entry in explained for word in re.split(r", ", entry)}
    unread = {word for word in single if not re.search(rf"\b{re.escape(word.lower().partition('(')[0][:-1])}", read)}
    assert not unread
