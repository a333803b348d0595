"""An early look shows the neurons that are most active, with the items on which they are."""

import numpy as np
import torch

from core.neurons.early_look import early_look
from core.saes.base import new_sae, sae_config


def planted() -> tuple[torch.nn.Module, np.ndarray]:
    """A ReLU SAE whose codes are the embeddings themselves: neuron 0 common, 1 strong, 2 weak, 3 silent."""
    sae = new_sae(sae_config("relu", 4, 4, 1))
    eye = np.eye(4, dtype=np.float32)
    sae.load_arrays({"W_enc": eye, "W_dec": eye, "b_enc": np.zeros(4), "b_dec": np.zeros(4)})
    x = np.zeros((400, 4), dtype=np.float32)
    x[:, 0] = 100
    x[::4, 1] = np.arange(100) + 1
    x[1::8, 2] = 0.5
    return sae.frozen(), x


def test_the_most_active_neurons_with_their_strongest_items_and_no_common_or_silent_one():
    sae, x = planted()
    found = early_look(sae, x, np.arange(400), items=3)
    assert [(one.neuron, one.rate) for one in found] == [(1, 0.25), (2, 0.125)]
    assert found[0].rows == (396, 392, 388) and set(found[1].rows) <= set(range(1, 400, 8))
    assert early_look(sae, x, np.arange(400), items=3) == found


def test_only_the_given_rows_are_looked_at_and_a_large_gallery_is_sampled():
    sae, x = planted()
    (one,) = early_look(sae, x, np.array([0, 4, 8, 12, 1, 2, 3, 5, 6, 7, 9, 10]), neurons=1)
    assert one.neuron == 1 and set(one.rows) <= {0, 4, 8, 12}
    large = np.tile(x, (10, 1))
    (one,) = early_look(sae, large, np.arange(4000), neurons=1, items=200)
    assert 0.2 < one.rate < 0.3 and len(one.rows) == 200
