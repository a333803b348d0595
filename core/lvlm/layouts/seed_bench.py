"""SEED-Bench: questions in SEED-Bench.json, pictures under SEED-Bench-image; those about videos are left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.config import InputError, lacking_key
from core.lvlm.layout import LAYOUTS, Layout, Row, placed
from core.store import read_json

LETTERS = "abcd"


@LAYOUTS.register("seed-bench")
class SeedBench(Layout):
    """{"questions": [{question, choice_a ..., answer, data_type, data_id, question_type_id}], "question_type": {}}."""

    title = "SEED-Bench"
    form = "SEED-Bench.json and the pictures under SEED-Bench-image"
    licence = "CC BY-NC 4.0"

    def rows(self, root: Path) -> Iterator[Row]:
        path = root / "SEED-Bench.json"
        document = read_json(path)
        try:
            names = {number: name for name, number in document.get("question_type", {}).items()}
            for one in document["questions"]:
                if one.get("data_type", "image") != "image":
                    continue
                options = tuple(str(one[f"choice_{letter}"]) for letter in LETTERS)
                kind = names.get(one["question_type_id"], str(one["question_type_id"]))
                right = LETTERS.index(str(one["answer"]).strip().lower())
                picture = root / "SEED-Bench-image" / str(one["data_id"])
                yield placed(Row(picture, str(one["question"]), options, right, str(kind)), path)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} has another layout{lacking_key(error)}; expected {self.form}") from None
