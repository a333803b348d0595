"""SBBench: a table with context, question, ans0 to ans2, label and picture; right is that nobody can know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.config import InputError
from core.lvlm.layout import LAYOUTS, Layout, Row, placed, records

LABELS = ("0", "1", "2")
NEED = ("context", "question", "ans0", "ans1", "ans2", "label", "category", "file_name")


@LAYOUTS.register("sbbench")
class SbBench(Layout):
    """As ucf-crcv/SB-Bench publishes it: Parquet, the picture inside `file_name`, categories as numbers with names.

    A CSV or JSON lines file names its pictures in `file_name`, beside it.
    """

    title = "SBBench"
    form = (
        "a Parquet, CSV or JSON lines file with context, question, ans0, ans1, ans2, label, category and the picture "
        "or its path in file_name"
    )
    licence = "CC BY-NC-SA 4.0; pictures for academic research only"

    def rows(self, root: Path) -> Iterator[Row]:
        tables = [path for end in ("parquet", "csv", "jsonl") for path in sorted(root.rglob(f"*.{end}"))]
        for path in tables:
            for one in records(path, NEED, ["file_name"]):
                given = one["file_name"]
                picture = path.parent / given if isinstance(given, str) else given
                options = tuple(str(one[f"ans{i}"]) for i in range(3))
                text = f"{one['context']} {one['question']}".strip()
                label = str(one["label"]).strip().removesuffix(".0")
                if label not in LABELS:
                    raise InputError(f"{path}: the question {text[:60]!r} has label {label!r}; expected 0, 1 or 2")
                yield placed(Row(picture, text, options, int(label), str(one["category"])), path)
