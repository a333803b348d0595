"""The choice prefers a clean edit to a strong one, and a neuron for each gender to one neuron for both."""

from core.avatars.sae_choice import MOST_FALL, MOST_SKEW, Judgement


def test_order() -> None:
    clean_pair = Judgement(groups=2, skew=0.2, fall=0.0)
    clean_single = Judgement(groups=1, skew=0.1, fall=0.0)
    costly = Judgement(groups=2, skew=0.05, fall=MOST_FALL + 0.01)
    weak = Judgement(groups=2, skew=MOST_SKEW + 0.1, fall=0.0)
    nothing = Judgement(groups=0, skew=0.0, fall=0.0)
    ranked = sorted([nothing, weak, costly, clean_single, clean_pair], key=lambda judgement: judgement.order)
    assert ranked[:2] == [clean_pair, clean_single]
    assert ranked[-1] is nothing
