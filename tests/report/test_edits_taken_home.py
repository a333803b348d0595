"""The edits of an audited report as files: the recorded ones, with the report's digest; another gallery is refused."""

import hashlib
import json
from pathlib import Path

import pytest

from core.audit.run import run
from core.audit.spec import AuditSpec
from core.config import InputError
from core.home.exporting import export_edit
from core.portable import read_edit, write_edit
from core.report import FILES, write_report
from core.report.taken_home import audited_scene, taken_home

PROMPTS = ("a photo of a doctor", "a photo of a nurse")


def audited(folder: Path, **spec: object) -> dict[str, bytes]:
    given = {"gallery": "default", "attributes": ["gender"], "k": 60, "prompts": PROMPTS, "sae": "default-image"}
    out = write_report(run(AuditSpec(**{**given, **spec})), folder / "report")
    return {name: (out / name).read_bytes() for name in (*FILES, "manifest.json")}


@pytest.fixture(scope="module")
def per_query(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    edit = {"select": "attribution", "size": 4, "per_query": True}
    methods = ("neuron-edit", "leace", "bendvlm")
    return audited(tmp_path_factory.mktemp("audit"), edit=edit, method="neuron-edit", methods=methods)


def test_the_recorded_edits_travel_one_for_each_set_of_searches(per_query: dict[str, bytes], tmp_path: Path) -> None:
    found = taken_home(per_query)
    document = json.loads(per_query["report.json"])
    recorded = [one["image"]["neurons"] for one in document["attributes"][0]["edits"]]
    names = [name for name in found.requests if name.startswith("neuron-edit")]
    assert names == ["neuron-edit-gender-a-photo-of-a-doctor", "neuron-edit-gender-a-photo-of-a-nurse"]
    assert [list(found.requests[name].edits["image"].neurons) for name in names] == recorded
    assert "labelled items" in found.refused["BendVLM"] and "leace-gender" in found.requests
    scene = audited_scene(per_query)
    write_edit(export_edit(scene, found.requests[names[0]]), tmp_path / "edit")
    edit = read_edit(tmp_path / "edit")
    assert edit.about["audit"] == {
        "name": document["spec"]["title"],
        "digest": hashlib.sha256(per_query["manifest.json"]).hexdigest(),
    }
    assert edit.about["query"] == [PROMPTS[0]] and [one["query"] for one in edit.about["measured"]] == [PROMPTS[0]]
    told = document["attributes"][0]["prompts"][0]["after"]["lean"]
    measured = edit.about["measured"][0]["groups"]
    assert {group: one["points"]["after"] for group, one in measured.items()} == {
        group: one["points"] for group, one in told.items()
    }, "the file says what the report says"


def test_an_edit_for_all_searches_is_one_file(tmp_path: Path) -> None:
    files = audited(tmp_path, edit={"neurons": [3, 7]})
    (name,) = (found := taken_home(files)).requests
    assert name == "neuron-edit-gender" and not found.refused
    assert found.requests[name].queries == PROMPTS and not found.requests[name].per_query


def test_nothing_edited_is_nothing_to_take(tmp_path: Path) -> None:
    found = taken_home(audited(tmp_path, sae=None))
    assert not found.requests and not found.refused


def test_another_gallery_by_now_is_refused(per_query: dict[str, bytes]) -> None:
    document = json.loads(per_query["report.json"])
    document["gallery"]["digest"] = "0" * 64
    with pytest.raises(InputError, match="the gallery that the report was measured on has the digest 00000000"):
        audited_scene({**per_query, "report.json": json.dumps(document).encode()})
