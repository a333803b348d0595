"""The guide: every text reads, every link leads somewhere, in the app and from README; nothing of it is lost."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import InputError
from core.ui.guide.topics import FOLDER, in_theme, linked, pieces, topics
from core.ui.session.state import KEY, AppState
from tests.benchmarks import growth
from tests.browser import pictures

ROOT = Path(__file__).resolve().parents[3]
README_CHARACTERS = 9000
LARGEST_PICTURE = 120_000
"""Bytes: the guide's pictures together stay below two megabytes."""


@pytest.mark.parametrize("name", sorted(topics()))
def test_a_topic_keeps_every_word_and_its_links_and_pictures_are_there(name: str) -> None:
    topic, shown = topics()[name], pieces(topics()[name].text)
    assert set(linked(topic.text)) <= set(topics())
    for piece in shown:
        if piece.kind == "picture":
            assert piece.file is not None and piece.file.is_file() and piece.text
    plain = re.sub(r"\[([^\]]+)\]\([a-z0-9-]+\.md\)", r"**\1**", topic.text)
    words = [word for piece in shown if piece.kind == "markdown" for word in piece.text.split()]
    assert words == [word for line in plain.split("\n") if not line.startswith("![") for word in line.split()]
    assert "](" not in " ".join(words) or all(
        link.startswith("http") for link in re.findall(r"\]\(([^)]+)\)", " ".join(words))
    ), "a link to a file opens nothing in the app"


def test_readme_is_short_and_leads_to_every_topic() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme) <= README_CHARACTERS
    files = re.findall(r"\]\(([^)]+)\)", readme)
    assert all((ROOT / file).is_file() for file in files)
    assert {f"assets/guide/{name}.md" for name in topics()} <= set(files)


def test_the_house_names_every_room_and_every_benchmark_has_its_line() -> None:
    house, benches = topics()["the-house"].text, topics()["benchmarks"].text
    rooms = [path for path in (ROOT / "core").iterdir() if path.is_dir() and (path / "__init__.py").is_file()]
    modules = [path for path in (ROOT / "core").glob("*.py") if not path.stem.startswith("__")]
    named = {*(f"`core/{room.name}/`" for room in rooms), *(f"`core/{module.name}`" for module in modules)}
    assert {name for name in named if name not in house} == set()
    made = [path.stem for path in (ROOT / "tests" / "benchmarks").glob("*.py") if not path.stem.startswith("_")]
    assert [name for name in made if not re.search(rf"`{name}[ `]", benches)] == []


def test_a_new_file_is_a_new_topic_and_one_without_a_title_is_named(tmp_path: Path) -> None:
    (tmp_path / "new.md").write_text("# A new topic\n\nText.\n")
    assert topics.__wrapped__(tmp_path)["new"].title == "A new topic"
    (tmp_path / "bare.md").write_text("Text without a title\n")
    with pytest.raises(InputError, match=r"bare\.md: expected a first line `# Title`"):
        topics.__wrapped__(tmp_path)


def guide(**choices: str) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / "guide.py"), default_timeout=180)
    test.session_state[KEY] = AppState(page="guide", linked=True, filters=dict(choices))
    return test.run()


def test_the_page_opens_on_the_first_topic_and_finds_by_word() -> None:
    page = guide()
    assert not page.exception and page.title[0].value == "First steps"
    page.text_input(key="guide-words").set_value("NDKL").run()
    assert page.radio[0].options[0] == "Words" and len(page.radio[0].options) < len(topics())
    assert page.title[0].value == topics()[page.radio[0].value].title
    page.text_input(key="guide-words").set_value("xyzzy").run()
    assert len(page.radio[0].options) == len(topics())
    assert any("No topic has" in caption.value for caption in page.caption)


def test_a_link_opens_its_topic() -> None:
    assert guide(**{"guide-topic": "words"}).title[0].value == "Words"
    assert guide(**{"guide-topic": "nothing of the kind"}).title[0].value == "First steps"


def test_the_guide_lies_beside_the_app() -> None:
    assert FOLDER == ROOT / "assets" / "guide"


def test_every_picture_is_there_for_both_themes_small_and_made_by_the_command() -> None:
    shown = {piece.file for topic in topics().values() for piece in pieces(topic.text) if piece.file is not None}
    assert {in_theme(file, dark) for file in shown for dark in (False, True)} == set(pictures.FOLDER.iterdir())
    assert {file.stem for file in shown} == {*pictures.TAKEN, growth.NAME}
    assert all(file.stat().st_size < LARGEST_PICTURE for file in pictures.FOLDER.iterdir())
