"""MMMU: Parquet files with question, options, answer and image_1 ...; questions with one picture and given options."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from core.config import InputError
from core.lvlm.layout import LAYOUTS, Layout, Row, placed, records

NEED = ("id", "question", "options", "answer", "image_1")
PICTURES = [f"image_{number}" for number in range(1, 8)]


@LAYOUTS.register("mmmu")
class Mmmu(Layout):
    """ROOT/SUBJECT/validation-*.parquet; open questions and those with a second picture are left out."""

    title = "MMMU"
    form = "Parquet files, one folder a subject, as the Hugging Face repository has them"
    licence = "Apache-2.0"

    def rows(self, root: Path) -> Iterator[Row]:
        for path in sorted(root.rglob("*.parquet")):
            for one in records(path, NEED, PICTURES):
                options = one["options"]
                if isinstance(options, str):
                    try:
                        options = ast.literal_eval(options)
                    except (ValueError, SyntaxError):
                        raise InputError(f"{path}: the options {options[:60]!r} are no list") from None
                letter = str(one["answer"]).strip().upper()
                if one.get("image_2") is not None or not 2 <= len(options) <= 6 or len(letter) != 1:
                    continue
                question = str(one["question"]).replace("<image 1>", "").strip()
                right = ord(letter) - ord("A")
                yield placed(Row(one["image_1"], question, tuple(map(str, options)), right, path.parent.name), path)
