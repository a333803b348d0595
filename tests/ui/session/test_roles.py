"""Pages on a team server: what a role lacks is not there, no path of the disk is anywhere, strangers read one page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.testing.v1 import AppTest

from core import access
from core.access import GUEST, NOBODY, ROLES, Person
from core.config import HOME_VARIABLE, ROOT, Edit, InputError, own_folder
from core.team.entering import Visit
from core.ui.parts import door, menu
from core.ui.session import cache, entering, folders, keeping, label_log, links
from core.ui.session.state import KEY, AppState
from tests.ui.world import SmallModel

pytestmark = pytest.mark.usefixtures("small_model")

EVERYWHERE = ["start", "neurons", "compare", "ask", "report", "guide"]
PAGES = {
    GUEST: EVERYWHERE,
    "viewer": [*EVERYWHERE, "data_and_models", "jobs"],
    "rater": [*EVERYWHERE, "data_and_models", "jobs", "label"],
    "auditor": [*EVERYWHERE, "data_and_models", "jobs", "label", "benchmark", "models"],
    "operator": [*EVERYWHERE, "data_and_models", "jobs", "label", "benchmark", "models", "server"],
}
AUDITORS, OPERATORS, RATERS = {"auditor", "operator"}, {"operator"}, {"rater", "operator"}
CONTROLS = {
    ("start", "Your own"): AUDITORS,
    ("report", "Run the audit"): AUDITORS,
    ("report", "Verify the archive"): AUDITORS,
    ("report", "SPEC.json"): AUDITORS,
    ("data_and_models", "Make a gallery"): OPERATORS,
    ("data_and_models", "Train an SAE"): OPERATORS,
    ("data_and_models", "Use these"): {"viewer", "rater", "auditor", "operator"},
    ("benchmark", "Measure"): AUDITORS,
    ("label", "Keep this set"): AUDITORS | RATERS,
    ("label", "Label"): RATERS,
    ("ask", "Load"): OPERATORS,
    ("ask", "Many questions"): AUDITORS,
    ("neurons", "Label"): RATERS,
}
"""(page, text of a control) -> roles that see it."""

VIEWS: dict[str, list[dict[str, Any]]] = {
    "neurons": [{}, {"neuron": 4}],
    "compare": [{"query": "a photo of a doctor"}, {"query": "a photo of a doctor", "edits": {"image": Edit((4,))}}],
    "label": [{"filters": {"label-view": view}} for view in ("sets", "agreement", "label")],
    "data_and_models": [{"filters": {"data-view": view}} for view in ("choose", "quality", "prompts", "gallery")],
    "start": [{}, {"filters": {"start-view": "uploads"}}],
}
"""Page -> what is chosen in each of the views that are looked at."""


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = folder / f"unskew-{abs(hash(text))}.toml"
    path.write_text(text)
    monkeypatch.setenv(access.CONFIG_VARIABLE, str(path))


@pytest.fixture
def served(world: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Begins to serve the small world under the root "w" to everybody with a role."""
    monkeypatch.setenv("UNSKEW_AUDITS", str(tmp_path / "audits"))

    def serve(role: str) -> None:
        root = Path(world["searched"]).parent
        mode = (
            '[access]\nmode = "kiosk"\n[access.kiosk]\ngalleries = ["w/searched"]\n'
            if role == GUEST
            else f'[access]\nmode = "open"\neveryone = ["{role}"]\n'
        )
        configured(tmp_path, monkeypatch, f'{mode}[roots.galleries]\nw = "{root}"\n[roots.saes]\nw = "{root}"\n')

    before = access._asked[:]
    yield serve
    access._asked[:] = before


def opened(page: str = "start", **changed: Any) -> AppTest:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    state = AppState(gallery="w/searched", model="small", linked=True)
    state.saes = {"image": "w/image", "text": "w/text"}
    for name, value in changed.items():
        setattr(state, name, value)
    test.session_state[KEY] = state
    (test if page == "start" else test.switch_page(f"pages/{page}.py")).run()
    assert test.session_state[KEY].page == page
    return test


def everything(test: AppTest) -> str:
    """All that the browser is told, element by element, the sidebar too."""
    protos = []

    def walk(node: Any) -> None:
        proto = getattr(node, "proto", None)
        if proto is not None:
            protos.append(str(proto))
        for child in getattr(node, "children", {}).values():
            walk(child)

    walk(test._tree)
    return "\n".join(protos).encode().decode("unicode_escape", "replace") + str(test.query_params)


def controls(test: AppTest) -> set[str]:
    """What stands on buttons, fields and switches."""
    found = set()
    for kind in ("button", "file_uploader", "selectbox", "button_group", "download_button", "text_input", "text_area"):
        for item in test.get(kind):
            found.add(getattr(item, "label", "") or getattr(item.proto, "label", ""))
            found |= set(getattr(item, "options", ()) or ())
            found |= {option.content for option in getattr(item.proto, "options", ()) if hasattr(option, "content")}
    return {text.partition(" :")[0] for text in found}


@pytest.mark.parametrize("role", [GUEST, *ROLES])
def test_pages_and_controls_of_a_role(role: str, served: Callable[[str], None], world: dict[str, str]) -> None:
    served(role)
    first = opened()
    assert not first.exception and "went wrong" not in everything(first)
    with access.acting_as(Person("x", "x", frozenset({role}))):
        assert sorted(page.file for page in menu.shown(menu.PAGES)) == sorted(PAGES[role])
    hidden = [world["searched"], str(Path(world["searched"]).parent), str(ROOT), str(own_folder()), str(Path.home())]
    for page in PAGES[role]:
        there: set[str] = set()
        for changed in VIEWS.get(page, [{}]):
            test = opened(page, **changed)
            assert not test.exception, page
            told = everything(test)
            assert "went wrong" not in told, (page, changed)
            if role != "operator":
                for path in hidden:
                    assert path not in told, (page, changed, path)
                assert "pytest-of" not in told
            there |= controls(test)
            assert ("file_uploader" in str(test._tree)) <= (role in AUDITORS)
        for (where, text), roles in CONTROLS.items():
            if where == page:
                assert (text in there) == (role in roles), (page, text, sorted(there))


def test_without_a_configuration_nothing_is_hidden(world: dict[str, str]) -> None:
    assert {page.file for page in menu.shown(menu.PAGES)} == {*PAGES["operator"]} - {"jobs", "server"}
    for page in {where for where, _ in CONTROLS}:
        there: set[str] = set()
        for changed in VIEWS.get(page, [{}]):
            saes = {"image": world["image"], "text": world["text"]}
            there |= controls(opened(page, gallery=world["searched"], saes=saes, **changed))
        assert {text for where, text in CONTROLS if where == page} <= there, page


def test_everything_is_hidden_that_a_role_lacks() -> None:
    """No page makes a field for files or a button that gives one but by the functions that ask who may."""
    named = []
    for path in [*(ROOT / "core" / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")]:
        text = path.read_text()
        if path.name != "offers.py":
            named += [path for call in (".file_uploader(", ".download_button(", ".camera_input(") if call in text]
    assert named == []


ODD = {
    "sign-in": Visit(NOBODY, "sign-in"),
    "expired": Visit(NOBODY, "expired"),
    "not-the-proxy": Visit(NOBODY, "not-the-proxy"),
    "not-set-up": Visit(NOBODY, "not-set-up"),
    "no-role": Visit(NOBODY, "no-role", "Eve <img src=x>"),
}


@pytest.mark.parametrize("why", ODD)
def test_strangers_read_one_calm_page(why: str, served: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    served("viewer")
    monkeypatch.setattr(entering, "visit", lambda: ODD[why])
    test = opened()
    told = everything(test)
    assert not test.exception and not test.sidebar.markdown
    assert [title.value for title in test.title] == ["Unskew"]
    assert ("has no role on this server" in told) == (why == "no-role")
    assert "searched" not in told and "<img" not in told


def test_a_file_that_cannot_be_read_any_more_lets_nobody_in(
    served: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served("operator")
    configured(tmp_path, monkeypatch, "[access")
    test = opened()
    assert not test.exception and "not set up rightly" in everything(test) and not test.sidebar.markdown


def test_another_person_in_the_same_session_finds_nothing_of_the_first(
    served: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    served("viewer")
    people = [Person(f"{name}@example.org", name, frozenset({"viewer"})) for name in ("ada", "eve")]
    monkeypatch.setattr(entering, "visit", lambda: Visit(people[0]))
    test = opened(query="something private")
    assert "ada" in everything(test) and test.session_state[KEY].query == "something private"
    test.run()
    assert test.session_state[KEY].query == "something private"
    people.reverse()
    test.run()
    assert test.session_state[KEY].query == "" and "private" not in everything(test)


@pytest.mark.parametrize("role", [GUEST, "viewer"])
def test_what_was_asked_at_a_stand_is_in_no_address(role: str, served: Callable[[str], None]) -> None:
    """The browser keeps every address, and its Back leads to them after the stand has begun anew."""
    served(role)
    test = opened("compare", query="a photo of a doctor")
    assert test.session_state[KEY].query == "a photo of a doctor"
    assert ("doctor" in str(test.query_params)) == (role != GUEST)


def test_a_sign_in_that_ends_ends_the_page(served: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    served("viewer")
    visits = [Visit(Person("ada@example.org", "ada", frozenset({"viewer"})))]
    monkeypatch.setattr(entering, "visit", lambda: visits[-1])
    test = opened("compare", query="a photo of a doctor")
    assert "sign-in has ended" not in everything(test)
    visits.append(Visit(NOBODY, "expired"))
    test.run()
    assert "sign-in has ended" in everything(test) and not test.sidebar.markdown and not test.text_input


def test_names_come_from_whoever_signed_in(
    served: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    served("rater")
    ada = Person("ada@example.org", "Ada", frozenset({"rater", "auditor"}))
    monkeypatch.setattr(entering, "visit", lambda: Visit(ada))
    test = opened("label", filters={"rater": "somebody else"})
    assert not [field for field in test.text_input if field.label == "Your name"]
    key = next(button for button in test.button if button.key and "-type-9" in button.key)
    key.click().run()
    assert [entry.rater for entry in label_log.log().events()] == ["ada@example.org"]
    (field,) = (field for field in opened("report").text_input if field.label == "Auditor")
    assert field.value == "ada@example.org" and field.disabled


def test_an_auditors_report_names_galleries_as_people_know_them(
    served: Callable[[str], None], world: dict[str, str], tmp_path: Path
) -> None:
    from core.audit.run import run
    from core.audit.spec import AuditSpec
    from core.report import ReportOptions, write_report
    from core.verify import verify

    served("auditor")
    asked = {"schema": 2, "title": "x", "gallery": "w/searched", "sae": "w/image", "attributes": ["gender"], "k": 5}
    asked |= {"prompts": ["red", "blue"], "edit": {"select": "rule"}, "model": "small"}
    with access.acting_as(Person("ada@example.org", "ada", frozenset({"auditor"}))):
        made = run(AuditSpec.from_json(asked), SmallModel())  # type: ignore[arg-type]
        out = write_report(made, tmp_path / "report", ReportOptions(auditor="ada@example.org"))
        assert verify(out, encode=False).equal
        with pytest.raises(access.Refused):
            run(AuditSpec.from_json(asked | {"gallery": str(tmp_path)}))
    root = Path(world["searched"]).parent
    assert [file.name for file in out.iterdir() if str(root).encode() in file.read_bytes()] == []


def test_files_are_taken_from_whoever_may_upload_alone(
    served: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the page there is the address to which files are sent: it asks as well, by the session."""
    keeping.guard_uploads()
    limited = '[access]\nmode = "open"\neveryone = ["auditor"]\n[limits.auditor]\nupload_mb = 0.5\n'
    taken = {}
    for role in ("viewer", "rater", "auditor", "limited", "stranger"):
        served("auditor" if role == "limited" else role if role != "stranger" else "viewer")
        if role == "limited":
            configured(tmp_path, monkeypatch, limited)
        person = Person("x", "x", frozenset({"auditor" if role == "limited" else role}))
        if role != "stranger":
            monkeypatch.setitem(entering._people, role, person)
        manager = MemoryUploadedFileManager("/upload")
        manager.add_file(role, UploadedFileRec(f"{role}-file", "a.png", "image/png", b"x" * 700_000))
        (kept,) = manager.get_files(role, [f"{role}-file"])
        taken[role] = len(kept.data)
    assert taken == {"viewer": 0, "rater": 0, "auditor": 700_000, "limited": 0, "stranger": 0}


def test_a_kiosk_begins_anew_when_nobody_is_there(served: Callable[[str], None]) -> None:
    assert not door.idle(170.0, 0.0, 3) and door.idle(180.0, 0.0, 3)
    served(GUEST)
    test = opened(gallery="default")
    assert test.session_state[KEY].gallery == "w/searched", "a stand shows what was chosen for it"
    assert not test.session_state[door.TOUCHED]
    test.run()
    assert test.session_state[door.TOUCHED]
    test.session_state[KEY].query = "somebody's"
    test.session_state[door.SEEN] -= 1000
    test.run()
    assert test.session_state[KEY].query == "somebody's", "the run is somebody's doing"


ATTACKS = ROOT.parent / "shared" / "attacks" / "links.txt"


@pytest.mark.skipif(not ATTACKS.is_file(), reason=f"{ATTACKS} is not here")
@pytest.mark.parametrize("role", [GUEST, "viewer", "auditor"])
def test_hostile_links_open_nothing_that_is_not_listed(
    role: str, served: Callable[[str], None], world: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served(role)
    lines = [line for line in ATTACKS.read_text().splitlines() if line.startswith("?")]
    own = [f"?gallery={world['probe']}", f"?image_sae={world['image']}", "?gallery=w/../w/probe", "?gallery=w//probe"]
    with access.acting_as(Person("", "", frozenset({role}))):
        listed = set(folders.known("galleries")) | {"default"}
        saes = set(folders.known("saes")) | {"default-image", "default-text"}
        for line in [*lines, *own, "?gallery=default-probe", "?gallery=w/captions", "?model=small"]:
            state = AppState()
            said = links.apply(parse_qs(line[1:], keep_blank_values=True), state)
            assert state.gallery in listed and set(state.saes.values()) <= saes and state.model == "default", line
            for text in said:
                assert (
                    "\n" not in text
                    and "root:" not in text
                    and str(Path(world["probe"]).parent) not in (set() if line in own else text)
                ), line
    assert len(lines) > 40


@pytest.mark.parametrize("role", [GUEST, "viewer", "rater", "auditor"])
def test_what_is_there_and_what_is_not_get_one_answer(
    role: str, served: Callable[[str], None], world: dict[str, str]
) -> None:
    served(role)
    with access.acting_as(Person("", "", frozenset({role}))):
        said = set()
        for name in ("/etc", "/etc/passwd", "/no/such", "../..", "~", "nobody", "w", "w/none", "file:///etc"):
            with pytest.raises(InputError) as error:
                cache.gallery(name)
            said.add(str(error.value))
        assert len(said) == 1
        for load in (cache.sae, cache.sae_card):
            with pytest.raises(InputError):
                load("/etc/hostname")
