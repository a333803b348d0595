"""A running search beside the exact ranking: asked after a click, counted alike, and what failed is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.ui.compare import engine
from core.ui.session import cache, engines
from core.ui.session.state import KEY
from tests.engines.serving import Faults, Search, described, serving
from tests.ui.compare.test_ui_compare import chosen, page, said
from tests.ui.world import SmallModel

pytestmark = pytest.mark.usefixtures("small_model")


def opened(world: dict[str, str], name: str = "service") -> AppTest:
    state = chosen(world)
    state.filters.update({"compare-view": "engine", "engine": name})
    return page("compare", state)


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Name an engine of the operator: address -> its file."""

    def name(address: str, **more: Any) -> None:
        (tmp_path / "engine.json").write_text(json.dumps(described(address, **more)))
        monkeypatch.setenv(engines.VARIABLE, str(tmp_path / "engine.json"))

    return name


def search(world: dict[str, str]) -> Search:
    return Search(cache.gallery(world["searched"]), SmallModel().text_embedding)


def asked(world: dict[str, str]) -> AppTest:
    test = opened(world)
    assert not test.exception, said(test)
    test.button(key="engine-ask").click().run()
    assert not test.exception, said(test)
    return test


def test_an_exact_engine_gives_the_exact_ranking(world: dict[str, str], listed: Any) -> None:
    faults = Faults()
    with serving(search(world), faults) as address:
        listed(address)
        test = opened(world)
        assert not test.exception and not faults.requests, "nothing is asked before a click"
        assert "Sends the prompt" in said(test) and address not in said(test)
        test.button(key="engine-ask").click().run()
        assert not test.exception and len(faults.requests) == 1
        shown = said(test)
        assert "it has 100 % of the exact first" in shown and "**service**" in shown
        test.run()
        assert len(faults.requests) == 1, "and nothing again by looking"
    (answer,) = test.session_state[KEY].filters["engine-answered"].values()
    table = test.dataframe[0].value
    assert list(table["service, points"]) == list(table["Exact, points"]) and answer.short is None


def test_a_biased_engine_has_another_lean_and_less_recall(world: dict[str, str], listed: Any) -> None:
    gallery = cache.gallery(world["searched"])
    row = {one: i for i, one in enumerate(gallery.item_ids(range(gallery.n)))}
    labels = gallery.labels("gender")

    def favour(ids: list[str]) -> list[str]:
        return sorted(row, key=lambda one: labels[row[one]] != "Female")[: len(ids)]

    with serving(search(world), Faults(change=favour)) as address:
        listed(address)
        test = asked(world)
    (answer,) = test.session_state[KEY].filters["engine-answered"].values()
    assert {labels[at] for at in answer.rows} == {"Female"} and answer.recall(answer.rows) == 1
    shares = dict(zip(test.dataframe[0].value["Group"], test.dataframe[0].value["service, share"], strict=True))
    assert shares["Female"].startswith("100 %") and shares["Male"].startswith("0 %")
    assert "it has 100 %" not in said(test)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(status=500, times=9), "status 500"),
        (Faults(wait=0.4), "did not answer within 0.2 s"),
        (Faults(raw=b"no JSON"), "the answer"),
        (Faults(change=lambda ids: ["stranger", *ids[1:]]), "no items of the gallery (stranger)"),
        (Faults(change=lambda ids: [*ids[:3], ids[0]]), "came twice"),
        (Faults(change=lambda ids: ids[:4]), "fewer than k"),
    ],
)
def test_what_failed_is_said(world: dict[str, str], listed: Any, faults: Faults, words: str) -> None:
    with serving(search(world), faults) as address:
        listed(address, timeout=0.2 if faults.wait else 5, retries=0)
        test = asked(world)
    assert words in said(test).replace("\\", "")


def test_a_missing_key_names_its_variable(world: dict[str, str], listed: Any) -> None:
    listed("http://127.0.0.1:9/s", key={"header": "Authorization", "variable": "NO_SUCH_KEY_HERE"})
    assert "NO_SUCH_KEY_HERE" in said(asked(world)).replace("\\", "")


def test_recorded_lists_answer_at_once(world: dict[str, str]) -> None:
    state = chosen(world)
    ids = search(world)(state.query, 30)
    test = opened(world, engine.FILE)
    assert "answer stands beside" in said(test)
    lines = json.dumps({"query": state.query, "ids": ids})
    test.file_uploader(key="engine-file").upload("lists.jsonl", lines.encode()).run()
    assert not test.exception and "it has 100 % of the exact first" in said(test)
    test.session_state[KEY].ask("a photo of a nurse")
    test.run()
    assert "has no list for it" in said(test)


def test_an_address_of_a_visitor_is_not_asked_on_a_shared_server(
    world: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "why_no_addresses", lambda: engines.reason("0.0.0.0", False, {}, None))
    faults = Faults()
    with serving(search(world), faults) as address:
        test = opened(world, engine.FILE)
        test.file_uploader(key="engine-file").upload("engine.json", json.dumps(described(address)).encode()).run()
        assert not test.exception and "can be reached by others" in said(test)
        assert not [one for one in test.button if one.key == "engine-ask"] and not faults.requests


def test_the_visitor_at_the_machine_asks_his_own(world: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "why_no_addresses", lambda: None)
    with serving(search(world)) as address:
        test = opened(world, engine.FILE)
        test.file_uploader(key="engine-file").upload("engine.json", json.dumps(described(address)).encode()).run()
        assert address.removesuffix("/search") in said(test).replace("\\", "").replace("\u2060", "")
        test.button(key="engine-ask").click().run()
    assert "it has 100 % of the exact first" in said(test)
