"""An audit that was stopped and run again is the audit that nobody stopped."""

import json
from pathlib import Path

import pytest

from core.audit import arms
from core.cli import main
from core.verify import verify

PROMPTS = ["a photo of a doctor", "a photo of a nurse", "a photo of a pilot"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with spec.json and its report; the shipped model embeds the prompts."""
    folder = tmp_path_factory.mktemp("whole")
    spec = {"schema": 2, "gallery": "default", "k": 30, "attributes": ["gender"], "prompts": PROMPTS}
    (folder / "spec.json").write_text(json.dumps(spec))
    assert main(["audit", f"{folder}/spec.json", "--out", f"{folder}/report"]) == 0
    return folder


def evidence(folder: Path) -> bytes:
    return (folder / "evidence.npz").read_bytes()


@pytest.mark.parametrize("after", [(1,), (2, 0), (1, 0, 1), (3,)])
def test_stopped_after_some_rankings(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: tuple[int, ...]
) -> None:
    """Each number is how many rankings a run keeps before it is stopped."""
    arguments, save = ["audit", f"{whole}/spec.json", "--out", f"{tmp_path}/report"], arms._save
    total = 0
    for n in after:
        left = [n]

        def stopping(*given: object, left: list[int] = left) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            save(*given)  # type: ignore[arg-type]
            left[0] -= 1

        with monkeypatch.context() as patched:
            patched.setattr(arms, "_save", stopping)
            code = main(arguments)
        total += n
        assert code == (130 if total < len(PROMPTS) else 0)
    # a kept ranking that a power cut damaged is made again
    for path in list((tmp_path / ".report.partial").glob("ranked-*.npz"))[:1]:
        path.write_bytes(path.read_bytes()[:100])
    assert main(arguments) == 0
    assert evidence(tmp_path / "report") == evidence(whole / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    verdict = verify(tmp_path / "report")
    assert verdict.equal, verdict.differences


def test_over_its_own_finished_report_an_audit_does_nothing(
    whole: Path, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    """A kill between the report's last step and the end leaves the workplace, which goes; another spec is refused."""
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (whole / "report").iterdir()}
    (whole / ".report.partial").mkdir()
    capsys.readouterr()
    assert main(["audit", f"{whole}/spec.json", "--out", f"{whole}/report", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["findings"] == json.loads((whole / "report" / "report.json").read_text())["findings"]
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (whole / "report").iterdir()} == before
    assert sorted(path.name for path in whole.iterdir()) == ["report", "spec.json"]
    spec = json.loads((whole / "spec.json").read_text()) | {"k": 31}
    (tmp_path / "other.json").write_text(json.dumps(spec))
    for arguments in ([f"{tmp_path}/other.json"], [f"{whole}/spec.json", "--auditor", "somebody"]):
        assert main(["audit", *arguments, "--out", f"{whole}/report"]) == 2
        assert "report exists already" in capsys.readouterr().err
