"""MME: a folder a category; beside every picture a text file with two questions, Yes or No behind a tab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.config import InputError
from core.lvlm.layout import LAYOUTS, Layout, Row, placed
from core.tables.delimited import decoded

PICTURES = (".jpg", ".png", ".jpeg")


@LAYOUTS.register("mme")
class Mme(Layout):
    """ROOT/CATEGORY/NAME.jpg with NAME.txt, or ROOT/CATEGORY/images and ROOT/CATEGORY/questions_answers_YN."""

    title = "MME"
    form = "a folder a category with pictures and text files of the same name (question, tab, Yes or No)"
    licence = "asked for from its authors; research only"

    def rows(self, root: Path) -> Iterator[Row]:
        for category in sorted(path for path in root.iterdir() if path.is_dir()):
            apart = (category / "questions_answers_YN").is_dir()
            texts = category / "questions_answers_YN" if apart else category
            pictures = category / "images" if apart else category
            for text in sorted(texts.glob("*.txt")):
                for line in decoded(text.read_bytes(), str(text)).splitlines():
                    if not line.strip():
                        continue
                    question, tab, answer = line.partition("\t")
                    said = answer.strip().lower()
                    if not tab or said not in ("yes", "no"):
                        raise InputError(f"{text}: the line {line[:60]!r} is no question, tab, Yes or No")
                    question = question.replace("Please answer yes or no.", "").strip()
                    picture = next(
                        (
                            pictures / f"{text.stem}{end}"
                            for end in PICTURES
                            if (pictures / f"{text.stem}{end}").is_file()
                        ),
                        pictures / f"{text.stem}.jpg",
                    )
                    yield placed(Row(picture, question, ("yes", "no"), int(said == "no"), category.name), text)
