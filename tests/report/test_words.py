"""What an edit switches, in words a second reader can repeat."""

from core.config import Edit
from core.report.words import neurons


def test_every_neuron_is_said_with_its_own_strength_and_value():
    plain = Edit((17, 3), strength=0.5, gamma=0.2)
    assert neurons({"image": plain.to_json()}) == "image neurons 3, 17; strength 0.5, gamma 0.2, error-preserving"
    own = Edit((3, 17), strengths=(0.8, 0.25), gammas=(0.12, 0.0), form="blend", alpha=0.6)
    assert neurons({"text": own.to_json()}) == (
        "text neurons 3 (strength 0.8 to 0.12), 17 (strength 0.25 to 0); strength 1, gamma 0, blend, alpha 0.6"
    )
    assert neurons({}) == "nothing is switched" and "none" in neurons({"image": Edit().to_json()})
