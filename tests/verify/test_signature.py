"""A signed report: what it vouches for is found in one line where it was changed; without the key it is said."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli import main
from core.config import InputError
from core.report import canonical, rendered, sealed
from core.report.signing import SIGNATURE, make_keys, sign
from core.store import file_digest
from core.verify import verify


@pytest.fixture(scope="module")
def signed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a gallery, a frozen spec, two keys and the spec's report, signed by the first."""
    folder = tmp_path_factory.mktemp("signed")
    shutil.copytree(world / "gallery", folder / "gallery")
    spec = {"schema": 2, "gallery": f"{folder}/gallery", "attributes": ["gender"], "k": 20}
    (folder / "spec.json").write_text(json.dumps(spec | {"prompts": ["a photo of a pilot", "a photo of a nurse"]}))
    for name in ("key", "other"):
        assert main(["keys", "make", "--out", f"{folder}/{name}"]) == 0
    assert main(["audit", f"{folder}/spec.json", "--freeze"]) == 0
    arguments = ["audit", f"{folder}/spec.json", "--out", f"{folder}/report", "--auditor", "a tester"]
    assert main([*arguments, "--sign", f"{folder}/key"]) == 0
    return folder


@pytest.fixture
def copy(signed: Path, tmp_path: Path) -> Path:
    for name in ("report", "gallery", "key", "key.pub", "other.pub"):
        path = signed / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / name)
    return tmp_path


def lines(folder: Path, key: str | None = "key.pub") -> tuple[str, ...]:
    return verify(folder / "report", [folder / "gallery"], public=folder / key if key else None).differences


def rewritten(folder: Path, alter: Callable[[dict], object]) -> None:
    """A forger's best: the document changed, every file made from it again, the manifest sealed."""
    from core.gallery import open_gallery

    report = folder / "report"
    document = json.loads((report / "report.json").read_text())
    alter(document)
    (report / "report.json").write_text(canonical(document))
    for name, text in rendered(document, open_gallery(folder / "gallery")).items():
        (report / name).write_text(text)
    manifest = json.loads((report / "manifest.json").read_text())
    manifest["files"] = {name: file_digest(report / name) for name in manifest["files"]}
    (report / "manifest.json").write_text(canonical(sealed(manifest)))


def test_the_signed_report_is_equal_and_says_by_which_key_and_when_it_was_frozen(
    copy: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["verify", f"{copy}/report", "--gallery", f"{copy}/gallery", "--public", f"{copy}/key.pub"]
    assert main(arguments) == 0
    key = json.loads((copy / "report" / SIGNATURE).read_text())["key"]
    said = capsys.readouterr().out
    assert f"signed by the key {key[:16]}" in said and f"whose the key {key[:16]} is" in said
    assert "(stated: frozen at " in said
    assert "frozen at" in (copy / "report" / "report.html").read_text()


def test_without_the_public_half_it_says_what_it_could_not_check(copy: Path) -> None:
    verdict = verify(copy / "report", [copy / "gallery"])
    assert verdict.equal and any("give its public half with --public" in line for line in verdict.sentences())
    (copy / "report" / SIGNATURE).unlink()
    verdict = verify(copy / "report", [copy / "gallery"])
    assert verdict.equal and any("it is not signed" in line for line in verdict.sentences())


@pytest.mark.parametrize(
    "alter",
    [
        lambda d: d["options"].update(auditor="somebody else"),
        lambda d: d.update(created_at="2020-01-01T00:00:00+00:00"),
        lambda d: d["software"].update(unskew="9.9.9"),
        lambda d: d["findings"][0].update(verdict="no lean beyond chance"),
        lambda d: d["findings"][0]["value"].update(estimate=0.0),
        lambda d: d["options"]["frozen"].update(at="2020-01-01T00:00:00+00:00"),
    ],
    ids=["auditor", "date", "software", "verdict", "number", "frozen"],
)
@pytest.mark.parametrize("resealed", [True, False], ids=["sealed anew", "document alone"])
def test_a_changed_statement_or_finding_fails_with_one_line(
    copy: Path, alter: Callable[[dict], object], resealed: bool
) -> None:
    if resealed:
        rewritten(copy, alter)
    else:
        path = copy / "report" / "report.json"
        document = json.loads(path.read_text())
        alter(document)
        path.write_text(canonical(document))
    found = lines(copy)
    assert len(found) == 1 and found[0].startswith(SIGNATURE if resealed else "report.json"), found


def test_a_report_that_is_not_signed_or_by_another_key_fails_with_one_line(copy: Path) -> None:
    assert len(lines(copy, "other.pub")) == 1 and "another key" in lines(copy, "other.pub")[0]
    (copy / "report" / SIGNATURE).unlink()
    assert lines(copy) == (f"{SIGNATURE}: is missing: the report is not signed, and a key was given to check it with",)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"schema":1,"algorithm":"Ed25519","key":"0","signature":"zz"}', b"x" * 20_000]
)
def test_a_broken_signature_is_one_line(copy: Path, content: bytes) -> None:
    (copy / "report" / SIGNATURE).write_bytes(content)
    for key in (None, "key.pub"):
        found = lines(copy, key)
        assert len(found) == 1 and SIGNATURE in found[0]


def test_a_signature_that_is_a_link_is_not_followed(copy: Path) -> None:
    path = copy / "report" / SIGNATURE
    shutil.move(path, copy / "elsewhere")
    path.symlink_to(copy / "elsewhere")
    assert lines(copy) == (f"{SIGNATURE}: is a link; a report holds its files themselves",)


def test_the_private_half_is_its_owners_alone_and_never_replaced(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        public, _ = make_keys(tmp_path / "key")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    kept = (tmp_path / "key").read_bytes(), public.read_bytes()
    for gone in ("key", "key.pub"):
        with pytest.raises(InputError, match="never replaced"):
            make_keys(tmp_path / "key")
        assert ((tmp_path / "key").read_bytes(), public.read_bytes()) == kept or gone == "key.pub"


def test_a_key_of_another_kind_is_refused_before_anything_is_measured(
    copy: Path, capsys: pytest.CaptureFixture
) -> None:
    (copy / "no key").write_text("hello")
    spec = {"schema": 2, "gallery": str(copy / "gallery"), "attributes": ["gender"], "k": 5, "prompts": ["x"]}
    (copy / "spec.json").write_text(json.dumps(spec))
    for key in ("no key", "key.pub", "nothing"):
        assert main(["audit", f"{copy}/spec.json", "--out", f"{copy}/out", "--sign", f"{copy}/{key}"]) == 2
        assert key in capsys.readouterr().err
    for key, said in (("key", "private half"), ("no key", "no public Ed25519 key"), ("nothing", "cannot be read")):
        assert main(["verify", f"{copy}/report", "--public", f"{copy}/{key}"]) == 2
        assert said in capsys.readouterr().err


def test_signing_a_finished_report_again_is_the_same_signature(signed: Path) -> None:
    kept = (signed / "report" / SIGNATURE).read_bytes()
    sign(signed / "report", signed / "key")
    assert (signed / "report" / SIGNATURE).read_bytes() == kept
