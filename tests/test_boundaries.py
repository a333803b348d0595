"""One place for each boundary: JSON, NumPy's files and CSV pass through it and through no other."""

import ast
from pathlib import Path

import pytest

from core.writing import csv_text, guarded, unguarded

ROOT = Path(__file__).resolve().parent.parent
OWN = {
    ("json", "load"): set(),
    ("json", "loads"): {"core/reading.py", "core/tables/columnar.py", "core/datasets/target_tables.py"},
    ("np", "load"): {"core/reading.py"},
    ("np", "fromfile"): {"core/stores/files.py"},
    ("np", "loadtxt"): set(),
    ("np", "genfromtxt"): set(),
    ("np", "memmap"): {"core/store.py"},
    ("torch", "load"): {"core/saes/formats/torch_files.py"},
    ("Image", "open"): {"core/datasets/images.py"},
    ("csv", "writer"): {"core/writing.py"},
    ("csv", "reader"): {"core/tables/delimited.py"},
    ("csv", "DictReader"): {"core/lvlm/vla_files.py"},
    ("csv", "DictWriter"): set(),
    ("pd", "read_csv"): {"core/benchmark/published.py", "core/lvlm/layout.py", "core/ui/report/page.py"},
    ("pd", "read_json"): {"core/lvlm/layout.py"},
    ("pd", "read_parquet"): {"core/lvlm/layout.py"},
    ("tarfile", "open"): {"core/datasets/web_shards.py"},
    ("pickle", "load"): set(),
    ("pickle", "loads"): set(),
}
"""Calls, and the only modules in which they stand; tables and targets name the line or the group in their words, and
sets of questions that others published keep the types of their columns."""
NOWHERE = ("to_csv", "open_memmap", "extractall", "eval", "exec")
MODELS_MODE = {
    "core/backbones",
    "core/avatars",
    "core/saes",
    "core/lvlm",
    "core/training",
    "core/interventions",
    "core/portable",
}
"""Rooms in which `eval()` puts a network into evaluation mode."""


def called(path: Path) -> set[tuple[str, str]]:
    """(what stands before the dot, name) of every call of an attribute."""
    nodes = ast.walk(ast.parse(path.read_text(), str(path)))
    calls = [node.func for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return {(call.value.id if isinstance(call.value, ast.Name) else "", call.attr) for call in calls}


@pytest.mark.parametrize("path", sorted((ROOT / "core").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_each_boundary_has_one_place(path: Path) -> None:
    here = path.relative_to(ROOT).as_posix()
    for owner, name in called(path):
        assert (owner, name) not in OWN or here in OWN[owner, name], f"{here} calls {owner}.{name}"
        mode = name == "eval" and any(here.startswith(room) for room in MODELS_MODE)
        assert name not in NOWHERE or mode, f"{here} calls {name}"


def test_no_cell_is_a_formula_and_every_text_comes_back() -> None:
    texts = ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "'quoted", "plain", "-2", "+2.5e-3", "-1+1", "", "''", "'=1"]
    texts += ["\n=1", "＝1+1", "＋x", "－x", "＠SUM(A1)"]
    for text in texts:
        assert unguarded(str(guarded(text))) == text
        assert not guarded(text).startswith(("=", "@", "\t", "\r", "\n", "＝", "＠")) and guarded(text)[:2] not in (
            "+x",
            "-x",
            "-1+",
        )
    assert guarded(-2.5) == -2.5 and guarded(None) == "" and guarded("-1+1") == "'-1+1"
    assert csv_text(["=a", "b"], [{"b": "=x"}, [1, None]]) == "'=a,b\n,'=x\n1,\n"
    with pytest.raises(ValueError, match="no column 'c'"):
        csv_text(["a"], [{"c": 1}])
