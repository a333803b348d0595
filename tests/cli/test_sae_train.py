"""`sae train` and `sae quality`: several SAEs at once, every setting, Ctrl-C, and mistakes in one line."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from core.cli import main
from core.gallery import open_gallery
from core.saes.checkpoint import load_sae
from core.training import interrupted

QUICK = ["--d-sae", "24", "--k", "3", "--steps", "20", "--batch", "16"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    gender = np.array(["Female", "Male"])[rng.integers(0, 2, size=160)]
    x = rng.normal(size=(160, 8)) + 3
    x[:, 0] += 3 * (gender == "Male")
    np.save(folder / "x.npy", x.astype(np.float32))
    pd.DataFrame({"id": range(160), "gender": gender}).to_csv(folder / "table.csv", index=False)
    pd.DataFrame({"id": range(160), "text": [f"a photo {i}" for i in range(160)]}).to_csv(
        folder / "texts.csv", index=False
    )
    for kind, table in (("images", "table.csv"), ("captions", "texts.csv")):
        arguments = ["gallery", "import", "--embeddings", folder / "x.npy", "--table", folder / table]
        assert (
            main([*map(str, arguments), "--kind", kind, "--model-name", "hand-made", "--out", str(folder / kind)]) == 0
        )
    return folder


def run(capsys, *arguments: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["sae", *map(str, arguments)]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_settings_reach_the_training(made, tmp_path, capsys):
    fine = ["--warmup", "3", "--decay", "0.5", "--clip", "2", "--dead-after", "50", "--aux-weight", "0.1"]
    more = ["--arch", "msae", "--levels", "2,5", "--weighting", "uniform", "--precision", "bfloat16", "--lr", "0.002"]
    run(capsys, "train", "--gallery", made / "images", *QUICK, *fine, *more, "--out", tmp_path / "a")
    saved = load_sae(tmp_path / "a")
    assert saved.sae.config.levels == (2, 5) and saved.sae.config.weighting == "uniform"
    expected = {
        **{"warmup_steps": 3, "decay_fraction": 0.5, "clip": 2.0, "dead_after": 50, "aux_weight": 0.1},
        **{"precision": "bfloat16", "lr": 0.002},
    }
    assert {name: saved.training[name] for name in expected} == expected
    assert saved.sae.W_enc.dtype == torch.float32
    run(
        capsys,
        *("train", "--gallery", made / "images", *QUICK, "--arch", "relu", "--sparsity", "0.5"),
        *("--out", tmp_path / "b"),
    )
    assert load_sae(tmp_path / "b").sae.config.sparsity == 0.5


def test_what_is_not_given_follows_from_the_gallery_and_is_said(made, tmp_path, capsys):
    out, _ = run(
        capsys,
        "train",
        "--gallery",
        made / "images",
        "--half",
        "probe",
        "--steps",
        5,
        "--out",
        tmp_path / "a",
        "--json",
    )
    n = len(open_gallery(made / "images").rows("probe"))
    assert json.loads(out)["settings"]["d_sae"] == 16 and load_sae(tmp_path / "a").training["rows"] == n
    assert json.loads(out)["why"] == []


def test_one_sae_a_side_and_attach_point(made, tmp_path, capsys):
    both = ["--gallery", made / "images", "--gallery", made / "captions", "--side", "image,text"]
    out, _ = run(capsys, "train", *both, *QUICK, "--out", tmp_path / "a", "--json")
    assert [one["side"] for one in json.loads(out)["saes"]] == ["image", "text"]
    assert {load_sae(tmp_path / "a" / f"{side}-pooled").side for side in ("image", "text")} == {"image", "text"}
    run(capsys, "train", "--gallery", made / "images", "--side", "image", *QUICK, "--out", tmp_path / "b")
    assert load_sae(tmp_path / "b").digest == load_sae(tmp_path / "a" / "image-pooled").digest
    again, _ = run(capsys, "train", *both, *QUICK, "--out", tmp_path / "a", "--resume", "--json")
    assert json.loads(again)["saes"] == [], "what is finished is not trained again"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--side", "text"], "--side was text, but images holds images"),
        (["--side", "image,text"], "give one gallery for each side"),
        (["--attach", "residual"], "no residual embeddings, only pooled"),
        (["--attach", "pooled,residual"], "no residual embeddings"),
        (["--attach", "middle"], "--attach"),
        (["--tokens"], "attach point residual"),
        (["--levels", "8,x", "--arch", "msae"], "levels was '8,x'"),
        (["--set", "levels", "--arch", "msae"], "expected NAME=VALUE"),
        (["--set", "width=3", "--arch", "msae"], "its own settings: levels, weighting"),
        (["--levels", "8,4", "--arch", "msae"], "levels"),
        (["--weighting", "sideways"], "weighting"),
        (["--precision", "half"], "precision"),
        (["--arch", "nosuch"], "nosuch"),
        (["--lr", "1e20"], "diverged"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(wrong, said, made, tmp_path, capsys):
    out, err = run(capsys, "train", "--gallery", made / "images", *QUICK, *wrong, "--out", tmp_path / "a", code=2)
    assert out == "" and len(err.splitlines()) == 1 and said in err
    assert not list(tmp_path.iterdir())


def test_two_galleries_of_one_side_are_refused(made, tmp_path, capsys):
    two = ["--gallery", made / "images", "--gallery", made / "images"]
    _, err = run(capsys, "train", *two, "--out", tmp_path / "a", code=2)
    assert "two galleries are of the image side" in err


def test_ctrl_c_keeps_what_was_reached_and_says_how_to_go_on(made, tmp_path, capsys, monkeypatch):
    from core.training import Trainer

    update = Trainer.update

    def pressed(self, x):
        if self.step == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return update(self, x)

    arguments = ["train", "--gallery", made / "images", *QUICK]
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "update", pressed)
        out, err = run(capsys, *arguments, "--out", tmp_path / "a", code=130)
    assert out == "" and "stopped after step 8 of 20" in err and "--resume" in err and "Traceback" not in err
    assert [(found.out, found.step) for found in interrupted(tmp_path)] == [(tmp_path / "a", 8)]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    run(capsys, *arguments, "--out", tmp_path / "a", "--resume")
    run(capsys, *arguments, "--out", tmp_path / "b")
    assert load_sae(tmp_path / "a").digest == load_sae(tmp_path / "b").digest


def test_saes_are_compared_on_one_gallery(made, tmp_path, capsys):
    for seed in ("1", "2"):
        run(capsys, "train", "--gallery", made / "images", *QUICK, "--seed", seed, "--out", tmp_path / seed)
    ask = ["quality", tmp_path / "1", tmp_path / "2", "--gallery", made / "images", "--half", "evaluation"]
    document = json.loads(run(capsys, *ask, "--json")[0])
    assert document["n"] == len(open_gallery(made / "images").rows("evaluation"))
    assert [one["sae"] for one in document["saes"]] == ["1", "2"]
    for one in document["saes"]:
        assert len(one["monosemanticity"]["neurons"]) == 24 and one["verdict"]
        assert one["similarity_gap"][0]["before"]["gap"]["estimate"] > 0.01
    text, _ = run(capsys, *ask)
    assert "random pairs" in text and "pairs that share gender" in text
    _, err = run(capsys, "quality", tmp_path / "1", "--gallery", made / "captions", code=2)
    assert "image" in err and "text" in err


def test_the_best_neuron_is_chosen_on_one_half_and_measured_on_the_other(made, tmp_path, capsys):
    from core.statistics import auc

    gallery = open_gallery(made / "images")
    run(capsys, "train", "--gallery", made / "images", *QUICK, "--half", "probe", "--out", tmp_path / "a")
    capsys.readouterr()
    asked = ["--gallery", made / "images", "--sae", tmp_path / "a", "--attribute", "gender", "--json"]
    assert main(["neurons", *map(str, asked)]) == 0
    best = json.loads(capsys.readouterr().out)["best"]["Male"]
    z, male = gallery.codes(load_sae(tmp_path / "a").digest).csc.toarray(), gallery.labels("gender") == "Male"
    probe, held = gallery.rows("probe"), gallery.rows("evaluation")
    scores = [auc(z[probe, j], male[probe]) for j in range(z.shape[1])]
    assert best["neuron"] == int(np.argmax(scores)) and best["auc"]["estimate"] == pytest.approx(max(scores))
    expected = auc(z[held, best["neuron"]], male[held])
    assert best["confirmed"]["estimate"] == pytest.approx(expected) and best["confirmed"]["n"] == len(held)
