"""Training of the small CLIP model: resumable to the bit, and able to learn."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.avatars import clip_training, world
from core.avatars.clip_training import ClipTraining, ClipTrainingConfig, train_clip
from core.avatars.pictures import pixels_of

TINY = ClipTrainingConfig(
    image_size=32,
    patch_size=16,
    width=32,
    layers=1,
    head_width=16,
    text_width=32,
    text_layers=1,
    embed_dim=16,
    steps=6,
    batch=16,
    checkpoint_every=2,
)


@pytest.fixture(scope="module")
def population():
    avatars = world.plain_avatars(0, 72)
    return avatars, pixels_of(avatars, 32)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_an_interrupted_training_ends_in_the_identical_model(population, tmp_path):
    whole = train_clip(ClipTraining(TINY, *population))
    first = ClipTraining(TINY, *population)
    first.advance(4)
    first.save(tmp_path / "state.pt")
    resumed = train_clip(ClipTraining(TINY, *population), tmp_path / "state.pt")
    assert torch.equal(weights(whole), weights(resumed))


def test_another_seed_or_configuration_does_not_take_up_a_checkpoint(population, tmp_path):
    training = ClipTraining(TINY, *population)
    training.advance(2)
    training.save(tmp_path / "state.pt")
    other = ClipTraining(replace(TINY, seed=1), *population)
    assert not other.load(tmp_path / "state.pt") and other.step == 0
    assert not torch.equal(weights(other.model), weights(ClipTraining(TINY, *population).model))
    assert training.load(tmp_path / "state.pt") and not training.load(tmp_path / "none.pt")


def test_training_lowers_both_losses_and_reports_progress(population):
    training = ClipTraining(replace(TINY, steps=80, learning_rate=5e-3), *population)
    seen = []
    before = training._train_one_step()
    model = train_clip(training, progress=lambda done, total, text: seen.append((done, total)))
    after = training._train_one_step()
    assert after[1] < before[1] - 0.1
    assert seen[-1] == (80, 80) and seen == sorted(seen)
    assert not model.training and not any(p.requires_grad for p in model.parameters())


def test_what_is_kept_is_the_running_average_of_the_weights(population):
    training = ClipTraining(TINY, *population)
    expected = weights(training.model).clone()
    for step in range(5):
        training.advance(step + 1)
        decay = min(TINY.average, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights(training.model)
    torch.testing.assert_close(weights(training.averaged), expected)


def test_an_epoch_sees_every_row_once():
    rows = np.concatenate([clip_training.batch_rows(70, 16, step, seed=3) for step in range(4)])
    assert len(rows) == len(set(rows)) == 64
    assert not np.array_equal(clip_training.batch_rows(70, 16, 0, 3), clip_training.batch_rows(70, 16, 4, 3))


def test_schedule_rises_to_one_and_falls_to_zero():
    values = [clip_training.schedule(step, 1000, 0.1) for step in range(1000)]
    assert max(values) == pytest.approx(1) and values.index(max(values)) == 99
    assert values[-1] < 1e-5 and values == sorted(values[:99]) + sorted(values[99:], reverse=True)


def test_contrastive_loss_is_the_symmetric_cross_entropy():
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.randn(5, 8, generator=rng, dtype=torch.float64) for _ in range(2))
    unit_a, unit_b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    p = 3.0 * unit_a @ unit_b.T
    slow = -sum(p[i, i] - p[i].logsumexp(0) + p[i, i] - p[:, i].logsumexp(0) for i in range(5)) / 10
    assert float(clip_training.contrastive_loss(a, b * 7, torch.tensor(3.0))) == pytest.approx(float(slow))


def test_augmentation_keeps_shape_and_leaves_the_pictures_alone(population):
    pixels = population[1][:8]
    before = pixels.copy()
    x = clip_training.augmented(pixels, 2, np.random.default_rng(0))
    assert x.shape == (8, 3, 32, 32) and x.dtype == torch.float32
    np.testing.assert_array_equal(pixels, before)
    again = clip_training.augmented(pixels, 2, np.random.default_rng(0))
    assert torch.equal(x, again)


def test_label_shares_are_one_hot_and_a_neutral_presentation_is_half_of_either(population):
    neutral = world.sample_avatar(random.Random(0), (world.NEUTRAL, "young", "light"))
    shares, sizes = clip_training.label_table([*population[0], neutral])
    assert shares.shape == (73, sum(sizes)) and sizes[0] == 2
    np.testing.assert_allclose(shares.sum(1), len(clip_training.PROMINENCE))
    assert set(np.unique(shares[:72])) == {0, 1}
    assert shares[72, :2].tolist() == [0.5, 0.5]


def test_prominence_scales_the_distance_that_the_heads_ask_for():
    """The same loss at twice the prominence needs values that lie twice as far apart."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        near = clip_training.LabelHeads(8, [2, 3], [1.0, 0.5])
        torch.manual_seed(0)
        far = clip_training.LabelHeads(8, [2, 3], [2.0, 1.0])
    torch.testing.assert_close(near.weight, 2 * far.weight)
    directions = torch.nn.functional.normalize(near.weight)
    torch.testing.assert_close(directions @ directions.T, torch.eye(5), atol=1e-5, rtol=0)
    assert not list(near.parameters()), "the directions are not trained"


def test_the_model_pools_the_class_token_and_has_a_residual(population):
    """The image tower reads one token: its readout must reproduce the embedding."""
    model = ClipTraining(TINY, *population).model.eval()
    seen = []
    hook = model.visual.transformer.register_forward_hook(lambda module, args, out: seen.append(out))
    with torch.inference_mode():
        x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        embedding = model.encode_image(x)
        again = model.visual.ln_post(seen[0][:, 0]) @ model.visual.proj
    hook.remove()
    torch.testing.assert_close(again, embedding)
