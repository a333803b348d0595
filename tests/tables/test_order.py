"""Groups stand in the order in which people read them."""

import random

import numpy as np
import pytest

from core.gallery.labels import crossed
from core.neurons.matrices import number_groups
from core.tables import natural

READ = (
    ["0-2", "3-9", "10-19", "20-29", "60-69", "more than 70"],
    ["below 18", "18-29", "30 and more"],
    ["Under 5", "5-9", "10", "10.5 to 11"],
    ["-10", "-2", "0", "2", "10"],
    ["group 2", "group 10"],
    ["Female", "Male", "middle-aged", "older", "young"],
    ["1", "9" * 400],
)


@pytest.mark.parametrize("groups", READ, ids=lambda groups: groups[-1][:12])
def test_numbers_inside_names_count_as_numbers(groups: list[str]) -> None:
    shuffled = random.Random(0).sample(groups, len(groups))
    assert sorted(shuffled, key=natural) == groups
    names, numbers = number_groups(np.array([*shuffled, None], dtype=object), len(groups) + 1)
    assert names == groups and [names[n] for n in numbers[:-1]] == shuffled and numbers[-1] == -1


def test_combinations_stand_in_the_order_of_their_parts() -> None:
    groups, numbers = crossed([(["0-2", "10-19"], np.array([1, 0, 1, -1])), (["b 2", "b 10"], np.array([1, 1, 0, 0]))])
    assert groups == ["0-2 x b 10", "10-19 x b 2", "10-19 x b 10"] and numbers.tolist() == [2, 0, 1, -1]
