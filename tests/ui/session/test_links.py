"""A link restores its view; a link to what is not there says which part and restores the rest."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import Edit, InputError
from core.ui.session import links
from core.ui.session.escaping import escape
from core.ui.session.links import Loaders, apply, params_of
from core.ui.session.state import AppState


@dataclass
class Gallery:
    digest: str
    attributes: list[str] = field(default_factory=lambda: ["gender", "race"])

    def components(self, attribute: str) -> list[str]:
        parts = attribute.split(" x ")
        if not set(parts) <= set(self.attributes):
            raise InputError(f"the gallery has {', '.join(self.attributes)}")
        return parts

    def rows(self, half: str, where: dict[str, str]) -> list[int]:
        for column, value in where.items():
            if column not in self.attributes:
                raise InputError(f"unknown column {column!r}; the gallery has {', '.join(self.attributes)}")
            if value == "nobody":
                raise InputError(f"{column} has no value {value!r}")
        return [0]


@dataclass
class Card:
    digest: str
    d_sae: int = 1024


def world(**changed: str) -> Loaders:
    known = {
        "default": "a" * 64,
        "default-probe": "b" * 64,
        "faces": "c" * 64,
        "/data/my faces@home": "d" * 64,
    } | changed

    def gallery(name: str) -> Gallery:
        if name not in known:
            raise InputError(f"there is no gallery {name!r}")
        return Gallery(known[name])

    def sae(name: str) -> Card:
        if name not in ("default-image", "default-text", "mine"):
            raise InputError(f"there is no SAE {name!r}")
        return Card("e" * 64)

    return Loaders(gallery, sae, lambda kind, name: True)


def full_state() -> AppState:
    state = AppState(gallery="faces", probe="default-probe", model="ViT-B-32", pretrained="openai")
    state.saes = {"image": "mine"}
    state.ask("a photo of a doctor & nurse; 50 %")
    state.set_k(37)
    state.set_attribute("race")
    state.set_target("uniform")
    state.set_half("evaluation")
    state.set_where({"race": "White", "gender": "a:b=c"})
    state.open_neuron(17, "image")
    state.set_edit("image", Edit((3, 17), strength=1 / 3, gamma=-0.25, form="blend", alpha=0.6))
    return state


STATES = {
    "first view": AppState(),
    "everything chosen": full_state(),
    "a path with an at sign": AppState(gallery="/data/my faces@home"),
    "one neuron off": AppState(edits={"image": Edit((3,))}),
    "reconstruction only": AppState(edits={"text": Edit(form="blend", alpha=1.0)}),
    "a large edit": AppState(edits={"image": Edit(tuple(range(0, 1000, 2)), strength=0.7)}),
    "no SAE": AppState(saes={}),
}


@pytest.mark.parametrize("name", STATES)
def test_a_link_restores_its_view(name: str) -> None:
    state, restored = STATES[name], AppState()
    params = params_of(state, world())
    assert apply(params, restored, world()) == []
    for part in (
        "query",
        "k",
        "attribute",
        "target",
        "where",
        "half",
        "neuron",
        "saes",
        "gallery",
        "probe",
        "pretrained",
    ):
        assert getattr(restored, part) == getattr(state, part), part
    assert params_of(restored, world()) == params
    assert len(str(params)) < 1500


def test_an_old_link_without_a_target_keeps_meaning_even_shares() -> None:
    """Links always name their gallery; those that were written before the target changed named no target of theirs."""
    state = AppState()
    assert apply({"gallery": ["default@aaaaaaaa"], "q": ["a photo of a nurse"]}, state, world()) == []
    assert state.target == "uniform"
    new, typed = AppState(), AppState()
    assert params_of(AppState(), world())["target"] == ["gallery"]
    apply(params_of(AppState(), world()), new, world())
    apply({"q": ["a photo of a nurse"]}, typed, world())
    assert new.target == typed.target == "gallery"
    for target in ("uniform", "gallery"):
        apply({"gallery": ["default"], "target": [target]}, new, world())
        assert new.target == target


BROKEN = {
    "gallery": ["gone@aaaaaaaa"],
    "probe": ["gone"],
    "image_sae": ["lost"],
    "k": ["many"],
    "attribute": ["shoe size"],
    "target": ["fair"],
    "half": ["both"],
    "where": ["race:nobody"],
    "neuron": ["image:5000"],
    "edit": ["image:3,9999"],
}


@pytest.mark.parametrize("part", BROKEN)
def test_a_missing_part_is_named_and_the_rest_restored(part: str) -> None:
    state = AppState()
    params = {"gallery": ["default@aaaaaaaa"], "k": ["37"], "q": ["a photo of a nurse"]} | {part: BROKEN[part]}
    notices = apply(params, state, world())
    assert len(notices) == 1
    assert f"{part}={BROKEN[part][0]}" in notices[0].replace("\\", "")
    assert "\n" not in notices[0]
    assert state.query == "a photo of a nurse"
    assert state.k == (100 if part == "k" else 37)


@pytest.mark.parametrize(
    "text",
    [
        "image",
        "3",
        "sound:3",
        "image:3;colour=1",
        "image:3;strength=2",
        "image:x",
        "image:3;strength=nan",
        "image:digest=00",
    ],
)
def test_a_garbled_edit_is_one_line(text: str) -> None:
    state = AppState()
    assert len(apply({"edit": [text]}, state, world())) == 1
    assert state.edits == {}


def test_a_changed_gallery_is_said() -> None:
    params = params_of(AppState(), world())
    state = AppState()
    (notice,) = apply(params, state, world(default="f" * 64))
    assert "aaaaaaaa, now ffffffff" in notice
    assert state.gallery == "default"


def test_parts_of_other_versions_are_said() -> None:
    notices = apply({"mood": ["calm"], "schema": ["7"], "embed": ["true"]}, AppState(), world())
    assert len(notices) == 2


def linking_page() -> None:
    import streamlit as st

    from core.ui.session import links
    from core.ui.session.state import bind, get_state
    from tests.ui.session.test_links import world

    links.cache.gallery, links.cache.sae_card = world().gallery, world().sae
    links.Loaders.__init__.__defaults__ = (world().gallery, world().sae, world().listed)
    links.restore()
    st.number_input("k", 1, 500, **bind("k"))
    links.write()
    for line in get_state().take_notices():
        st.info(line)


def test_the_address_line_follows_and_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links.cache, "gallery", links.cache.gallery)
    monkeypatch.setattr(links.cache, "sae_card", links.cache.sae_card)
    monkeypatch.setattr(Loaders.__init__, "__defaults__", Loaders.__init__.__defaults__)
    page = AppTest.from_function(linking_page)
    page.query_params["k"] = "40"
    page.query_params["neuron"] = "image:5000"
    page.run()
    assert not page.exception
    assert page.number_input[0].value == 40
    assert "neuron=image:5000" in page.info[0].value.replace("\\", "")
    page.number_input[0].set_value(41).run()
    assert page.query_params["k"] in ("41", ["41"])
    assert not page.info
    page.query_params["k"] = "12"
    page.run()
    assert page.number_input[0].value == 41, "the browser may not have followed yet"
    monkeypatch.setattr(links, "SETTLED_SECONDS", 0.0)
    page.query_params["k"] = "12"
    page.number_input[0].set_value(43).run()
    assert page.number_input[0].value == 43, "an address older than the choice is not read"
    page.query_params["k"] = "12"
    page.run()
    assert page.number_input[0].value == 12, "Back"
    del page.query_params["k"]
    page.run()
    assert page.number_input[0].value == 100, "Back to a link that left the default out"


HOSTILE = [
    {"gallery": ["/etc/passwd"]},
    {"gallery": ["../../../../etc"]},
    {"gallery": ["default/../default-probe"]},
    {"gallery": ["file:///etc/passwd"]},
    {"gallery": ["\x00"]},
    {"image_sae": ["/etc/hostname"]},
    {"text_sae": ["/dev/zero"]},
    {"model": ["local-dir:/etc"]},
    {"model": ["hf-hub:org/name"]},
    {"model": ["http://127.0.0.1:9/x"]},
    {"weights": ["/etc/passwd"]},
    {"k": ["-1"]},
    {"k": ["1e9"]},
    {"k": ["99999999999999999999999999"]},
    {"k": ["\u0663"]},
    {"neuron": ["image:5000000000"]},
    {"neuron": ["nope:1"]},
    {"attribute": ["__class__"]},
    {"where": ["gender=="]},
    {"method": ["../../neuron_edit"]},
    {"method": ["__init__"]},
    {"target": ["/etc/passwd"]},
    {"edit": ["image:" + "9" * 6000]},
    {"![x](http://127.0.0.1:9/p.png)": ["1"]},
    {"": [""]},
]


@pytest.mark.parametrize(
    "params", HOSTILE, ids=lambda params: next(iter(params)) + "=" + next(iter(params.values()))[0][:20]
)
def test_a_hostile_part_is_one_line_and_changes_nothing(params: dict[str, list[str]]) -> None:
    """With what is really listed here; no sign of Markdown is left in what is said."""
    state, plain = AppState(), params_of(AppState(), world())
    state.set_target("gallery")
    (notice,) = apply(params | ({"target": ["gallery"]} if "gallery" in params else {}), state)
    shown = escape(notice)  # as the frame does with every notice
    assert "\n" not in notice and "](" not in shown.replace("\\]\\(", "").replace("\\](", "")
    assert params_of(state, world()) == plain


def test_what_is_there_and_what_is_not_get_the_same_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aaa").mkdir()
    (tmp_path / "aaa" / "manifest.json").write_text("{")
    monkeypatch.setattr("core.ui.session.links._short", lambda value: value)
    answers = set()
    for name in ("aaa", "bbb"):
        (notice,) = apply({"gallery": [str(tmp_path / name)], "target": ["gallery"]}, AppState())
        answers.add(notice.replace(name, "NAME"))
    assert len(answers) == 1
    # a folder that the operator named is listed, and what is wrong with it is said
    monkeypatch.setenv("UNSKEW_FOLDERS", str(tmp_path))
    (notice,) = apply({"gallery": [str(tmp_path / "aaa")], "target": ["gallery"]}, AppState())
    assert "is no JSON" in notice.replace("\\", "")


def test_whatever_a_part_raises_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Gallery:
        raise KeyError("positions")

    loaders = Loaders(broken, broken, lambda kind, name: True)
    (notice,) = apply({"gallery": ["default"], "target": ["gallery"]}, AppState(), loaders)
    assert "it cannot be read" in notice
    assert params_of(AppState(), loaders)["gallery"] == ["default"]
