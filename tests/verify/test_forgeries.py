"""Reports that somebody changed and sealed again: each is found, or the verdict says that it is only stated."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.audit.run import AuditResult, run
from core.audit.spec import AuditSpec
from core.cli import main
from core.report import ReportOptions, canonical, rendered, sealed, write_report
from core.store import file_digest
from core.verify import Verdict, verify

N, D = 160, 12
PROMPTS = ["a photo of a pilot", "a photo of a nurse"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders gallery, sae, other (an SAE of the same shape) and report."""
    folder = tmp_path_factory.mktemp("forgeries")
    rng = np.random.default_rng(0)
    male = np.arange(N) % 2 == 0
    x = rng.normal(size=(N, D)).astype(np.float32) * 0.3 + 1.0
    x[:, 0] += np.where(male, 1.2, -1.2)
    np.save(folder / "x.npy", x)
    labels = pd.DataFrame({"id": [f"item {i}" for i in range(N)], "gender": np.where(male, "Male", "Female")})
    labels.to_csv(folder / "labels.csv", index=False)
    texts = rng.normal(size=(2, D)).astype(np.float32) * 0.2 + 0.5
    texts[:, 0] += [1.5, -1.5]
    pd.DataFrame({"prompt": PROMPTS}).to_csv(folder / "prompts.csv", index=False)
    np.save(folder / "texts.npy", texts)
    arguments = ["gallery", "import", "--embeddings", f"{folder}/x.npy", "--table", f"{folder}/labels.csv"]
    arguments += ["--texts", f"{folder}/texts.npy", "--text-table", f"{folder}/prompts.csv"]
    assert main([*arguments, "--model-name", "hand-made", "--out", f"{folder}/gallery"]) == 0
    for name, seed in (("sae", "0"), ("other", "1")):
        arguments = ["sae", "train", "--gallery", f"{folder}/gallery", "--d-sae", "24", "--k", "4", "--steps", "40"]
        assert main([*arguments, "--half", "probe", "--seed", seed, "--out", f"{folder}/{name}"]) == 0
    spec = {"schema": 2, "gallery": f"{folder}/gallery", "sae": f"{folder}/sae", "k": 15, "attributes": ["gender"]}
    spec |= {"prompts": PROMPTS, "edit": {"neurons": [1, 3]}, "title": "A test"}
    (folder / "spec.json").write_text(json.dumps(spec))
    assert main(["audit", f"{folder}/spec.json", "--out", f"{folder}/report", "--auditor", "a tester"]) == 0
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    for name in ("report", "gallery", "sae", "other"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path


def check(folder: Path, sae: str = "sae") -> Verdict:
    return verify(folder / "report", [folder / "gallery"], [folder / sae])


def seal(report: Path, alter: Callable[[dict], object] = lambda manifest: None) -> None:
    """Renew every digest of the report's own files, and the manifest's of itself, as a forger would."""
    path = report / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {name: file_digest(report / name) for name in manifest["files"]}
    alter(manifest)
    path.write_text(canonical(sealed(manifest)))


def rewrite(folder: Path, alter: Callable[[dict], object]) -> None:
    """Change the document, make page, table and card from it again, and seal all."""
    from core.gallery import open_gallery

    document = json.loads((folder / "report" / "report.json").read_text())
    alter(document)
    (folder / "report" / "report.json").write_text(canonical(document))
    for name, text in rendered(document, open_gallery(folder / "gallery")).items():
        (folder / "report" / name).write_text(text)
    seal(folder / "report")


def found(folder: Path, words: str, sae: str = "sae") -> None:
    verdict = check(folder, sae)
    assert not verdict.equal and any(words in line for line in verdict.differences), verdict.differences
    assert not any("\n" in line for line in verdict.differences)


def test_the_untouched_report_is_equal_and_names_everything(copy: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["verify", str(copy / "report"), "--gallery", str(copy / "gallery"), "--sae", str(copy / "sae")]
    capsys.readouterr()
    assert main(arguments) == 0
    said = capsys.readouterr().out
    document = json.loads((copy / "report" / "report.json").read_text())
    digests = (document["gallery"]["digest"], document["saes"]["image"]["digest"], document["spec_digest"])
    assert all(digest[:16] in said for digest in digests) and document["created_at"] in said
    assert "not checked: who the auditor is (stated: a tester); the date (stated: " in said
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["digest"] for one in found["verified"]] == list(digests)
    assert found["rests_on"]["prompt_embeddings"] == "of the gallery" and found["stated"]["auditor"] == "a tester"


@pytest.fixture(scope="module")
def doctor(tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditResult, Path]:
    """An audit with the shipped model, whose prompts have to be encoded."""
    spec = AuditSpec(gallery="default", attributes=("gender",), k=30, prompts=("a photo of a doctor",))
    return run(spec), tmp_path_factory.mktemp("doctor")


def test_another_prompts_embedding_is_found_by_the_model(doctor: tuple[AuditResult, Path]) -> None:
    """Forgery 1: the prompt's embedding is that of another one, and everything is computed from it."""
    from core.audit.run import AuditResult
    from core.audit.sources import Sources
    from core.backbones.base import load_model

    result, folder = doctor
    report = write_report(result, folder / "right")
    right = verify(report)
    assert right.equal and right.about is not None and right.about.rests["prompt_embeddings"] == "encoded again"
    assert not any("prompt embeddings" in line for line in right.about.unchecked)

    class Swapped:
        """The shipped model, that takes one prompt for another."""

        def __init__(self) -> None:
            self._model = load_model("default")

        def __getattr__(self, name: str) -> object:
            return getattr(self._model, name)

        def encode_texts(self, texts: list[str], attaches: tuple[str, ...]) -> dict:
            swapped = ["a photo of a woman" if text == "a photo of a doctor" else text for text in texts]
            return self._model.encode_texts(swapped, attaches)

    forged = run(result.spec, Swapped())  # type: ignore[arg-type]
    assert isinstance(forged, AuditResult) and isinstance(forged.sources, Sources)
    report = write_report(forged, folder / "forged")
    verdict = verify(report)
    assert any(
        "texts | pooled | a photo of a doctor: is not what the model gives" in line for line in verdict.differences
    )
    # without the model nothing contradicts it, and that is said
    unsure = verify(report, encode=False)
    assert unsure.equal and unsure.about is not None
    assert any("was computed with those of the report" in line for line in unsure.sentences())


def test_another_gallery_with_renewed_manifests_is_found(copy: Path) -> None:
    """Forgery 2: as far as the gallery's own manifest, then as far as the report's."""
    path = copy / "gallery" / "pooled.npy"
    x = np.load(path)
    x[3] = x[4]
    np.save(path, x)
    manifest = copy / "gallery" / "manifest.json"
    own = json.loads(manifest.read_text())
    own["files"]["pooled.npy"]["sha256"] = file_digest(path)
    manifest.write_text(json.dumps(own))
    found(copy, "pooled.npy: was changed after it was written")

    def renew(sealed_manifest: dict) -> None:
        files = sealed_manifest["galleries"][0]["files"]
        files |= {name: file_digest(copy / "gallery" / name) for name in files}

    seal(copy / "report", renew)
    found(copy, "by its bytes; the report says")


def test_a_gallery_whose_manifest_keeps_the_old_digest_is_found(copy: Path) -> None:
    """Forgery 2, the other way: bytes and the report's list are new, what the gallery says of itself is not."""
    path = copy / "gallery" / "pooled.npy"
    x = np.load(path)
    x[3] = x[4]
    np.save(path, x)
    seal(copy / "report", lambda m: m["galleries"][0]["files"].update({"pooled.npy": file_digest(path)}))
    found(copy, "pooled.npy: has not the digest that the gallery's own manifest.json says")


def test_another_sae_of_the_same_shape_is_found(copy: Path) -> None:
    """Forgery 3: under the same name, then with the report's list renewed."""
    shutil.rmtree(copy / "sae")
    shutil.copytree(copy / "other", copy / "sae")
    found(copy, "weights.safetensors: was changed after it was written")

    def renew(manifest: dict) -> None:
        manifest["saes"][0]["files"] = {name: file_digest(copy / "sae" / name) for name in manifest["saes"][0]["files"]}

    seal(copy / "report", renew)
    found(copy, "saes | image | digest")


def test_auditor_date_and_version_are_only_stated(copy: Path) -> None:
    """Forgery 4: nothing contradicts them without a signature, and the verdict says so."""
    rewrite(copy, lambda d: d["options"].update(auditor="somebody else"))
    verdict = check(copy)
    assert verdict.equal and any("who the auditor is (stated: somebody else)" in line for line in verdict.sentences())
    rewrite(copy, lambda d: d.update(created_at="2020-01-01T00:00:00+00:00"))
    assert any("the date (stated: 2020-01-01T00:00:00+00:00)" in line for line in check(copy).sentences())
    for wrong in ("yesterday", None, "2020-01-01"):
        rewrite(copy, lambda d, wrong=wrong: d.update(created_at=wrong or "never"))
        found(copy, "created_at was")


def test_a_finding_that_is_gone_is_found_and_one_that_was_left_out_is_named(copy: Path) -> None:
    """Forgery 5."""
    document = json.loads((copy / "report" / "report.json").read_text())
    first = document["findings"][0]["id"]
    changed = json.loads(json.dumps(document))
    changed["options"]["removed"] = {first: "not needed"}
    (copy / "report" / "report.json").write_text(canonical(changed))
    seal(copy / "report")
    found(copy, "report.html: line")
    rewrite(copy, lambda d: None)
    verdict = check(copy)
    assert verdict.equal and any(f"(stated: {first} (not needed))" in line for line in verdict.sentences())
    rewrite(copy, lambda d: d["options"].update(removed={"no such finding": "x"}))
    found(copy, "is not in this audit")
    rewrite(copy, lambda d: (d["options"].update(removed={}), d["findings"].pop(0)))
    found(copy, "findings")


def test_files_that_are_more_fewer_or_elsewhere_are_found(copy: Path) -> None:
    """Forgery 6."""
    report = copy / "report"
    (report / "notes.txt").write_text("x")
    found(copy, "notes.txt: does not belong to the report")
    os.remove(report / "notes.txt")
    shutil.copy(report / "card.md", copy / "card.md")
    os.remove(report / "card.md")
    found(copy, "card.md: is missing")
    os.symlink(copy / "card.md", report / "card.md")
    found(copy, "card.md: is a link")
    os.remove(report / "card.md")
    os.mkfifo(report / "card.md")
    found(copy, "card.md: is no regular file")
    os.remove(report / "card.md")
    shutil.copy(copy / "card.md", report / "card.md")
    for kind in ("galleries", "saes"):
        keep = (report / "manifest.json").read_bytes()
        seal(report, lambda m, kind=kind: m[kind][0].update(files={}))
        found(copy, "was not listed by the report" if kind == "galleries" else "saes, sae: lists no file")
        seal(report, lambda m, kind=kind: m.update({kind: []}))
        found(copy, f"{kind} lack the one with digest")
        (report / "manifest.json").write_bytes(keep)
    seal(report, lambda m: m.update(files={}))
    found(copy, "manifest.json: does not list report.html")
    manifest = json.loads((report / "manifest.json").read_text())
    manifest["files"] = {name: file_digest(report / name) for name in ("report.html", "report.json", "findings.csv")}
    manifest["files"]["../gallery/manifest.json"] = "0" * 64
    (report / "manifest.json").write_text(canonical(sealed(manifest)))
    found(copy, "which is no file of a report")


def test_a_key_twice_is_found(copy: Path) -> None:
    """Forgery 7."""
    path = copy / "report" / "report.json"
    path.write_text(path.read_text().replace('"schema": 2,', '"schema": 2,\n "kind": "another",', 1))
    seal(copy / "report")
    found(copy, "the key 'kind' twice")
    for name in ("report.json", "manifest.json"):
        kept = (copy / "report" / name).read_bytes()
        (copy / "report" / name).write_bytes(kept.replace(b"\n", b'\n "x": NaN,', 1))
        verdict = check(copy)
        assert not verdict.equal and any(name in line for line in verdict.differences)
        (copy / "report" / name).write_bytes(kept)


@pytest.mark.parametrize(
    ("name", "alter"),
    [
        ("findings.csv", lambda b: b.replace(b"\n", b"\r\n")),
        ("card.md", lambda b: b + b" "),
        ("report.json", lambda b: b.replace(b"\n", b"\r\n")),
        (
            "report.json",
            lambda b: json.dumps(json.loads(b), sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n",
        ),
        ("report.html", lambda b: b.replace(b"points", b"Points", 1)),
    ],
    ids=["lines", "blank", "lines of the document", "order", "page"],
)
def test_another_way_of_writing_the_same_is_found(copy: Path, name: str, alter: Callable[[bytes], bytes]) -> None:
    """Forgeries 8 and 9."""
    path = copy / "report" / name
    path.write_bytes(alter(path.read_bytes()))
    seal(copy / "report")
    found(copy, name)


def test_another_spec_is_found_or_is_another_digest(copy: Path) -> None:
    """Forgery 10: what changes a number is found; what changes none is another spec, whose digest is named."""
    before = check(copy)

    def renew(document: dict, **changes: object) -> None:
        document["spec"] |= changes
        document["spec_digest"] = AuditSpec.from_json(document["spec"]).digest

    rewrite(copy, lambda d: renew(d, seed=8))
    assert not check(copy).equal
    rewrite(copy, lambda d: renew(d, seed=0, title="Another title"))
    after = check(copy)
    assert before.about is not None and after.about is not None
    assert after.equal and after.about.named[-1][2] != before.about.named[-1][2]
    rewrite(copy, lambda d: d["spec"].update(title="A third"))
    found(copy, "spec_digest")


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda d: d.update(more=1), "more"),
        (lambda d: d["options"].update(more=1), "'more'"),
        (lambda d: d.pop("notes"), "notes"),
        (lambda d: d.update(schema=3), "schema"),
        (lambda d: d.update(software={"python": "3"}), "software"),
    ],
    ids=["key", "option", "missing", "schema", "software"],
)
def test_a_document_with_other_parts_is_found(copy: Path, alter: Callable[[dict], object], words: str) -> None:
    path = copy / "report" / "report.json"
    document = json.loads(path.read_text())
    alter(document)
    path.write_text(canonical(document))
    seal(copy / "report")
    found(copy, words)


def test_arrays_that_nothing_asks_for_and_changed_counts_are_found(copy: Path) -> None:
    path = copy / "report" / "evidence.npz"
    with np.load(path) as stored:
        arrays = dict(stored)

    def write(changed: dict) -> None:
        with open(path, "wb") as file:
            np.savez(file, **changed)
        seal(copy / "report")

    write(arrays | {"text_more": np.zeros(3)})
    found(copy, "holds 'text_more'")
    write({name: a for name, a in arrays.items() if name != "ties_0_1"})
    found(copy, "ties_0_1")
    counts = arrays["changed_0_0"].copy()
    counts[1] -= 1
    write(arrays | {"changed_0_0": counts})
    found(copy, "rows_changed: says")


def test_options_of_a_report_round_trip(made: Path) -> None:
    """A report with a finding left out from the beginning is sound, and the verdict names it."""
    result = run(AuditSpec.load(made / "spec.json"))
    name = result.findings[0]["id"]
    report = write_report(result, made / "less", ReportOptions("x", removed={name: "shown elsewhere"}))
    verdict = verify(report)
    assert verdict.equal and any("shown elsewhere" in line for line in verdict.sentences())
