"""Role x action: every action's guarded functions, called as everybody, are refused or not as one table says."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import access
from core.access import ACTIONS, ALONE, GUEST, NOBODY, ROLES, Person, Refused, acting_as
from core.jobs.kind import KINDS, JobKind
from core.jobs.store import JobStore
from core.labelling import LabelEvent, LabelLog, LabelSet
from core.team import record

NOT = "."
TABLE = """
                 guest viewer rater auditor operator
look               x     x      x     x       x
compare            x     x      x     x       x
ask                x     x      x     x       x
download           .     x      x     x       x
open               .     x      x     x       x
follow             .     x      x     x       x
present            .     .      .     x       x
label              .     .      x     .       x
adjudicate         .     .      x     .       x
freeze-labels      .     .      x     x       x
upload             .     .      .     x       x
audit              .     .      .     x       x
export-edit        .     .      .     x       x
benchmark          .     .      .     x       x
map                .     .      .     x       x
verify             .     .      .     x       x
choose             .     .      .     .       x
build              .     .      .     .       x
import             .     .      .     .       x
train              .     .      .     .       x
delete             .     .      .     .       x
see-jobs           .     x      x     x       x
cancel-any-job     .     .      .     .       x
operate            .     .      .     .       x
"""


def expected() -> dict[str, dict[str, bool]]:
    roles, *lines = (line.split() for line in TABLE.strip().splitlines())
    return {action: {role: mark != NOT for role, mark in zip(roles, marks, strict=True)} for action, *marks in lines}


MAY = expected()
PEOPLE = {role: Person(f"{role}@example.org", role, frozenset({role})) for role in (GUEST, *ROLES)}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a configured server that no root lists; labels and audits are kept there."""
    (tmp_path / "unskew.toml").write_text('[access]\nmode = "open"\n')
    monkeypatch.setenv(access.CONFIG_VARIABLE, str(tmp_path / "unskew.toml"))
    monkeypatch.setenv("UNSKEW_LABELS", str(tmp_path / "labels.sqlite"))
    monkeypatch.setenv("UNSKEW_AUDITS", str(tmp_path / "audits"))
    monkeypatch.setenv("UNSKEW_JOBS", str(tmp_path / "jobs.sqlite"))
    monkeypatch.setenv("UNSKEW_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(KINDS._variants, "toy-nothing", Nothing)
    return tmp_path


def event(kind: Any, rater: str = "") -> LabelEvent:
    more = {"type": "unclear"} if kind != "skip" else {}
    return LabelEvent(
        neuron=1, rater=rater or access.acting().name or "x", sae="s" * 64, gallery=None, kind=kind, **more
    )


@dataclass(frozen=True)
class NoOrder:
    number: int = 0


class Nothing(JobKind):
    """Work that is never begun."""

    title, action, Order = "Nothing", "look", NoOrder

    def subject(self, order: Any) -> str:
        return "nothing"

    def run(self, order: Any, work: Any) -> Any:
        raise AssertionError


def others_job(store: JobStore) -> str:
    """A job of somebody else."""
    with acting_as(Person("else@example.org", "else", frozenset({"viewer"}))):
        return store.submit("toy-nothing", {})


def see_others(store: JobStore) -> None:
    others_job(store)
    if not store.listed():
        raise Refused("nothing is listed")


def add(*events: LabelEvent) -> None:
    log = LabelLog()
    try:
        log.extend(events)
    finally:
        log.close()


def keep_set() -> None:
    LabelLog().save_set(LabelSet("x", "s" * 64, (1,), "rule", by="x"))


def none(function: Callable[..., Any], n: int = 0, **more: Any) -> Any:
    """The function with n times None: where it is not refused it fails over them, which is as good."""
    return function(*[None] * n, **more)


def calls(place: Path) -> dict[str, list[Callable[[], Any]]]:
    """Action -> the functions that pages, links and verbs end in, with the smallest arguments."""
    from core.audit.run import run
    from core.avatars.build import build_default
    from core.backbones.base import load_model
    from core.benchmark import run_benchmark
    from core.benchmark.side_by_side import compare_models
    from core.gallery import build_gallery, build_ivf, import_from, import_gallery, import_sem, open_gallery
    from core.gallery.importing import import_rows
    from core.gallery.synthetic import synth_gallery
    from core.home.exporting import export_edit
    from core.jobs.kinds.lvlm_audit import LvlmAudit, LvlmAuditOrder
    from core.lvlm.answering import answers, free_answer
    from core.lvlm.audit import run_lvlm
    from core.lvlm.layout import read_layout
    from core.lvlm.models import load_lvlm
    from core.lvlm.vla_files import read_vla
    from core.projection import start
    from core.prompts import PromptList
    from core.ranking import rank
    from core.report import kept
    from core.saes.checkpoint import load_foreign, load_sae
    from core.saes.frozen import load_frozen
    from core.studies import StudyRequest
    from core.training import forget, train_on_gallery, train_sae
    from core.ui.data.choosing import _use
    from core.ui.data.training_jobs import Trainings
    from core.ui.parts import offers
    from core.ui.server.page import _export
    from core.ui.session import following, presenting
    from core.ui.session.uploads import Uploads
    from core.verify import verify

    class Place:
        """A page's container that gives what it is asked for."""

        def download_button(self, *_: Any, **__: Any) -> bool:
            return True

        def file_uploader(self, *_: Any, **__: Any) -> str:
            return "a file"

    def offered(offer: Callable[..., Any]) -> None:
        if not offer(Place()):
            raise Refused("nothing is offered")

    def ordered(**more: Any) -> None:
        """What a job checks before it waits."""
        spec = {"schema": 1, "kind": "lvlm", "gallery": "default", "attributes": ["gender"], **more}
        LvlmAudit().check(LvlmAuditOrder(spec))

    def shown() -> None:
        """What somebody presented who may not any more."""
        with acting_as(PEOPLE["operator"]):
            code = presenting.begin()
        presenting.publish("compare", {})
        if not presenting.own_code():
            raise Refused(f"{code} is followed no more")

    outside = place / "elsewhere"
    return {
        "look": [
            lambda: open_gallery("default"),
            lambda: load_frozen("default-image"),
            lambda: load_sae("default-image"),
            lambda: load_model("default"),
        ],
        "compare": [lambda: none(rank, 2)],
        "ask": [lambda: none(answers, 2), lambda: none(free_answer, 3)],
        "download": [lambda: offered(offers.download)],
        "open": [lambda: none(_use, 6)],
        "follow": [lambda: following.follow("ABCDE-23456"), lambda: following.catch_up([])],
        "present": [presenting.begin, shown],
        "label": [
            lambda: add(event("label")),
            lambda: add(event("skip")),
            lambda: add(event("label", f"guess for {access.acting().name}")),
        ],
        "adjudicate": [lambda: add(event("adjudication"))],
        "freeze-labels": [keep_set],
        "upload": [
            lambda: none(Uploads().add_images, 3),
            lambda: none(Uploads().add_captions, 2),
            lambda: offered(offers.upload),
        ],
        "audit": [lambda: none(run, 1), lambda: none(run_lvlm, 1), lambda: none(kept.keep, 1)],
        "export-edit": [lambda: none(export_edit, 2)],
        "benchmark": [lambda: none(run_benchmark, 3), lambda: none(compare_models, 2), lambda: none(StudyRequest, 1)],
        "map": [lambda: start(place / "map", np.zeros((10**7, 1)))],
        "verify": [lambda: verify(place)],
        "choose": [
            lambda: open_gallery(outside),
            lambda: open_gallery("/etc"),
            lambda: load_sae(outside),
            lambda: load_foreign(outside),
            lambda: load_frozen(outside),
            lambda: load_model(f"local-dir:{outside}"),
            lambda: load_model(f"hf:{outside}"),
            lambda: load_model("ViT-B-32-no-such:openai"),
            lambda: load_lvlm(f"local-dir:{outside}"),
            lambda: load_lvlm("anything"),
            lambda: read_vla(outside, "skills"),
            lambda: read_layout("mme", outside),
            lambda: ordered(questions={"folder": str(outside), "task": "skills"}),
            lambda: ordered(ability={"layout": "mme", "root": str(outside)}),
            lambda: open_gallery(place / "home" / "jobs" / "another" / "given"),
            lambda: PromptList.load("/etc/passwd"),
            lambda: PromptList.load("../../core/../assets/prompts/occupations"),
        ],
        "build": [
            lambda: none(build_gallery, 3),
            lambda: none(build_ivf, 1),
            lambda: none(synth_gallery, 3),
            lambda: build_default(place / "no" / "x", more=3, plan="none"),  # type: ignore[arg-type]
        ],
        "import": [
            lambda: none(import_gallery, 2, model_name=None, out=None),
            lambda: none(import_from, 1, model_name=None, out=None),
            lambda: none(import_sem, 2),
            lambda: none(import_rows, 3, model_name=None, out=None),
            lambda: add(event("label", "somebody@else.org"), event("label", "two@else.org")),
        ],
        "train": [
            lambda: none(train_sae, 2),
            lambda: none(train_on_gallery, 6),
            lambda: forget(outside),
            lambda: none(Trainings().start, 1),
            lambda: Trainings().ask("pausing"),
        ],
        "delete": [lambda: kept.forget("none")],
        "see-jobs": [lambda: see_others(JobStore())],
        "cancel-any-job": [lambda: JobStore().cancel(others_job(JobStore()))],
        "operate": [lambda: _export(record.as_csv, "", "")],
    }


def refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except Refused:
        return True
    except Exception as error:  # it was let in, and has nothing to work on
        assert "positional argument" not in str(error) and "keyword argument" not in str(error), "a call that is none"
        return False
    return False


def test_the_table_names_every_action_and_every_role() -> None:
    assert MAY.keys() == ACTIONS.keys()
    assert all(row.keys() == {GUEST, *ROLES} for row in MAY.values())
    for action, row in MAY.items():
        assert {role for role, may in row.items() if may} == ACTIONS[action].roles, action


@pytest.mark.parametrize("role", [GUEST, *ROLES, "nobody", "alone"])
def test_what_is_refused_is_what_the_table_says(role: str, place: Path) -> None:
    person = {"nobody": NOBODY, "alone": ALONE}.get(role) or PEOPLE[role]
    table = calls(place)
    assert table.keys() == ACTIONS.keys()
    wrong = []
    with acting_as(person):
        for action, functions in table.items():
            may = MAY[action].get(role, role == "alone")
            # what is said under another name than one's own is a label first, and then an import
            wrong += [(action, number) for number, call in enumerate(functions) if refused(call) == may]
    assert wrong == []


def test_without_a_configuration_nothing_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(access.CONFIG_VARIABLE)
    assert access.acting() == ALONE
    assert [action for action, functions in calls(place).items() if any(map(refused, functions))] == []


def test_with_a_configuration_whoever_is_not_known_is_nobody(place: Path) -> None:
    before = access._asked[:]
    access._asked.clear()
    try:
        assert access.acting() == NOBODY
        assert [a for a, functions in calls(place).items() if not all(map(refused, functions))] == []
    finally:
        access._asked[:] = before


def test_roles_add_up_and_a_refusal_is_one_line_without_paths(place: Path) -> None:
    both = Person("x", "x", frozenset({"rater", "auditor"}))
    with acting_as(both):
        assert {a for a in ACTIONS if access.may(a)} == {a for a, row in MAY.items() if row["rater"] or row["auditor"]}
    with acting_as(PEOPLE["viewer"]), pytest.raises(Refused) as said:
        access.require_folder(place / "elsewhere")
    assert str(place) not in str(said.value) and "\n" not in str(said.value)


def test_a_folder_that_is_there_and_one_that_is_not_get_the_same_answer(place: Path) -> None:
    from core.gallery import open_gallery

    (place / "there").mkdir()
    (place / "there" / "manifest.json").write_text("{}")
    said = set()
    with acting_as(PEOPLE["auditor"]):
        for path in (
            place / "there",
            place / "not",
            Path("/etc/passwd"),
            Path("../../x"),
            place / "audits" / ".." / "x",
        ):
            with pytest.raises(Refused) as error:
                open_gallery(path)
            said.add(str(error.value))
    assert len(said) == 1


def test_what_a_root_lists_is_opened_by_everybody_who_looks(place: Path) -> None:
    root = place / "root"
    (root / "in").mkdir(parents=True)
    (place / "out").mkdir()
    (root / "link").symlink_to(place / "out")
    text = f'[access]\nmode = "open"\n[roots.galleries]\nr = "{root}"\n[roots.models]\nclip = "RN50:openai"\n'
    (place / "other.toml").write_text(text)
    os.environ[access.CONFIG_VARIABLE] = str(place / "other.toml")
    assert access.folder_named("galleries", "r") == root and access.folder_named("galleries", "r/in") == root / "in"
    for name in ("r/", "r/..", "r/.", "r/in/x", "r\\in", "R/in", "in", "", str(root), "r/a\0"):
        assert access.folder_named("galleries", name) is None
    assert access.folder_named("saes", "r") is None
    with acting_as(PEOPLE[GUEST]):
        access.require_folder(root / "in")
        access.require_folder(root)
        access.require_model("RN50:openai", None)
        access.require_model("default", None)
        for folder in (root / ".." / "out", root / "link", place, Path("/")):
            with pytest.raises(Refused):
                access.require_folder(folder)
        for name in ("RN50:yfcc15m", "ViT-B-32", "", "../models/default", "hf-hub:a/b"):
            with pytest.raises(Refused):
                access.require_model(name, None)
