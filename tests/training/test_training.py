"""Training draws rows by seed, learns the data, and survives being killed without a trace in the result."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import Fingerprint, InputError
from core.saes.base import SAES, new_sae, sae_config
from core.saes.checkpoint import load_sae, sae_digest
from core.saes.quality import quality
from core.training import (
    STATE,
    RowSampler,
    Trainer,
    TrainingStopped,
    forget,
    interrupted,
    train_on_gallery,
    train_sae,
)
from core.training.config import TrainingConfig, suggested_training

ROOT = Path(__file__).resolve().parents[2]
CONFIG = sae_config("matryoshka-batch-topk", 8, 24, 3)
SHORT = TrainingConfig(steps=30, batch=16, dead_after=100, threshold_start=5)


def embeddings(n: int = 200, d: int = 8, seed: int = 0) -> np.ndarray:
    """Sparse positive combinations of 10 directions around a mean that is much longer than they are."""
    rng = np.random.default_rng(seed)
    codes = rng.exponential(size=(n, 10)) * (rng.random((n, 10)) < 0.2)
    return (20 + codes @ rng.normal(size=(10, d))).astype(np.float32)


class Killed(Exception):
    pass


def killed_at(step: int):
    def on_step(point):
        if point.step == step:
            raise Killed

    return on_step


def test_every_epoch_sees_every_row_once_and_batches_follow_from_seed_and_step():
    sample = RowSampler(n=10, batch=4, seed=3)
    seen = np.concatenate([sample(step) for step in range(5)])
    assert np.bincount(seen, minlength=10).tolist() == [2] * 10
    assert all(len(sample(step)) == 4 for step in range(9))
    assert np.array_equal(RowSampler(10, 4, 3)(7), sample(7))
    assert not np.array_equal(RowSampler(1000, 4, 4)(7), RowSampler(1000, 4, 3)(7))
    assert len(RowSampler(n=3, batch=8, seed=0)(0)) == 8, "fewer rows than a batch"


def test_killed_and_resumed_is_the_uninterrupted_training(tmp_path):
    x, told = embeddings(), []
    train_sae(x, CONFIG, SHORT, out=tmp_path / "whole", on_step=told.append, save_every=8)
    with pytest.raises(Killed):
        train_sae(x, CONFIG, SHORT, out=tmp_path / "cut", on_step=killed_at(21), save_every=8)
    assert not (tmp_path / "cut").exists()
    _, curve = train_sae(x, CONFIG, SHORT, out=tmp_path / "cut", resume=True, save_every=8)
    whole, cut = load_sae(tmp_path / "whole"), load_sae(tmp_path / "cut")
    assert whole.digest == cut.digest and whole.quality == cut.quality
    assert curve == told
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["config.json", "weights.safetensors"]
    assert not list(tmp_path.glob(".*")), "nothing is left beside the result"


def test_without_resume_an_old_state_is_ignored(tmp_path):
    x = embeddings()
    with pytest.raises(Killed):
        train_sae(
            x,
            CONFIG,
            TrainingConfig(steps=30, batch=16, seed=9),
            out=tmp_path / "a",
            on_step=killed_at(20),
            save_every=8,
        )
    assert (tmp_path / ".a.partial" / STATE).exists()
    train_sae(x, CONFIG, SHORT, out=tmp_path / "a")
    in_memory, _ = train_sae(x, CONFIG, SHORT)
    assert load_sae(tmp_path / "a").digest == sae_digest(in_memory)


@pytest.mark.parametrize("other", ["settings", "embeddings", "damage"])
def test_resuming_another_training_is_refused(tmp_path, other):
    x = embeddings()
    with pytest.raises(Killed):
        train_sae(x, CONFIG, SHORT, out=tmp_path / "a", on_step=killed_at(20), save_every=8)
    training = TrainingConfig(steps=31, batch=16) if other == "settings" else SHORT
    if other == "damage":
        (tmp_path / ".a.partial" / STATE).write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"other settings or other embeddings|damaged or cut"):
        train_sae(2 * x if other == "embeddings" else x, CONFIG, training, out=tmp_path / "a", resume=True)


def test_an_existing_folder_is_kept_unless_replacing_is_asked_for(tmp_path):
    train_sae(embeddings(), CONFIG, SHORT, out=tmp_path / "a")
    before = load_sae(tmp_path / "a").digest
    with pytest.raises(InputError, match="exists already"):
        train_sae(embeddings(seed=1), CONFIG, SHORT, out=tmp_path / "a")
    assert load_sae(tmp_path / "a").digest == before
    train_sae(embeddings(seed=1), CONFIG, SHORT, out=tmp_path / "a", replace_out=True)
    assert load_sae(tmp_path / "a").digest != before


def test_the_result_works_on_raw_embeddings_whatever_their_scale():
    """A power of two scales every rounding with it, so that the whole training must scale exactly."""
    x = embeddings()
    small, _ = train_sae(x, CONFIG, SHORT)
    large, _ = train_sae(64 * x, CONFIG, SHORT)
    np.testing.assert_allclose(large.b_dec, 64 * small.b_dec, rtol=1e-5)
    assert quality(large, 64 * x).fvu == pytest.approx(quality(small, x).fvu, rel=1e-4)
    assert large.threshold.item() == pytest.approx(64 * small.threshold.item(), rel=1e-4) and small.threshold > 0


def test_learns_sparse_data_to_the_l0_it_was_given():
    x = embeddings(2000)
    training = TrainingConfig(steps=300, batch=64, lr=8e-3)
    sae, curve = train_sae(x, CONFIG, training)
    measured = quality(sae, x)
    assert measured.fvu < 0.15 and measured.l0 == pytest.approx(3, abs=0.5)
    assert curve[0].step == 0 and curve[-1].step == 299 and curve[-1].fvu < curve[0].fvu
    assert curve[-1].l0 <= 3


def test_rows_and_half_floats_and_memory_maps_are_the_plain_array(tmp_path):
    x = embeddings().astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    rows = np.arange(1, 200, 2)
    mapped, _ = train_sae(np.load(tmp_path / "x.npy", mmap_mode="r"), CONFIG, SHORT, rows=rows)
    plain, _ = train_sae(x[rows].astype(np.float32), CONFIG, SHORT)
    assert sae_digest(mapped) == sae_digest(plain)


def test_the_rate_rises_stays_and_falls():
    trainer = Trainer(new_sae(CONFIG), TrainingConfig(steps=100, lr=1.0, warmup_steps=10, decay_fraction=0.2))
    rates = []
    for trainer.step in range(100):
        rates.append(trainer.rate())
    assert rates[0] == 0 and rates[5] == 0.5 and rates[10:81] == [1.0] * 71
    assert rates[90] == 0.5 and rates[99] == pytest.approx(0.05)


def test_no_global_random_state_is_touched():
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    train_sae(embeddings(), CONFIG, SHORT)
    assert torch.equal(before[0], torch.get_rng_state()) and np.array_equal(before[1], np.random.get_state()[1])


@pytest.mark.parametrize(
    ("x", "rows", "message"),
    [
        (np.ones((5, 7)), None, r"\(n, 8\)"),
        (np.ones((0, 8)), None, "no rows"),
        (np.ones((5, 8)), np.array([], dtype=int), "no rows"),
        (np.full((5, 8), np.nan), None, "finite"),
        (np.zeros((5, 8)), None, "not all zero"),
    ],
)
def test_what_cannot_train_is_said(x, rows, message):
    with pytest.raises(InputError, match=message):
        train_sae(x, CONFIG, SHORT, rows=rows)


def test_divergence_is_said_not_saved(tmp_path):
    x = embeddings()
    x[3] = np.inf
    with pytest.raises(InputError, match="finite"):
        train_sae(x, CONFIG, SHORT, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


class FakeGallery:
    name, digest, path = "toy", "e" * 64, "toy"
    x = embeddings()

    def embeddings(self, attach):
        return self.x

    def fingerprint(self, attach):
        return Fingerprint("toy", "f" * 64, "image", attach, 8)

    def rows(self, half):
        return np.arange(0, 200, 2) if half == "probe" else np.arange(1, 200, 2)


def test_training_on_a_gallery_records_what_it_was_made_from(tmp_path):
    told = []
    made = train_on_gallery(
        FakeGallery(), "residual", "probe", CONFIG, SHORT, tmp_path / "a", progress=lambda *p: told.append(p)
    )
    saved = load_sae(tmp_path / "a")
    assert made.digest == saved.digest and saved.gallery == "e" * 64 and saved.name == "a"
    assert saved.fingerprint == FakeGallery().fingerprint("residual")
    assert saved.training["half"] == "probe" and saved.training["rows"] == 100 == saved.quality["n"]
    assert saved.training["lr"] > 0, "what was None is recorded as the number used"
    assert made.training["samples_per_second"] > 0 and "samples_per_second" not in saved.training
    assert any(done == total == 30 and what.startswith("training the SAE: loss ") for done, total, what in told)
    plain, _ = train_sae(FakeGallery.x[::2], CONFIG, SHORT)
    assert sae_digest(plain) == saved.digest


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"lr": 0.0}, {"batch": 2.5}, {"decay_fraction": 1.5}, {"seed": -1}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrainingConfig(**wrong)


def test_stopped_at_any_step_and_resumed_it_is_the_uninterrupted_training(tmp_path):
    x, reached = embeddings(), 0
    train_sae(x, CONFIG, SHORT, out=tmp_path / "whole")
    for stop_at in (1, 2, 9, 17, 29):
        asked = iter(range(stop_at - reached))
        with pytest.raises(TrainingStopped, match=f"step {stop_at} of 30"):
            train_sae(
                x, CONFIG, SHORT, out=tmp_path / "cut", resume=True, stop=lambda asked=asked: next(asked, None) is None
            )
        reached = stop_at
        assert not (tmp_path / "cut").exists() and (tmp_path / ".cut.partial" / STATE).exists()
    train_sae(x, CONFIG, SHORT, out=tmp_path / "cut", resume=True)
    for name in ("weights.safetensors", "config.json"):
        told = (tmp_path / "cut" / name).read_bytes().replace(b'"cut"', b'"whole"')
        assert told == (tmp_path / "whole" / name).read_bytes()


def test_killed_without_warning_ten_times_it_is_the_uninterrupted_training(tmp_path):
    """SIGKILL at ten random moments, also while the state is being written."""
    subprocess.run([sys.executable, "-m", "tests.killing", tmp_path], cwd=ROOT, check=True)
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("cut", "whole")]
    assert weights[0] == weights[1]


def test_two_trainings_of_one_folder_do_not_meet(tmp_path):
    x, refused = embeddings(), []

    def second(point):
        if point.step == 10:
            with pytest.raises(InputError, match="being made by another job") as caught:
                train_sae(x, CONFIG, SHORT, out=tmp_path / "a")
            refused.append(caught.value)
            assert interrupted(tmp_path) == [], "what is running is not offered for going on"

    train_sae(x, CONFIG, SHORT, out=tmp_path / "a", on_step=second)
    assert len(refused) == 1 and load_sae(tmp_path / "a").quality["n"] == 200
    assert not list(tmp_path.glob(".*"))


def test_a_diverged_training_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "rate", lambda self: 1e30)
    with pytest.raises(InputError, match="diverged at step"):
        train_sae(embeddings(), CONFIG, SHORT, out=tmp_path / "a", save_every=1)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_at_the_last_moment_is_one_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("core.training.loop.save_sae", full)
    with pytest.raises(InputError, match=r"s cannot be written: the disk is full"):
        train_sae(embeddings(), CONFIG, SHORT, out=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_an_interrupted_training_says_what_it_was_and_can_be_forgotten(tmp_path):
    def stopped(name, calls):
        left = iter(range(calls))
        with pytest.raises(TrainingStopped):
            train_on_gallery(
                FakeGallery(),
                "pooled",
                "probe",
                CONFIG,
                SHORT,
                tmp_path / name,
                stop=lambda: next(left, None) is None,
            )

    stopped("b", 12)
    stopped("a", 3)
    first, second = interrupted(tmp_path)
    assert (first.out, first.step, second.out, second.step) == (tmp_path / "a", 3, tmp_path / "b", 12)
    assert sae_config(**second.plan["config"]) == CONFIG and TrainingConfig(**second.plan["training"]) == SHORT
    assert (second.plan["half"], second.plan["name"]) == ("probe", "toy")
    forget(first.out)
    assert [found.out for found in interrupted(tmp_path)] == [tmp_path / "b"]


def test_looks_are_copies_that_read_raw_embeddings(tmp_path):
    x, looks = embeddings(), []
    sae, _ = train_sae(x, CONFIG, SHORT, on_look=looks.append)
    assert [look.step for look in looks] == list(range(2, 31, 2))
    assert sae_digest(looks[-1].sae) == sae_digest(sae) != sae_digest(looks[0].sae)
    plain, _ = train_sae(x, CONFIG, SHORT)
    assert sae_digest(plain) == sae_digest(sae), "looking changes nothing"


class Counted:
    """An array on disk as training sees it: no more than some rows may be asked for at a time."""

    def __init__(self, x, most):
        self.x, self.most, self.shape, self.ndim = x, most, x.shape, x.ndim

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        part = self.x[rows]
        assert len(part) <= self.most
        return part


@pytest.mark.parametrize("rows", [None, np.arange(3, 9000, 2)])
def test_training_and_measuring_read_a_batch_at_a_time(rows):
    from core.training.loop import _measure

    sae, _ = train_sae(Counted(embeddings(9000), 16), CONFIG, SHORT, rows=rows)
    assert _measure(sae, Counted(embeddings(9000), 4096), rows, None)["n"] == (9000 if rows is None else len(rows))


@pytest.mark.parametrize("n", [40, 400, 1000, 2016, 30_000, 50_000, 3_000_000])
@pytest.mark.parametrize("d", [6, 128, 512, 1024])
def test_suggestions_leave_rows_for_every_neuron_and_say_why(n, d):
    found = suggested_training(n, d)
    assert 1 <= found.k <= found.d_sae <= max(2 * d, 1)
    assert found.d_sae == 2 * d or found.d_sae == 32 or 8 <= n / found.d_sae < 16
    sae_config("topk", d, found.d_sae, found.k)
    neurons, active, steps = found.why()
    assert f"{found.d_sae:,} neurons for {n:,} rows of {d:,} columns" in neurons
    assert ("single items" in neurons) == (found.d_sae < 2 * d)
    assert f"k = {found.k}" in active and f"{found.steps:,} steps" in steps
    assert found.steps * found.batch + found.batch > min(100 * n, 300_000), "a hundred passes, while that is few steps"


@pytest.mark.parametrize("arch", SAES.names())
def test_half_precision_products_train_the_same_kind_of_sae(arch):
    """On a CPU, where it can be asked for; parameters stay float32 and little is lost."""
    x = embeddings(300)
    found = {}
    for precision in ("auto", "float32", "bfloat16"):
        training = TrainingConfig(steps=30, batch=32, lr=5e-3, precision=precision, dead_after=300)
        sae, curve = train_sae(x, sae_config(arch, 8, 24, 3), training)
        assert all(value.dtype == torch.float32 for value in sae.parameters())
        found[precision] = quality(sae, x).fvu, curve[-1].loss, sae_digest(sae)
    assert found["auto"] == found["float32"], "auto changes nothing on a CPU"
    assert found["bfloat16"][0] == pytest.approx(found["float32"][0], rel=0.25)
