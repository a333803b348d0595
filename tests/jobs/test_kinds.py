"""Every kind of job keeps to one contract, and real ones give in a worker what they give at once."""

import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import get_type_hints

import pytest

from core.access import ACTIONS, ROLES
from core.config import InputError
from core.jobs.child import _unexpected
from core.jobs.kind import KINDS, JobKind, _fits, read_order
from core.jobs.store import JobStore
from tests.jobs import rounds

NAMES = (
    "audit",
    "benchmark",
    "encode",
    "gallery-build",
    "gallery-import",
    "lvlm-audit",
    "map",
    "sae-import",
    "sae-train",
    "study",
)
ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_kind_of_long_work_is_there() -> None:
    assert set(NAMES) <= set(KINDS.names())
    files = {path.stem for path in (ROOT / "core" / "jobs" / "kinds").glob("[!_]*.py")}
    assert {name.replace("-", "_") for name in NAMES} == files, "one file a kind, called after it"


def test_no_other_file_knows_the_toy() -> None:
    for path in (path for room in ("core", "pages") for path in (ROOT / room).rglob("*.py")):
        assert "toy-count" not in path.read_text(), path


@pytest.mark.parametrize("name", [*NAMES, "toy-count"])
def test_the_contract_of_a_kind(name: str) -> None:
    kind = KINDS.get(name)
    assert issubclass(kind, JobKind) and kind.title[0].isupper()
    assert kind.__doc__ or name == "toy-count"
    assert kind.action in ACTIONS and set(ACTIONS[kind.action].roles) <= set(ROLES)
    assert dataclasses.is_dataclass(kind.Order) and kind.Order.__dataclass_params__.frozen
    for field, hint in get_type_hints(kind.Order).items():
        assert not _fits(object(), hint), f"{name} takes anything as {field}"
    with pytest.raises(InputError, match="takes no 'nonsense'"):
        read_order(kind, {"nonsense": 1})
    needed = [one.name for one in dataclasses.fields(kind.Order) if one.default is dataclasses.MISSING]
    with pytest.raises(InputError, match=f"lacks .*{needed[0]}"):
        read_order(kind, {})


def examples(home: Path) -> dict[str, dict]:
    """An order of each kind that can be read."""
    audit = {"schema": 2, "gallery": "default", "attributes": ["gender"], "prompts": ["a doctor"], "k": 10}
    audit |= {"target": "gallery", "title": "T", "seed": 0}
    lvlm = {"schema": 1, "kind": "lvlm", "title": "T", "model": "default-lvlm", "gallery": "default"}
    lvlm |= {"attributes": ["gender"], "protocol": "yes-no", "words": ["pilot"], "n": 24}
    out = {"out": str(home / "made")}
    return {
        "audit": {"spec": audit},
        "benchmark": {"gallery": "default", "protocol": "default", "methods": ["identity"], "saes": {}},
        "encode": {"gallery": "default", "sae": "default-image"},
        "gallery-build": {"way": "captions", "source": str(home / "texts.csv")} | out,
        "gallery-import": {"source": "x.npy", "model_name": "m"} | out,
        "lvlm-audit": {"spec": lvlm},
        "map": {"map": "0" * 24},
        "sae-import": {"source": "x"} | out,
        "sae-train": {"gallery": "default", "config": {}, "training": {"steps": 3}} | out,
        "study": {"gallery": "default", "study": "specificity", "attributes": ["gender"], "saes": {}},
        "toy-count": out,
    }


@pytest.mark.parametrize("name", [*NAMES, "toy-count"])
def test_what_a_job_is_about_has_no_path(name: str, home: Path) -> None:
    kind, order = KINDS.get(name), examples(home)[name]
    read = read_order(kind, json.loads(json.dumps(order)))
    subject, place = kind().subject(read), kind().place(read)
    assert subject and str(home) not in subject and "/" not in subject
    assert place is None or place.is_absolute()


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("gallery-build", {"way": "captions", "source": "nowhere.csv", "out": "o"}, "nowhere.csv"),
        ("gallery-build", {"way": "nonsense", "source": "x", "out": "o"}, "nonsense"),
        (
            "gallery-build",
            {"way": "captions", "source": "x", "out": "o", "attaches": ["nose"]},
            "attach point was 'nose'",
        ),
        ("gallery-import", {"source": "nowhere.npy", "model_name": "m", "out": "o"}, "nowhere.npy is not there"),
        ("gallery-import", {"source": "x", "model_name": " ", "out": "o"}, "needs the path of the embeddings"),
        ("sae-import", {"source": "nowhere", "out": "o"}, "nowhere is not there"),
        ("sae-train", {"gallery": "nowhere", "out": "o", "config": {}, "training": {}}, "nowhere is no gallery"),
        ("sae-train", {"gallery": "default", "out": "o", "config": {}, "training": {}}, "cannot be read"),
        ("encode", {"gallery": "default", "sae": "nowhere"}, "no SAE 'nowhere'"),
        ("audit", {"spec": {"schema": 2}}, "spec"),
        ("lvlm-audit", {"spec": {"schema": 1, "kind": "lvlm"}}, "spec"),
        ("benchmark", {"gallery": "default", "protocol": "x", "methods": ["identity"], "saes": {}}, "unknown .* 'x'"),
        ("benchmark", {"gallery": "default", "protocol": "default", "methods": [], "saes": {}}, "at least one method"),
        ("study", {"gallery": "default", "study": "x", "saes": {}}, "unknown study 'x'"),
        ("study", {"gallery": "default", "study": "leakage", "saes": {}, "attributes": ["a"]}, "no attribute 'a'"),
        ("study", {"gallery": "default", "study": "leakage", "saes": {}, "target": 3}, "target was 3"),
        ("map", {"map": "../../etc"}, "expected 24 hexadecimal digits"),
        ("map", {"map": "0" * 24}, "the points of this map are not there"),
    ],
)
def test_what_is_wrong_is_said_before_it_waits(home: Path, name: str, given: dict, words: str) -> None:
    store = JobStore()
    with pytest.raises(InputError, match=words):
        store.submit(name, given, rounds.WHO)
    assert store.counts()["waiting"] == 0
    store.close()


def test_a_folder_that_is_there_is_not_made_again(home: Path) -> None:
    store = JobStore()
    (home / "there").mkdir()
    for name in ("gallery-build", "gallery-import", "sae-import", "sae-train"):
        order = examples(home)[name] | {"out": str(home / "there")}
        with pytest.raises(InputError, match="there exists already"):
            store.submit(name, order, rounds.WHO)
    store.close()


def test_real_work_survives_kills_to_the_byte(home: Path) -> None:
    """An import and a training, with workers killed at random moments; results as of those that nobody disturbed."""
    from core.jobs.kind import Work

    rounds.world(home / "world", captions=10)
    right = {}
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    store = JobStore()
    for name, order in rounds.orders(home / "world", home / "peace", few=True).items():
        kind = KINDS.get(name)
        at_hand = Work(lambda *_: None, lambda _: None, home / "jobs" / "none")
        right[name] = kind().run(read_order(kind, order), at_hand).place
    asked = {
        name: store.submit(name, order, rounds.WHO)
        for name, order in rounds.orders(home / "world", home / "killed", few=True).items()
    }
    workers = rounds.Workers(1, 1, rounds.AT_ONCE)
    try:
        rounds.done(store, asked.values(), workers, kills=2, pause=2.0)
    finally:
        workers.stop()
    for name, job in asked.items():
        made = store.get(job)
        assert made.state == "done", (made.reason, store.log(job))
        assert rounds.contents(Path(made.place)) == rounds.contents(right[name]), name
    assert workers.kills >= 1
    store.close()


def test_a_disk_that_is_full_under_a_job_is_said_with_its_path() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/nowhere/galleries/mine")
    assert _unexpected(error).startswith("/nowhere/galleries/mine cannot be written: the disk is full")
    assert "under" in _unexpected(OSError(errno.EIO, os.strerror(errno.EIO), "/nowhere"))


def test_the_same_question_about_a_gallery_that_has_changed_is_another_one(home: Path) -> None:
    for name in ("study", "benchmark"):
        kind, order = KINDS.get(name), examples(home)[name]
        then, now = (read_order(kind, order | {"digests": {"gallery": digest}}) for digest in ("a", "b"))
        assert kind().place(then) != kind().place(now)
