"""The page Models: what can stand side by side, what stands in its way in words, and what is shown of it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import InputError
from core.ui.models import answer
from core.ui.session import folders
from core.ui.session.state import KEY, AppState
from tests.benchmark.model_galleries import PROMPTS, made

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    kinds = {"plain": 0.0, "leaning": 1.0, "third": 0.0}
    found = {name: str(made(folder, name, lean).path) for name, lean in kinds.items()}
    return found | {"fewer": str(made(folder, "fewer", 0.0, drop=3).path)}


def opened(*names: str, **filters: object) -> AppTest:
    test = AppTest.from_file(str(ROOT / "pages" / "models.py"), default_timeout=180)
    test.session_state[KEY] = AppState(gallery=names[0] if names else "default", linked=True)
    test.session_state[KEY].filters.update({"models-galleries": list(names), **filters})
    return test.run()


def texts(test: AppTest) -> str:
    kinds = ("title", "header", "markdown", "caption", "html", "info", "warning")
    return "\n".join(str(getattr(item, "value", "")) for kind in kinds for item in test.get(kind))


def button(test: AppTest) -> object:
    return test.button(key="models-compare")


def test_one_gallery_alone_is_told_what_to_do(models: dict[str, str]) -> None:
    page = opened(models["plain"])
    assert not page.exception and "at least two galleries" in page.info[0].value
    assert "gallery build" in texts(page) and not any(one.key == "models-compare" for one in page.button)


def test_models_are_compared_and_the_planted_lean_stands_out(models: dict[str, str]) -> None:
    page = opened(models["plain"], models["leaning"], models["third"])
    assert not page.exception and not button(page).disabled
    assert "No text encoder goes with" in texts(page) and "evaluation half" in texts(page)
    page.number_input[0].set_value(40).run()
    button(page).click().run()
    assert not page.exception and not page.warning
    shown = texts(page)
    assert "mean over 3 prompts" in shown and shown.count("</th>") == 4
    assert "**leaning** minus **plain**" in shown and "**beyond chance**" in shown
    assert "**third** minus **plain**" in shown and "**no difference beyond chance**" in shown
    assert "adjusted over 3 pairs" in shown
    found = page.session_state[KEY].filters["models-found"]
    assert len(answer.rows(found)) == 3 * len(PROMPTS) * 2
    assert answer.facts(found)["model 2"].startswith("leaning, gallery leaning, digest ")
    page.selectbox(key="models-group").set_value("Female").run()
    assert "share of Female" in texts(page)


def test_other_items_are_refused_beside_the_button(models: dict[str, str]) -> None:
    page = opened(models["plain"], models["fewer"])
    assert button(page).disabled and "lacks 3 of the items of plain" in page.info[0].value.replace("\\", "")


def test_no_prompt_is_no_comparison(models: dict[str, str]) -> None:
    page = opened(models["plain"], models["leaning"])
    page.multiselect[1].set_value([]).run()
    assert button(page).disabled and "at least one prompt" in page.info[0].value


def test_a_gallery_that_is_not_there_is_one_calm_line(models: dict[str, str]) -> None:
    page = opened(models["plain"], "/no/such/gallery")
    assert not page.exception and "/no/such/gallery" in page.warning[0].value.replace("\\", "")


def test_what_the_operator_named_is_offered(models: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(folders.NAMED_VARIABLE, str(Path(models["plain"]).parent))
    assert set(models.values()) <= set(folders.offered("galleries"))


def test_names_bring_no_markup(models: dict[str, str]) -> None:
    hostile = "<script>alert(1)</script>"
    points = {"estimate": 0.1, "lo": 0.0, "hi": 0.2, "n": 10}
    lean = {"lean": {hostile: {"points": points}}, "lean_p": 0.5, "lean_beyond_chance": False}
    model = {
        "name": hostile,
        "gallery": hostile,
        "mean": {"points": {hostile: points}, "lean_beyond_chance": True},
        "prompts": {hostile: lean},
        "ability": {hostile: points},
    }
    shown = answer.table_html({"models": [model], "prompts": [hostile]}, hostile)
    assert "<script>" not in shown and "&lt;script&gt;" in shown


def test_a_broken_comparison_is_a_line_and_not_a_page(models: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InputError("k was 400; 300 rows are searched: choose a smaller k")

    page = opened(models["plain"], models["leaning"])
    monkeypatch.setattr("core.benchmark.side_by_side.compare_models", refuse)
    page.number_input[0].set_value(39).run()
    button(page).click().run()
    assert "300 rows are searched" in page.warning[0].value


def test_one_test_of_several_groups_is_not_said_of_the_one_that_is_shown() -> None:
    def told(*groups: str) -> str:
        points = {"estimate": 0.1, "lo": 0.0, "hi": 0.2, "n": 10}
        mean = {"changes": dict.fromkeys(groups, points), "p": 0.01, "p_adjusted": 0.01, "beyond_chance": True}
        document = {"differences": [{"first": "one", "second": "two", "mean": mean, "prompts": {}}]}
        return next(answer.differences(document, groups[0]))

    assert "points on average, **beyond chance**" in told("Female", "Male")
    assert "points on average, all groups together **beyond chance**" in told("a", "b", "c")
