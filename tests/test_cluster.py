"""A Ray cluster of two workers gives what one process gives, byte for byte, also when a worker is killed midway."""

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from core.backbones.open_clip_models import load_backbone
from core.cli import main
from core.cluster import AHEAD, Cluster, WorkerLost, cluster_at
from core.config import InputError
from core.datasets import DATASETS
from core.gallery import Gallery, build_gallery, building, import_gallery
from core.gallery.spreading import spread_parts
from core.neurons import encode_gallery
from core.saes.base import SAES, new_sae
from core.saes.checkpoint import SAEFile, save_sae
from core.training import Team, TrainingStopped, train_sae
from tests import cluster_work as work

N = 300


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray")
    with cluster_at("local", 2) as found:
        folder = Path(found._ray._private.worker._global_node.get_temp_dir_path())
        yield found
    assert not folder.exists(), "its logs are left"
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if str(folder).encode() in command], "its processes are left"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(N):
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(folder / f"{i:03d}.jpg")
    (folder / "070.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def gallery(tmp_path_factory) -> Gallery:
    folder, rng = tmp_path_factory.mktemp("imported"), np.random.default_rng(1)
    table = pd.DataFrame({"id": [f"i{i}" for i in range(N)], "gender": rng.choice(["F", "M", None], N)})
    table.to_csv(folder / "table.csv", index=False)
    x = work.embeddings(N)
    return import_gallery(x, folder / "table.csv", model_name="toy", out=folder / "gallery")


@pytest.fixture(scope="module")
def sae_file(gallery, tmp_path_factory) -> SAEFile:
    sae, _ = train_sae(gallery.embeddings(), work.config("topk"), work.SHORT)
    return save_sae(tmp_path_factory.mktemp("sae") / "s", sae, "s", gallery.fingerprint("pooled"))


def digests(folder: Path) -> dict[str, dict]:
    return json.loads((folder / "manifest.json").read_text())["files"]


# --- work in parts ----------------------------------------------------------------------------------------------


def test_parts_come_in_order_a_lost_one_is_done_again(cluster, tmp_path):
    found = list(cluster.map(partial(work.squares, tmp_path / "killed"), range(12)))
    assert [square for square, _ in found] == [number**2 for number in range(12)]
    assert (tmp_path / "killed").exists()


def test_few_parts_are_under_way_at_once(cluster):
    asked: list[int] = []
    results = cluster.map(work.squares, (asked.append(number) or number for number in range(100)))
    for taken in range(3):
        next(results)
        assert len(asked) <= taken + AHEAD * cluster.at_once()
    results.close()


def test_what_a_worker_refuses_is_refused_here_in_the_same_words(cluster):
    with pytest.raises(InputError, match=r"^3 was given"):
        list(cluster.map(work.refusing, range(9)))
    assert [square for square, _ in cluster.map(work.squares, [2])] == [4], "the cluster works on"


def test_what_no_worker_can_load_is_one_line(cluster):
    with pytest.raises(WorkerLost, match="bad call flags"):
        list(cluster.map(work.Unreadable(), [1]))
    with cluster.holding([work.Unreadable()]) as held, pytest.raises(WorkerLost, match="bad call flags"):
        held.ask("anything")


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:1", "ray://127.0.0.1:1", "host:99999999"])
def test_an_address_without_a_cluster_is_one_line(capsys, address, tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "c.csv").write_text("id,text\n1,a photo\n")
    arguments = ["gallery", "build", "--captions", tmp_path / "c.csv", "--out", tmp_path / "g", "--ray", address]
    assert main([*map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert not said.out and len(said.err.splitlines()) == 1 and f"--ray was {address!r}" in said.err


def test_without_ray_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r'pip install "ray\[default\]"'), cluster_at("local"):
        pass


def test_more_workers_than_processors_are_refused(cluster):
    with pytest.raises(InputError, match="has 2 processors"):
        Cluster(cluster._ray, 3)
    with pytest.raises(InputError, match="no GPU"):
        cluster.at_once(gpu=True)


# --- galleries --------------------------------------------------------------------------------------------------


@pytest.fixture
def several_threads() -> Iterator[None]:
    """Ray gives each worker one; the last digits of sums depend on how many share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("several_threads")
def test_a_gallery_is_the_same_bytes_although_a_worker_is_killed(cluster, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(building, "CHUNK", 64)
    items = DATASETS.get("folder")().items(pictures)
    backbone, load = load_backbone("default", device="cpu"), partial(load_backbone, "default", None, "cpu")
    build = partial(build_gallery, items, backbone, attaches=("pooled", "residual"), name="g", batch=32)
    alone = build(tmp_path / "alone")
    fragile = partial(work.fragile_backbone, load, tmp_path / "killed")
    told = []
    spread = build(
        tmp_path / "spread", embed=partial(spread_parts, cluster, fragile), progress=lambda *p: told.append(p[:2])
    )
    assert (tmp_path / "killed").exists()
    assert spread.digest == alone.digest and digests(spread.path) == digests(alone.path)
    assert spread.info()["problems"] == alone.info()["problems"] and spread.n == N - 1
    # what comes after the embedding (putting together, digests) counts anew
    end = next((i for i in range(1, len(told)) if told[i] < told[i - 1]), len(told))
    assert told[0] == (0, N) and told[end - 1] == (N, N)


def test_an_interrupted_build_goes_on_without_a_cluster(cluster, pictures, tmp_path, monkeypatch):
    class Enough(Exception):
        pass

    def until(done: int, total: int, what: str) -> None:
        if done > 100:
            raise Enough

    monkeypatch.setattr(building, "CHUNK", 64)
    items = DATASETS.get("folder")().items(pictures)
    backbone, load = load_backbone("default", device="cpu"), partial(load_backbone, "default", None, "cpu")
    embed = partial(spread_parts, cluster, load)
    with pytest.raises(Enough):
        build_gallery(items, backbone, tmp_path / "g", embed=embed, progress=until)
    assert not (tmp_path / "g").exists()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob(".g.partial/chunk-*")}
    assert len(kept) == 2
    made = build_gallery(items, backbone, tmp_path / "g")
    assert made.digest == build_gallery(items, backbone, tmp_path / "alone").digest


def test_codes_are_the_same_bytes_although_a_worker_is_killed(cluster, gallery, sae_file, tmp_path):
    def codes(cluster: Cluster | None, file: SAEFile) -> dict:
        encode_gallery(gallery, file, batch=16, cluster=cluster)
        (folder,) = (gallery.path / "codes").iterdir()
        found = json.loads((folder / "codes.json").read_text())["files"]
        shutil.rmtree(folder)
        return found

    fragile = work.FragileTopK(sae_file.sae.config)
    fragile.load_state_dict(sae_file.sae.state_dict())
    fragile.frozen().mark = tmp_path / "killed"
    fragile_file = SAEFile(fragile, sae_file.name, sae_file.digest, sae_file.fingerprint)
    assert codes(cluster, fragile_file) == codes(None, sae_file)
    assert (tmp_path / "killed").exists()


# --- training ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(cluster) -> dict[bool, dict[str, list]]:
    """Curves of every architecture by two processes, in float64 (True) and float32."""
    with cluster.holding([partial(work.Curves, rank, 2) for rank in range(2)]) as members:
        host = members.address()
        members.ask("begin", host, members.ask_one(0, "open", host))
        first, second = zip(*(members.ask("curves", exact) for exact in (True, False)), strict=True)
        assert first == second, "both see the whole batch's numbers"
    return dict(zip((True, False), first, strict=True))


@pytest.mark.parametrize("arch", SAES.names())
def test_two_processes_take_the_steps_of_one(shared, arch):
    alone, together = np.array(work.curve(arch, exact=True)), np.array(shared[True][arch])
    assert alone[:, 4].max() > 0, "some neuron dies, so that its revival is looked at as well"
    np.testing.assert_allclose(together[:, 1:], alone[:, 1:], rtol=1e-8)


@pytest.mark.parametrize("arch", work.SMOOTH)
def test_two_processes_draw_the_curve_of_one(shared, arch):
    alone, together = np.array(work.curve(arch, exact=False)), np.array(shared[False][arch])
    np.testing.assert_allclose(together[:, 1:], alone[:, 1:], rtol=1e-4)


def test_killed_and_stopped_and_resumed_here_it_is_the_same_training(cluster, shared, tmp_path):
    arch, told = "batch-topk", []
    train = partial(train_sae, work.embeddings(), work.config(arch), work.SHORT, out=tmp_path / "s", save_every=20)
    fragile = partial(work.fragile_rows, tmp_path / "killed", 16 + 35)  # 16 batches are read for the norm
    with pytest.raises(TrainingStopped, match="after step 60 of 80"):
        train(team=Team(cluster, fragile), on_step=told.append, stop=lambda: len(told) == 60)
    assert (tmp_path / "killed").exists()
    assert told == shared[False][arch][:60], "the points of a training in which nobody was killed, none of them twice"
    sae, curve = train(resume=True)
    alone, whole = train_sae(work.embeddings(), work.config(arch), work.SHORT)
    np.testing.assert_allclose(np.array(curve), np.array(whole), rtol=1e-4)
    torch.testing.assert_close(sae.W_dec, alone.W_dec, rtol=1e-3, atol=1e-4)


# --- from the command line --------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["build", "encode", "train", "rank"])
def test_a_verb_says_the_same_on_a_cluster(request, gallery, sae_file, tmp_path, monkeypatch, capsys, verb):
    """`build` and `encode` on Ray; `train` and `rank` with workers in this process, as Ray is looked at above."""
    at = request.getfixturevalue("cluster") if verb in ("build", "encode") else work.Here(1 if verb == "train" else 3)
    monkeypatch.setattr("core.cluster.cluster_at", lambda address, workers: nullcontext(at))
    np.save(tmp_path / "q.npy", np.ones(8))
    (tmp_path / "c.csv").write_text("id,text\n" + "".join(f"{i},a photo of {i} cats\n" for i in range(9)))
    place, saved, query = str(gallery.path), str(sae_file.path), str(tmp_path / "q.npy")
    shape = ["--d-sae", "24", "--k", "3", "--steps", "20", "--batch", "16"]
    arguments = {
        "build": ["gallery", "build", "--captions", str(tmp_path / "c.csv"), "--name", "g"],
        "encode": ["sae", "encode", saved, "--gallery", place],
        "train": ["sae", "train", "--gallery", place, *shape],
        "rank": ["rank", "--gallery", place, "--query-embedding", query, "--attribute", "gender", "--k", "30"],
    }[verb]
    arguments += ["--sae", saved, "--off", "1,5,7"] if verb == "rank" else []
    found = []
    for name, ray in (("alone", []), ("spread", ["--ray", "local", "--workers", "2"])):
        out = ["--out", str(tmp_path / name)] if verb in ("build", "train") else []
        assert main([*arguments, *out, *ray, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    keys = ("digest", "digests", "n", "d_sae", "l0", "before", "after", "steps", "dead_fraction")
    alone, spread = ({key: one[key] for key in keys if key in one} for one in found)
    for arm in {"before", "after"} & set(alone):
        np.testing.assert_allclose(spread[arm].pop("scores"), alone[arm].pop("scores"), atol=1e-6)
    assert spread == alone and alone


def test_options_that_do_not_go_together_are_one_line(capsys, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((2, 128)))
    array = ["--in", str(tmp_path / "x.npy"), "--out", str(tmp_path / "z.npz")]
    for arguments, said in (
        (["rank", "--gallery", "default", "--query", "x", "--attribute", "gender", "--workers", "2"], "without --ray"),
        (["sae", "encode", "default-image", *array, "--ray", "local"], "an array is encoded here"),
    ):
        assert main(arguments) == 2
        told = capsys.readouterr()
        assert not told.out and said in told.err and len(told.err.splitlines()) == 1


def test_a_share_of_few_rows_is_no_error():
    """Fewer activations than are asked for, in the process that has all of them."""
    sae = new_sae(work.config("batch-topk"))
    assert sae.loss(torch.zeros(4, 8), torch.zeros(24, dtype=torch.int64)).n_active == 0
