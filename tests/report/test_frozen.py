"""A spec that was frozen is audited as it was, or not at all."""

import json
from pathlib import Path

import pytest

from core.audit.frozen import freeze, load_spec
from core.cli import main
from core.config import InputError

SPEC = {"schema": 2, "gallery": "default", "attributes": ["gender"], "k": 10, "prompts": ["a photo of a doctor"]}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC))
    return path


def test_freezing_writes_digest_and_time_beside_the_spec_and_measures_nothing(
    spec: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["audit", str(spec), "--freeze", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    written = json.loads((spec.parent / "spec.frozen.json").read_text())
    assert {path.name for path in spec.parent.iterdir()} == {"spec.json", "spec.frozen.json"}
    assert said["digest"] == written["digest"] == load_spec(spec)[0].digest
    assert said["frozen_at"] == written["frozen_at"]


def test_what_was_frozen_stays_frozen(spec: Path, capsys: pytest.CaptureFixture) -> None:
    path, first = freeze(spec)
    kept = path.read_bytes()
    assert freeze(spec)[1] == freeze(path)[1] == first and path.read_bytes() == kept
    spec.write_text(json.dumps(SPEC | {"k": 11}))
    for arguments in (["--freeze"], ["--out", str(spec.parent / "report")]):
        assert main(["audit", str(spec), *arguments]) == 2
        assert "spec.frozen.json fixed" in capsys.readouterr().err
    assert path.read_bytes() == kept


def test_layout_and_order_of_keys_are_no_change(spec: Path) -> None:
    _, frozen = freeze(spec)
    spec.write_text(json.dumps(dict(reversed(SPEC.items())), indent=4))
    assert load_spec(spec)[1] == frozen


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spec": SPEC | {"k": 11}}, "was changed after it was frozen"),
        ({"digest": "0" * 64}, "was changed after it was frozen"),
        ({"frozen_at": "yesterday"}, "frozen_at was 'yesterday'"),
        ({"frozen_at": "2026-01-01T00:00:00"}, "with its time zone"),
        ({"more": 1}, "is no frozen spec"),
        ({"spec": {}}, "lacks schema"),
    ],
)
def test_a_changed_frozen_spec_is_refused(spec: Path, change: dict, said: str) -> None:
    path, _ = freeze(spec)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=said):
        load_spec(path)
    with pytest.raises(InputError):
        load_spec(spec)


def test_an_audit_needs_a_folder(spec: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["audit", str(spec)]) == 2
    assert "needs --out" in capsys.readouterr().err
