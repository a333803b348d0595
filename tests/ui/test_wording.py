"""Sentences carry the numbers they were given, with n and interval, and never round a difference away."""

import pytest

from core.statistics import Band, Estimate, share_estimate
from core.ui import wording


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.5, "50 %"), (0.004, "0.4 %"), (0.996, "99.6 %"), (0.9999, "100.0 %")],
)
def test_a_share_that_is_not_0_or_1_never_reads_as_if_it_were(share: float, text: str) -> None:
    assert wording.percent(share) == text


def test_the_headline_counts_names_and_compares() -> None:
    line = wording.headline("a photo of a doctor", 100, "Male", share_estimate(92, 100), 0.5, "images")
    assert "**92 are Male**" in line and "85 to 96" in line and "50 %" in line and "doctor" in line


def test_the_headline_says_when_labels_are_missing() -> None:
    line = wording.headline("a photo of a doctor", 100, "Male", share_estimate(90, 98), 0.5, "images")
    assert "the 98 with a known label among the 100" in line


def test_the_line_after_an_edit_compares_counts() -> None:
    line = wording.after_line("image neuron 3 off", "Male", share_estimate(55, 100), share_estimate(92, 100))
    assert "**55 are Male**" in line and "instead of 92" in line
    same = wording.after_line("image neuron 3 off", "Male", share_estimate(92, 100), share_estimate(92, 100))
    assert "as many as before" in same


def test_inside_the_null_band_nothing_is_claimed() -> None:
    near = Estimate(0.05, 0.0, 0.2, 100, null=Band(0.0, 0.2, 0.08), null_side="inside")
    far = Estimate(0.61, 0.5, 0.7, 100, null=Band(0.0, 0.2, 0.08), null_side="beyond")
    assert wording.reading(near) == "not distinguishable from no bias"
    assert wording.reading(far) != wording.reading(near)
    assert wording.reading(Estimate.missing("no row")) == "no row"


def test_the_skew_line_has_both_arms_the_band_and_the_reading() -> None:
    band = Band(0.0, 0.2, 0.08)
    before = Estimate(0.61, 0.5, 0.7, 100, null=band, null_side="beyond")
    after = Estimate(0.1, 0.0, 0.3, 100, null=band, null_side="inside")
    line = wording.skew_line(before, after)
    assert "0.61 (0.50 to 0.70) → 0.10" in line and "0 to 0.20" in line.replace("0.00", "0")
    assert line.endswith("not distinguishable from no bias.")


def test_the_leading_group_is_the_one_furthest_above_its_target() -> None:
    shares = {"a": share_estimate(30, 100), "b": share_estimate(70, 100)}
    assert wording.leading_group(shares, {"a": 0.1, "b": 0.9}) == "a"
    assert wording.leading_group({"a": Estimate.missing("none")}, {"a": 1.0}) is None


def test_lists_read_as_language() -> None:
    assert wording.listing([3]) == "3"
    assert wording.listing([3, 17]) == "3 and 17"
    assert wording.listing([1, 2, 3, 4], 2) == "1, 2 and 2 more"
    assert wording.switched_words([3, 17], 0.5, "image") == "image neurons 3 and 17 turned down by 50 %"


def test_numbers_have_a_true_minus_and_a_sign_where_it_matters() -> None:
    assert wording.number(-0.5) == "−0.50"
    assert wording.signed(0.5) == "+0.50"
    assert wording.number(0.0123) == "0.012"
    assert wording.number(None) == "–"


def test_neurons_with_values_of_their_own_are_not_called_off():
    assert wording.switched_words([3], 1.0, "image", True) == "image neuron 3 moved towards their means"
