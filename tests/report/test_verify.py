"""A second reader: everything computed again without torch, and whatever was changed is named."""

import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sparse
import torch

from core.audit.arms import gather
from core.audit.run import edits_of
from core.audit.sources import Sources, open_sources, request_for
from core.audit.spec import AuditSpec
from core.cli import main
from core.config import Edit, InputError
from core.gallery import open_gallery
from core.interventions import INTERVENTIONS
from core.labelling import LabelLog, LabelSet
from core.ranking.items import item_material
from core.ranking.rows import part_of
from core.saes.base import SAES, new_sae, sae_config
from core.saes.checkpoint import load_sae
from core.saes.frozen import FrozenSAE, load_frozen
from core.scene import Bench
from core.store import file_digest
from core.verify import compare_digests, find_places, verify
from core.verify.digests import read_manifest
from core.verify.rankings import Followed, edited

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "streamlit", "open_clip"):
            raise ImportError(f"{name} is not here")
sys.meta_path.insert(0, Block())
from core.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def copy(audited: Path, tmp_path: Path) -> Path:
    """The report, gallery and SAE at another place, the old one out of reach by the spec's paths."""
    for name in ("report", "gallery", "sae"):
        shutil.copytree(audited / name, tmp_path / name)
    return tmp_path


def check(folder: Path) -> tuple[str, ...]:
    return verify(folder / "report", [folder / "gallery"], [folder / "sae"]).differences


def test_another_machine_without_torch_finds_everything_equal(copy: Path) -> None:
    arguments = ["verify", str(copy / "report"), "--gallery", str(copy / "gallery"), "--sae", str(copy / "sae")]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, *arguments, "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    said = json.loads(done.stdout)
    assert said["equal"] and said["differences"] == [] and said["numbers"] > 1000 and said["files"] > 10


def test_changed_bytes_are_found_and_the_file_is_named(copy: Path) -> None:
    """Every file, and some places in each, the manifest included; codes of other SAEs belong to no report."""
    rng, flips = random.Random(0), 0
    used = {entry["digest"][:16] for entry in read_manifest(copy / "report")["saes"]}
    files = [p for p in sorted(copy.rglob("*")) if p.is_file() and p.stat().st_size]
    files = [p for p in files if p.parent.parent.name != "codes" or p.parent.name in used]
    for path in files:
        for _ in range(4):
            whole = path.read_bytes()
            at = rng.randrange(len(whole))
            new = (whole[at] + rng.randrange(1, 256)) % 256
            path.write_bytes(whole[:at] + bytes([new]) + whole[at + 1 :])
            lines = _digest_lines(copy)
            path.write_bytes(whole)
            assert any(path.name in line for line in lines), f"byte {at} of {path.name}: {lines}"
            flips += 1
    assert flips >= 60 and _digest_lines(copy) == []


def _digest_lines(folder: Path) -> list[str]:
    try:
        manifest = read_manifest(folder / "report")
    except InputError as error:
        return [str(error)]
    return compare_digests(folder / "report", manifest, find_places(manifest, [folder / "gallery"], [folder / "sae"]))


def test_a_damaged_file_is_exit_code_1_and_one_line(copy: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["verify", str(copy / "report"), "--gallery", str(copy / "gallery"), "--sae", str(copy / "sae")]
    for name in ("report/manifest.json", "report/report.json", "gallery/manifest.json", "sae/weights.safetensors"):
        path = copy / name
        whole = path.read_bytes()
        path.write_bytes(b"\xff" + whole[1:])
        capsys.readouterr()
        assert main(arguments) == 1, name
        said = capsys.readouterr()
        assert path.name in said.out and "Traceback" not in said.out + said.err
        path.write_bytes(whole)
    assert main(["verify", str(copy / "sae")]) == 2


def change(folder: Path, alter) -> None:
    """Alter report.json, and renew its digest in the manifest."""
    path, manifest = folder / "report" / "report.json", folder / "report" / "manifest.json"
    document = json.loads(path.read_text())
    alter(document)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    listed = json.loads(manifest.read_text())
    listed["files"]["report.json"] = file_digest(path)
    manifest.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n")


def test_a_changed_number_with_a_renewed_digest_is_found_by_computing_it_again(copy: Path) -> None:
    def alter(document: dict) -> None:
        document["attributes"][0]["prompts"][1]["after"]["max_skew"]["estimate"] -= 0.01

    change(copy, alter)
    lines = check(copy)
    assert not any(line.startswith("report.json: was changed") for line in lines)
    named = [line for line in lines if "gender | prompts | a photo of a nurse | after | max_skew | estimate" in line]
    assert len(named) == 1 and "differs by 0.01" in named[0]


def prompt(document: dict, number: int = 0) -> dict:
    """The numbers of one prompt of the first attribute."""
    return document["attributes"][0]["prompts"][number]


ALTERED = [
    ("before | lean_p:", lambda d: prompt(d)["before"].update(lean_p=prompt(d)["before"]["lean_p"] * 3)),
    ("before | lean | Male | p:", lambda d: prompt(d)["before"]["lean"]["Male"].update(p=0.04)),
    ("lean | Male | ratio | estimate", lambda d: prompt(d)["before"]["lean"]["Male"]["ratio"].update(estimate=1.5)),
    ("lean | Male | points | lo", lambda d: prompt(d)["before"]["lean"]["Male"]["points"].update(lo=0.3)),
    ("leading_group", lambda d: prompt(d)["before"].update(leading_group="Female")),
    ("effect | direction", lambda d: prompt(d)["difference"]["effect"].update(direction="away")),
    ("pilot | effect | verdict", lambda d: d["findings"][1].update(verdict="away")),
    ("pilot | lean | verdict", lambda d: d["findings"][0].update(verdict="no lean beyond chance")),
    ("nurse | lean | p_adjusted", lambda d: d["findings"][2].update(p_adjusted=0.5)),
    ("distance | Male | difference", lambda d: prompt(d)["before"]["distance"]["Male"]["difference"].update(lo=0.0)),
    ("distance | Male | composition", lambda d: prompt(d)["before"]["distance"]["Male"].update(composition=0.1)),
    ("impact | Male | impact_ratio", lambda d: prompt(d, 1)["before"]["impact"]["Male"].update(impact_ratio=0.9)),
    ("ties_at_k", lambda d: prompt(d)["before"].update(ties_at_k=3)),
    ("arms | original | lean | p:", lambda d: d["attributes"][0]["arms"]["original"]["lean"].update(p=0.9)),
    ("formulas | Holm", lambda d: d["formulas"].update(Holm="p")),
    ("searched", lambda d: d["gallery"].update(searched=7)),
]
"""Single numbers and words that someone could wish to be other ones, and what names them."""


def test_every_changed_number_and_verdict_is_found_by_itself(copy: Path) -> None:
    for _, alter in ALTERED:
        change(copy, alter)
    lines = [line for line in check(copy) if not re.match(r"(manifest|report|card|findings)\.", line)]
    for where, _ in ALTERED:
        assert sum(where in line for line in lines) == 1, (where, lines)
    assert len(lines) == len(ALTERED)


@pytest.mark.parametrize(
    ("where", "alter"),
    [
        ("edits", lambda d: d["attributes"][0]["edits"][0]["image"].update(neurons=[1])),
        ("k", lambda d: d["spec"].update(k=19)),
    ],
)
def test_other_changes_of_the_document_are_found(copy: Path, where: str, alter) -> None:
    change(copy, alter)
    assert any(where in line for line in check(copy))


def test_ties_that_the_scores_do_not_show_are_found(copy: Path) -> None:
    path, manifest = copy / "report" / "evidence.npz", copy / "report" / "manifest.json"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["ties_0_0"][0] = 7
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    change(copy, lambda d: prompt(d)["before"].update(ties_at_k=7))
    listed = json.loads(manifest.read_text())
    listed["files"]["evidence.npz"] = file_digest(path)
    manifest.write_text(json.dumps(listed))
    assert any("original: says that 7 rows tie at place 20" in line for line in check(copy))


def test_a_report_of_another_schema_is_refused_in_one_line(copy: Path, capsys: pytest.CaptureFixture) -> None:
    """Its numbers mean something else, so that nothing can be said about them: bad input, not a difference."""
    change(copy, lambda d: d.update(schema=1, software={"unskew": "0.1.0"}))
    arguments = ["verify", str(copy / "report"), "--gallery", str(copy / "gallery"), "--sae", str(copy / "sae")]
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.strip().count("\n") == 0
    assert "schema 1, written by version 0.1.0" in said.err and "verifies schema 2" in said.err
    assert "verify it with version 0.1.0, or run `audit` on its spec again" in said.err
    # a document that only claims another schema was changed, and that is what is said
    path = copy / "report" / "report.json"
    path.write_text(path.read_text().replace('"A test"', '"Another test"'))
    assert main(arguments) == 1
    assert "report.json: was changed" in capsys.readouterr().out


def test_a_report_of_a_version_that_drew_otherwise_is_refused_in_one_line(
    copy: Path, capsys: pytest.CaptureFixture
) -> None:
    change(copy, lambda d: d.update(software=d["software"] | {"unskew": "0.2.0"}))
    arguments = ["verify", str(copy / "report"), "--gallery", str(copy / "gallery"), "--sae", str(copy / "sae")]
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.strip().count("\n") == 0
    assert "report.json was written by version 0.2.0 of the app, which draws p of means" in said.err
    assert "verify it with version 0.2.0, or run `audit` on its spec again" in said.err


def test_another_ranking_is_found_by_the_embeddings(copy: Path) -> None:
    """Evidence and every number made from it are changed together: only the embeddings know better."""
    path, manifest = copy / "report" / "evidence.npz", copy / "report" / "manifest.json"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["rows_0_0"][0, [0, 15]] = arrays["rows_0_0"][0, [15, 0]]
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    listed = json.loads(manifest.read_text())
    listed["files"]["evidence.npz"] = file_digest(path)
    manifest.write_text(json.dumps(listed))
    assert any("gender | a photo of a pilot | original: rank" in line for line in check(copy))


def test_the_page_has_to_follow_from_the_document(copy: Path) -> None:
    path, manifest = copy / "report" / "report.html", copy / "report" / "manifest.json"
    path.write_text(path.read_text().replace("Limitations</h2>", "No limitations</h2>"))
    listed = json.loads(manifest.read_text())
    listed["files"]["report.html"] = file_digest(path)
    manifest.write_text(json.dumps(listed))
    assert any(line.startswith("report.html: line") for line in check(copy))


# ------------------------------------------------------------------------------------------- its parts


def test_ranking_order_up_to_ties() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.5 + 1e-7, 0.3])
    for rows in ([1, 3, 2], [1, 2, 3], [1], [1, 3, 2, 4, 0]):
        assert followed(rows, scores) is None
    for rows in ([3, 1, 2], [1, 3, 4], [1, 1, 2], [1, 3, 9], [2, 3]):
        assert followed(rows, scores) is not None


def followed(rows: list[int], scores: np.ndarray) -> str | None:
    """What is wrong with a ranking, the same however its scores come."""
    found = set()
    for block in (1, 2, 5):
        one = Followed(np.array(rows), len(scores))
        for start in range(0, len(scores), block):
            one.take(start, scores[start : start + block])
        found.add(one.wrong())
    assert len(found) == 1
    return found.pop()


@pytest.mark.parametrize("arch", SAES.names())
def test_every_architecture_has_its_rule_in_numpy(arch: str) -> None:
    rng = np.random.default_rng(0)
    sae = new_sae(sae_config(arch, 12, 30, 4))
    arrays = {name: rng.normal(size=value.shape).astype(np.float32) for name, value in sae.arrays().items()}
    arrays |= {"threshold": np.abs(arrays["threshold"])} if "threshold" in arrays else {}
    sae.load_arrays(arrays)
    x = rng.normal(size=(50, 12)).astype(np.float32)
    with torch.inference_mode():
        expected = sae.encode(torch.as_tensor(x)).numpy()
    frozen = FrozenSAE.of(sae)
    np.testing.assert_allclose(frozen.encode(x), expected, atol=1e-5)
    assert ((frozen.encode(x) > 0) == (expected > 0)).all() and (expected > 0).any()


def test_a_frozen_file_is_the_same_sae(audited: Path) -> None:
    own, frozen = load_sae(audited / "sae"), load_frozen(audited / "sae")
    assert (own.digest, own.name, own.side, own.attach) == (frozen.digest, frozen.name, frozen.side, frozen.attach)
    with pytest.raises(InputError, match="is no SAE folder"):
        load_frozen(audited / "gallery")


@pytest.mark.parametrize("form", ["error-preserving", "blend"])
@pytest.mark.parametrize("method", ["neuron-edit", "reconstruction-only"])
def test_the_formula_is_the_method(audited: Path, form: str, method: str) -> None:
    sources = open_sources(AuditSpec.load(audited / "spec.json"))
    request = request_for(AuditSpec.load(audited / "spec.json"), "gender", "a photo of a pilot")
    material = item_material(sources.scene, part_of(sources.scene, request), sources.scene.sae())
    edit = Edit((1, 4, 9), strength=0.7, gamma=0.2, form=form, alpha=0.4)
    expected = INTERVENTIONS.get(method)()(material, edit)
    codes = sparse.csr_matrix(material.codes)
    own = edited(np.asarray(material.x, np.float64), codes, material.sae.arrays(), method, edit)
    np.testing.assert_allclose(own, expected, atol=1e-5)


def test_an_interrupted_audit_goes_on_where_it_was(audited: Path, tmp_path: Path, monkeypatch) -> None:
    spec = AuditSpec.load(audited / "spec.json")
    sources = open_sources(spec)
    edits, _ = edits_of(spec, sources)
    first = gather(spec, sources, edits, tmp_path)
    monkeypatch.setattr("core.audit.arms.ranked", lambda *_: pytest.fail("a ranking was made again"))
    again = gather(spec, sources, edits, tmp_path)
    for key, one in first.items():
        np.testing.assert_array_equal(one.rows, again[key].rows)
        assert (one.arms, one.cosine, one.spread) == (again[key].arms, again[key].cosine, again[key].spread)
    other = AuditSpec.from_json({**spec.to_json(), "k": 19})
    with pytest.raises(pytest.fail.Exception):
        gather(other, sources, edits, tmp_path)


def test_neurons_are_found_on_the_probe_half_alone(audited: Path) -> None:
    """Whatever the labels of the evaluation half say, the same neurons are switched."""
    spec = AuditSpec.load(audited / "spec.json")
    sources = open_sources(spec)
    before, _ = edits_of(spec, sources)
    gallery = open_gallery(spec.gallery)
    evaluation = gallery.rows("evaluation")
    numbers = np.array(gallery.group_numbers("gender"))
    numbers[evaluation] = numbers[evaluation][::-1]
    gallery.group_numbers = lambda name: numbers if name == "gender" else type(gallery).group_numbers(gallery, name)
    after, _ = edits_of(spec, Sources(replace(sources.scene, gallery=gallery, bench=Bench())))
    assert before["gender"] == after["gender"]


def test_a_labelled_set_travels_with_the_report(audited: Path, tmp_path: Path, monkeypatch) -> None:
    """The second reader has no label log; a set whose neurons were changed is not the one its hash names."""
    sae = load_sae(audited / "sae").digest
    made = LabelLog(tmp_path / "labels.sqlite").save_set(
        LabelSet("gender, agreed by 2", sae, (3, 9), "by hand", by="ann")
    )
    monkeypatch.setenv("UNSKEW_LABELS", str(tmp_path / "labels.sqlite"))
    spec = {**AuditSpec.load(audited / "spec.json").to_json(), "edit": {"label_set": made.digest[:12]}}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    assert main(["audit", str(tmp_path / "spec.json"), "--out", str(tmp_path / "report")]) == 0
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    assert document["attributes"][0]["edits"][0]["image"]["neurons"] == [3, 9]
    assert "gender, agreed by 2" in (tmp_path / "report" / "report.html").read_text()
    monkeypatch.setenv("UNSKEW_LABELS", str(tmp_path / "elsewhere.sqlite"))
    found = verify(tmp_path / "report", [audited / "gallery"], [audited / "sae"])
    assert found.equal and not (tmp_path / "elsewhere.sqlite").exists()
    change(tmp_path, lambda d: d["label_set"].update(neurons=[3]))
    (_, line) = verify(tmp_path / "report", [audited / "gallery"], [audited / "sae"]).differences[-2:]
    assert "is not the one that its hash" in line


def test_a_page_of_another_version_says_which(copy: Path) -> None:
    change(copy, lambda d: d["software"].update(unskew="0.0.1"))
    (line,) = (line for line in check(copy) if line.startswith("report.html"))
    assert "version 0.0.1 of the app wrote it" in line
