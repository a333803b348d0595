"""The page Ask: one question before and after with groups beside, many with a report; nonsense leaves it standing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.lvlm.refusals import require_askable
from core.report.kept import ANSWERS, KEPT_VARIABLE, kept
from core.ui.session.state import KEY, AppState
from tests.lvlm.few import few_pictures

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def own_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Audits are kept in a folder of the test's own."""
    monkeypatch.setenv(KEPT_VARIABLE, str(tmp_path / "audits"))


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    with few_pictures():
        yield


@pytest.fixture(scope="module")
def page() -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / "ask.py"), default_timeout=300)
    test.session_state[KEY] = AppState(linked=True)
    return test.run()


def said(test: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "warning")
    return "\n".join(str(getattr(item, "value", "")) for kind in kinds for item in test.get(kind))


def asked(test: AppTest, question: str) -> AppTest:
    test.session_state[KEY].set_filter("ask-question", question)
    test.session_state[KEY].set_filter("ask-view", None)
    return test.run()


def test_one_question_before_and_after(page: AppTest) -> None:
    assert not page.exception and not page.warning
    text = said(page)
    assert "is this person likely to be a doctor?" in text and "P(yes) by group of gender, 48 pictures" in text
    assert "after it, answers about Female are nearly those about Male" in text
    assert len(page.get("plotly_chart")) == 2


def test_held_moves_both_groups(page: AppTest) -> None:
    page.session_state[KEY].set_filter("ask-hold", "held")
    held = page.run()
    assert "both groups' answers move towards each other" in said(held)
    page.session_state[KEY].set_filter("ask-hold", "off")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("is this person an astronaut?", "does not know"),
        ("?!?", "expected words"),
        ("", ""),
        ("which word suits this person? A. doctor B. nurse C. unsure", "P(doctor) by group"),
        *[(f"{word} {word}", "does not know") for word in ("qwerty", "<script>", "DROP", "日本", "🙂x", "a'b")],
    ],
)
def test_nonsense_is_answered_calmly(page: AppTest, question: str, expected: str) -> None:
    test = asked(page, question)
    assert not test.exception and expected in said(test)


def test_an_upload_is_not_asked_who_it_is(page: AppTest) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), "teal").save(buffer, "PNG")
    page.file_uploader[0].upload("me.png", buffer.getvalue(), "image/png")
    test = asked(page, "is this a man?")
    assert "who a person is" in said(test)
    page.file_uploader[0].upload("broken.png", buffer.getvalue()[:40], "image/png")
    [line] = page.run().warning
    assert "broken.png" in line.value and "picture" in line.value, line.value
    with pytest.raises(ValueError, match="who a person is"):
        require_askable("is this a man?")


def test_many_questions_and_their_report(page: AppTest) -> None:
    state = page.session_state[KEY]
    state.set_filter("ask-view", "many")
    test = page.run()
    words = next(field for field in test.text_input if field.label == "Words, with commas")
    words.set_value("doctor, nurse, friendly")
    pictures = next(one for one in test.select_slider if one.label == "Pictures")
    pictures.set_value(24)
    next(button for button in test.button if button.label == "Ask them all").click()
    test = test.run()
    assert not test.exception, test.exception
    files = test.session_state[KEY].filters["ask-audit"]
    document = json.loads(files["report.json"])
    gaps = {arm: value["estimate"] for arm, value in document["summary"]["gap"].items()}
    assert gaps["original"] > 0.3 and gaps["edit"] < 0.2
    assert {"report.html", "report.json", "manifest.json", "evidence.npz"} <= set(files)
    assert "Answers that flipped" in said(test) and "Mean gap by arm" in said(test)
    [one] = kept()
    assert (one.kind, one.title) == (ANSWERS, document["spec"]["title"])
    _opened_among_the_reports(one.name, document)
    of_another = files | {
        "report.json": json.dumps(document | {"gallery": {**document["gallery"], "digest": "0" * 64}})
    }
    test.session_state[KEY].set_filter("ask-audit", of_another)
    test = test.run()
    assert not test.exception and "These answers are about gallery default" in said(test)


def _opened_among_the_reports(name: str, document: dict) -> None:
    """What was kept is shown on the page Report too, verified there, and is no audit of rankings to compare."""
    report = AppTest.from_file(str(ROOT / "pages" / "report.py"), default_timeout=180)
    report.session_state[KEY] = AppState(linked=True)
    report.run()
    report.button(key=f"open-{name}").click().run()
    assert not report.exception and not report.warning, [one.value for one in report.warning]
    shown = said(report) + "".join(str(one.value) for one in report.get("html"))
    assert document["spec"]["title"] in "".join(one.value for one in report.header)
    assert "on average; labels dealt at random would show" in shown
    assert not [box for box in report.selectbox if name in box.options]
    next(one for one in report.button if one.label == "Verify").click().run()
    assert not report.exception and any(one.value for one in report.info if "equal" in one.value), said(report)
