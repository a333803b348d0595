"""`sae import`, `sae export`, `sae encode` on files of other projects: results, warnings, mistakes in one line."""

import json

import numpy as np
import pytest
import torch
from sae_helpers import cone, random_sae

from core.cli import main
from core.saes.checkpoint import load_sae
from core.saes.exchange import export_sae


@pytest.fixture
def foreign(tmp_path):
    export_sae(random_sae("msae").frozen(), "sem", tmp_path / "foreign")
    return tmp_path / "foreign"


def test_in_encode_and_out(foreign, tmp_path, capsys):
    ours, x = tmp_path / "ours", cone(9, 12)
    told = ["--model-name", "ViT-B-16", "--side", "text", "--attach", "pooled", "--normalised", "no"]
    assert main(["sae", "import", str(foreign), "--out", str(ours), *told, "--json"]) == 0
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert (document["format"], document["arch"], document["unknown"], output.err) == ("sem", "msae", [], "")
    made = load_sae(ours)
    assert (made.fingerprint.model, made.side, made.attach) == ("ViT-B-16", "text", "pooled")
    assert made.fingerprint.normalised is False and made.fingerprint.weights == "unknown"

    assert main(["sae", "export", str(ours), "--format", "saelens", "--out", str(tmp_path / "lens")]) == 0
    np.save(tmp_path / "x.npy", x)
    expected = random_sae("msae").encode(torch.from_numpy(x)).detach()
    for place in (foreign, next(foreign.iterdir()), ours, tmp_path / "lens"):
        assert main(["sae", "encode", str(place), "--in", str(tmp_path / "x.npy"), "--out", str(tmp_path / "z")]) == 0
        with np.load(tmp_path / "z") as coded:
            np.testing.assert_allclose(coded["z"], expected, atol=1e-5)


def test_what_is_not_said_is_a_warning(foreign, tmp_path, capsys):
    assert main(["sae", "import", str(foreign), "--out", str(tmp_path / "ours"), "--side", "text"]) == 0
    warnings = capsys.readouterr().err.splitlines()
    assert "unknown: model, attach, normalised" in warnings[0] and "--side and --attach" in warnings[1]
    made = load_sae(tmp_path / "ours")
    assert made.fingerprint is None and made.training["imported"] == {"side": "text"}


def test_mistakes_are_one_line_and_leave_nothing(foreign, tmp_path, capsys):
    out = tmp_path / "out"
    (tmp_path / "text").write_text("no SAE")
    for arguments, said in (
        (["import", str(tmp_path / "nowhere")], "nowhere"),
        (["import", str(tmp_path / "text")], "text"),
        (["import", str(foreign), "--side", "left"], "--side"),
        (["import", str(foreign), "--normalised", "maybe"], "--normalised"),
        (["import", str(foreign), "--format", "semm"], "semm"),
        (["import", str(foreign), "--format", "saelens"], "saelens"),
        (["export", str(foreign), "--format", "patchsae"], "patchsae"),
        (["export", str(foreign), "--format", "onnx"], "onnx"),
        (["export", str(tmp_path / "nowhere"), "--format", "sem"], "nowhere"),
    ):
        assert main(["sae", *arguments, "--out", str(out)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and said in lines[0] and not out.exists()
    assert main(["sae", "import", str(foreign), "--out", str(foreign)]) == 2
    assert "exists already" in capsys.readouterr().err
