"""The command line as a person meets it: documents on standard output, one line and exit code 2 for every mistake."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.cli import main
from tests.recorded import ORACLES

N, D = 240, 16


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Embeddings whose first direction carries gender, their table and two known prompts."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    male = np.arange(N) % 2 == 0
    x = rng.normal(size=(N, D)).astype(np.float32) * 0.3 + 1.0
    x[:, 0] += np.where(male, 1.5, -1.5)
    np.save(folder / "x.npy", x)
    np.save(folder / "bad.npy", np.where(np.arange(N)[:, None] == 7, np.nan, x))
    labels = pd.DataFrame({"id": [f"item {i}" for i in range(N)], "gender": np.where(male, "Male", "Female")})
    labels["town"] = np.where(np.arange(N) < N // 2, "A", "B")
    labels.to_csv(folder / "labels.csv", index=False)
    labels.drop(columns="id").to_csv(folder / "no_id.csv", index=False)
    labels[:-1].to_csv(folder / "short.csv", index=False)
    pd.DataFrame({"prompt": ["a photo of a pilot", "a photo of a nurse"]}).to_csv(folder / "prompts.csv", index=False)
    np.save(folder / "prompts.npy", np.eye(2, D, dtype=np.float32) * [[1], [1]] + 0.1)
    return folder


@pytest.fixture(scope="module")
def gallery(made: Path) -> str:
    arguments = ["gallery", "import", "--embeddings", f"{made}/x.npy", "--table", f"{made}/labels.csv"]
    arguments += ["--texts", f"{made}/prompts.npy", "--text-table", f"{made}/prompts.csv"]
    assert main([*arguments, "--model-name", "hand-made", "--out", f"{made}/gallery"]) == 0
    return f"{made}/gallery"


@pytest.fixture(scope="module")
def sae(made: Path, gallery: str) -> str:
    arguments = ["sae", "train", "--gallery", gallery, "--side", "image", "--attach", "pooled"]
    arguments += ["--arch", "matryoshka-batch-topk", "--d-sae", "32", "--k", "4", "--steps", "60", "--batch", "64"]
    assert main([*arguments, "--seed", "1", "--out", f"{made}/sae"]) == 0
    return f"{made}/sae"


def document(capsys: pytest.CaptureFixture, *arguments: str, code: int = 0) -> dict:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == code
    out = capsys.readouterr().out
    assert out.count("\n") == 1, "one JSON document and nothing else"
    return json.loads(out)


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    capsys.readouterr()
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if line.strip()]
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


def test_info_counts_groups_and_unknowns_and_check_compares_digests(capsys, gallery) -> None:
    info = document(capsys, "gallery", "info", gallery, "--check")
    assert info["n"] == N
    assert info["attributes"]["gender"] == {"Female": 120, "Male": 120, "unknown": 0}
    assert info["check"] == {"equal": True, "problems": []}


def test_check_says_no_with_code_1_and_names_the_file(capsys, made, gallery, tmp_path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(gallery, copy)
    x = np.load(copy / "pooled.npy")
    x[3, 3] += 1
    np.save(copy / "pooled.npy", x)
    info = document(capsys, "gallery", "info", str(copy), "--check", code=1)
    assert any("pooled.npy" in problem for problem in info["check"]["problems"])


def test_trained_sae_reports_its_quality_and_repeats_itself(capsys, made, gallery, sae) -> None:
    arguments = ["sae", "train", "--gallery", gallery, "--d-sae", "32", "--k", "4", "--steps", "60", "--batch", "64"]
    result = document(capsys, *arguments, "--seed", "1", "--out", f"{made}/again")
    assert {"fvu", "l0", "dead_fraction", "steps", "samples_per_second"} <= set(result)
    assert (Path(sae) / "weights.safetensors").read_bytes() == (made / "again" / "weights.safetensors").read_bytes()


def test_encode_gives_codes_whose_decoding_is_x_hat(capsys, made, sae) -> None:
    from core.saes.checkpoint import load_sae

    document(capsys, "sae", "encode", sae, "--in", f"{made}/x.npy", "--out", f"{made}/z.npz")
    arrays = np.load(made / "z.npz")
    weights = load_sae(sae).sae.arrays()
    assert arrays["z"].shape == (N, 32)
    np.testing.assert_allclose(arrays["x_hat"], arrays["z"] @ weights["W_dec"] + weights["b_dec"], atol=1e-4)


def test_neurons_of_arrays_and_of_a_gallery_agree(capsys, made, gallery, sae) -> None:
    from core.gallery import open_gallery
    from core.saes.checkpoint import load_sae

    whole = document(capsys, "neurons", "--gallery", gallery, "--sae", sae, "--attribute", "gender", "--tau", "0.5")
    assert whole["half"] == "probe"
    opened = open_gallery(gallery)
    rows = opened.rows("probe")
    codes = opened.codes(load_sae(sae).digest)
    np.savez(made / "c.npz", acts=codes.csr[rows].toarray(), labels=opened.labels("gender")[rows].astype(str))
    bare = document(capsys, "neurons", "--codes", f"{made}/c.npz", "--tau", "0.5")
    for group, found in whole["groups"].items():
        assert found["specific"] == bare["groups"][group]["specific"]
        assert found["n"] == bare["groups"][group]["n"]


def test_a_gallerys_rule_says_what_it_does_and_bare_arrays_follow_the_published_one(capsys, made, gallery, sae) -> None:
    acts = np.zeros((10, 2), dtype=np.float32)
    acts[:2, 0], acts[:3, 1] = 1, 1
    np.savez(made / "five.npz", acts=acts, labels=np.array(["F"] * 5 + ["M"] * 5))
    ask = ["neurons", "--codes", f"{made}/five.npz", "--tau", "0.5"]
    bare, strict = document(capsys, *ask), document(capsys, *ask, "--rule", "at-least")
    assert (bare["rule"], bare["groups"]["F"]["effective"]) == ("published", [0, 1])
    assert (strict["rule"], strict["groups"]["F"]["effective"]) == ("at-least", [1])
    whole = ["neurons", "--gallery", gallery, "--sae", sae, "--attribute", "gender", "--tau", "0.5"]
    assert document(capsys, *whole)["rule"] == "at-least"
    assert document(capsys, *whole, "--rule", "published")["rule"] == "published"
    assert "--rule was 'most'" in refused(capsys, *whole, "--rule", "most")


def test_every_specific_neuron_has_its_lift(capsys, gallery, sae) -> None:
    found = document(capsys, "neurons", "--gallery", gallery, "--sae", sae, "--attribute", "gender", "--tau", "0.2")
    assert any(group["specific"] for group in found["groups"].values())
    for group in found["groups"].values():
        assert [lift["neuron"] for lift in group["lift"]] == group["specific"]
        for lift in group["lift"]:
            gap = lift["difference"]
            assert gap["lo"] <= lift["rate"] - lift["other_rate"] <= gap["hi"]
            assert lift["verdict"] == ("specific" if gap["lo"] > 0 else "unsure")
            assert set(lift["ratio"]) >= {"estimate", "lo", "hi", "n"}


def test_what_a_neuron_answers_to(capsys, gallery, sae) -> None:
    ask = ["neurons", "--gallery", gallery, "--sae", sae]
    best = document(capsys, *ask, "--attribute", "gender")["best"]["Male"]
    found = document(capsys, *ask, "--neuron", str(best["neuron"]), "--answers", "--top", "1")
    assert [one["attribute"] for one in found["answers"]] == ["gender"] and found["half"] == "probe"
    assert found["answers"][0]["auc"]["estimate"] == pytest.approx(best["auc"]["estimate"])
    assert found["answers"][0]["p"] <= found["answers"][0]["p_adjusted"] and found["tests"] >= 1
    assert main([*ask, "--neuron", str(best["neuron"]), "--answers"]) == 0
    assert "gender Male: AUC" in capsys.readouterr().out
    assert "--answers and --neuron N go together" in refused(capsys, *ask, "--neuron", "3")
    assert "neurons 0 to 31" in refused(capsys, *ask, "--neuron", "99", "--answers")
    assert "--gallery and --sae" in refused(capsys, "neurons", "--neuron", "3", "--answers")


def test_rank_before_after_and_difference(capsys, gallery, sae) -> None:
    plain = document(
        capsys, "rank", "--gallery", gallery, "--query", "a photo of a pilot", "--k", "20", "--attribute", "gender"
    )
    assert plain["before"]["shares"]["Male"]["estimate"] == 1.0
    assert "after" not in plain
    neurons = ",".join(map(str, range(32)))
    edited = document(
        capsys, "rank", "--gallery", gallery, "--query", "a photo of a pilot", "--k", "20", "--attribute", "gender",
        "--sae", sae, "--off", neurons,
    )  # fmt: skip
    assert edited["before"] == plain["before"]
    assert set(edited["after"]["ids"]) != set(plain["before"]["ids"])
    assert "difference" in edited


@pytest.mark.parametrize("options", [["--strength", "0"], ["--form", "blend", "--alpha", "0"]])
def test_an_edit_that_changes_nothing_reproduces_the_ranking(capsys, gallery, sae, options) -> None:
    common = ["rank", "--gallery", gallery, "--query", "a photo of a pilot", "--k", "50", "--attribute", "gender"]
    edited = document(capsys, *common, "--sae", sae, "--off", "1,2,3", *options)
    assert edited["after"]["ids"] == edited["before"]["ids"]
    np.testing.assert_allclose(edited["after"]["scores"], edited["before"]["scores"], atol=1e-6)


def test_where_restricts_rows_and_target(capsys, gallery) -> None:
    part = document(
        capsys, "rank", "--gallery", gallery, "--query", "a photo of a nurse", "--k", "10", "--attribute", "gender",
        "--where", "town=A", "--target", "gallery",
    )  # fmt: skip
    assert part["n"] == N // 2
    assert all(int(name.split()[1]) < N // 2 for name in part["before"]["ids"])


def test_mistakes_are_one_line_that_names_the_offender(capsys, made, gallery, sae) -> None:
    table, x = f"{made}/labels.csv", f"{made}/x.npy"
    load = ["gallery", "import", "--model-name", "m", "--out", f"{made}/never"]
    assert "7" in refused(capsys, *load, "--embeddings", f"{made}/bad.npy", "--table", table)
    assert "239" in refused(capsys, *load, "--embeddings", x, "--table", f"{made}/short.csv")
    assert "no_id.csv" in refused(capsys, *load, "--embeddings", x, "--table", f"{made}/no_id.csv")
    assert "nowhere.npy" in refused(capsys, *load, "--embeddings", f"{made}/nowhere.npy", "--table", table)
    assert not (made / "never").exists()
    assert "manifest.json" in refused(capsys, "gallery", "info", str(made))
    assert "gnder" in refused(capsys, "neurons", "--gallery", gallery, "--sae", sae, "--attribute", "gnder")
    ask = ["rank", "--gallery", gallery, "--attribute", "gender"]
    assert "astronaut" in refused(capsys, *ask, "--query", "a photo of an astronaut")
    assert "9999" in refused(capsys, *ask, "--query", "a photo of a pilot", "--k", "9999")
    assert "3;17" in refused(capsys, *ask, "--query", "a photo of a pilot", "--sae", sae, "--off", "3;17")
    assert "99" in refused(capsys, *ask, "--query", "a photo of a pilot", "--sae", sae, "--off", "99")
    assert "foo" in refused(capsys, *ask, "--query", "a photo of a pilot", "--method", "foo")
    assert "SAE" in refused(capsys, *ask, "--query", "a photo of a pilot", "--method", "reconstruction-only")
    assert "-1" in refused(capsys, *ask, "--query", "a photo of a pilot", "--seed", "-1")
    assert "nowhere.pt" in refused(capsys, "sae", "encode", f"{made}/nowhere.pt", "--in", x, "--out", f"{made}/z.npz")
    assert "--gallery" in refused(capsys, "neurons", "--codes", f"{made}/x.npy", "--gallery", gallery)
    assert "frobnicate" in refused(capsys, "frobnicate")
    assert "--gallery" in refused(capsys, "rank")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04cut off", b"\x93NUMPY\x01\x00"])
def test_damaged_arrays_are_one_line_that_names_the_file(capsys, made, gallery, sae, tmp_path, content) -> None:
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    ask = ["rank", "--gallery", gallery, "--attribute", "gender", "--query-embedding", str(path)]
    load = ["gallery", "import", "--model-name", "m", "--table", f"{made}/labels.csv", "--out", f"{tmp_path}/never"]
    for arguments in (
        ask,
        ["neurons", "--codes", str(path)],
        ["sae", "encode", sae, "--in", str(path), "--out", f"{tmp_path}/z.npz"],
        [*load, "--embeddings", str(path)],
    ):
        assert "damaged.npz" in refused(capsys, *arguments)
    assert [entry.name for entry in tmp_path.iterdir()] == ["damaged.npz"], "nothing half-written stays"


@pytest.mark.parametrize("wrong", [np.array(["a", "b"]), np.ones(D) * 1j, np.ones((2, D)), np.ones(D + 1)])
def test_a_query_embedding_is_one_vector_of_real_numbers(capsys, gallery, tmp_path, wrong) -> None:
    np.save(tmp_path / "q.npy", wrong)
    refused(capsys, "rank", "--gallery", gallery, "--attribute", "gender", "--query-embedding", f"{tmp_path}/q.npy")


def test_a_target_share_that_is_no_number_is_named(capsys, gallery, tmp_path) -> None:
    (tmp_path / "target.json").write_text('{"Female": NaN, "Male": 1}')
    ask = ["rank", "--gallery", gallery, "--attribute", "gender", "--query", "a photo of a pilot"]
    assert "Female" in refused(capsys, *ask, "--target", f"{tmp_path}/target.json")


def test_a_method_without_edit_has_its_arm(capsys, gallery) -> None:
    ask = ["rank", "--gallery", gallery, "--attribute", "gender", "--query", "a photo of a pilot"]
    found = document(capsys, *ask, "--method", "identity")
    assert found["after"]["ids"] == found["before"]["ids"]
    assert found["difference"]["max_skew"]["estimate"] == 0.0


def test_missing_labels_of_bare_arrays_are_no_group(capsys, tmp_path) -> None:
    np.savez(tmp_path / "c.npz", acts=np.eye(4, dtype=np.float32), labels=np.array([0.0, 0.0, 1.0, np.nan]))
    found = document(capsys, "neurons", "--codes", f"{tmp_path}/c.npz", "--tau", "0.5")
    assert {group: of["n"] for group, of in found["groups"].items()} == {"0.0": 2, "1.0": 1}
    assert found["unknown"] == 1


@pytest.mark.parametrize("trainer", ["dl_matryoshka", "sap_matryoshka", "sap_topk"])
@pytest.mark.parametrize(
    ("weights", "io"), [("", "io"), ("ae.pt", "io"), ("checkpoints/ae_60.pt", "checkpoints/io_60")]
)
def test_trainer_folders_and_their_files_are_encoded(capsys, tmp_path, trainer, weights, io) -> None:
    folder = ORACLES / "ckpt" / trainer / "trainer_0"
    recorded = np.load(folder / f"{io}.npz")
    np.save(tmp_path / "x.npy", recorded["x"])
    document(capsys, "sae", "encode", str(folder / weights), "--in", f"{tmp_path}/x.npy", "--out", f"{tmp_path}/z.npz")
    given = np.load(tmp_path / "z.npz")
    for name in ("z", "x_hat"):
        np.testing.assert_allclose(given[name], recorded[name], atol=1e-5)
