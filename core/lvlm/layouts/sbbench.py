"""SBBench: a table with context, question, ans0 to ans2, label and picture; right is that nobody can know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.config import InputError
from core.lvlm.layout import LAYOUTS, Layout, Row, picture_bytes, placed, records

LABELS = ("0", "1", "2")
NEED = ("context", "question", "ans0", "ans1", "ans2", "label", "category")


@LAYOUTS.register("sbbench")
class SbBench(Layout):
    """Parquet files with the picture inside (`image`), or a CSV or JSON lines file with `file_name` beside pictures."""

    title = "SBBench"
    form = "a Parquet, CSV or JSON lines file with context, question, ans0, ans1, ans2, label, category and the picture"
    licence = "as its authors state"

    def rows(self, root: Path) -> Iterator[Row]:
        tables = [path for end in ("parquet", "csv", "jsonl") for path in sorted(root.rglob(f"*.{end}"))]
        for path in tables:
            for one in records(path, NEED):
                inside = one.get("image")
                picture = (
                    picture_bytes(inside, path) if inside is not None else path.parent / str(one.get("file_name", ""))
                )
                options = tuple(str(one[f"ans{i}"]) for i in range(3))
                text = f"{one['context']} {one['question']}".strip()
                label = str(one["label"]).strip().removesuffix(".0")
                if label not in LABELS:
                    raise InputError(f"{path}: the question {text[:60]!r} has label {label!r}; expected 0, 1 or 2")
                yield placed(Row(picture, text, options, int(label), str(one["category"])), path)
