"""What neurons answer to: codes of galleries, social neurons, firing statistics per group, examples, neighbours."""

from typing import TYPE_CHECKING

from core.rooms import on_demand

if TYPE_CHECKING:
    from core.neurons.answers import Answers, Association, Words, answers_to, caption_words, named_group
    from core.neurons.attribution import Attribution, attribute, mean_contributions
    from core.neurons.directions import Projected, mean_direction, probe_direction, projected
    from core.neurons.early_look import EarlyNeuron
    from core.neurons.encoding import codes_of, encode_gallery, encode_rows
    from core.neurons.examples import Examples, Histogram, Shown, active_neurons, examples_of, histogram
    from core.neurons.firing import BestNeuron, benjamini_hochberg, best_neurons, firing_statistics, separation
    from core.neurons.lift import Lift, lifts
    from core.neurons.neighbours import coactive_neurons, firing_centres, nearest_neurons, neurons_towards
    from core.neurons.pair_cosines import SimilarityGap, similarity_gap
    from core.neurons.patches import patch_activations
    from core.neurons.prediction import PredictionTest, prediction_score, prediction_test
    from core.neurons.social import RULES, GroupNeurons, Rule, SocialNeurons, shared_neurons, social_neurons
else:
    __getattr__ = on_demand(__name__)

__all__ = [
    "RULES",
    "Answers",
    "Association",
    "Attribution",
    "BestNeuron",
    "EarlyNeuron",
    "Examples",
    "GroupNeurons",
    "Histogram",
    "Lift",
    "PredictionTest",
    "Projected",
    "Rule",
    "Shown",
    "SimilarityGap",
    "SocialNeurons",
    "Words",
    "active_neurons",
    "answers_to",
    "attribute",
    "benjamini_hochberg",
    "best_neurons",
    "caption_words",
    "coactive_neurons",
    "codes_of",
    "encode_gallery",
    "encode_rows",
    "examples_of",
    "firing_centres",
    "firing_statistics",
    "histogram",
    "lifts",
    "mean_contributions",
    "mean_direction",
    "named_group",
    "nearest_neurons",
    "neurons_towards",
    "patch_activations",
    "prediction_score",
    "prediction_test",
    "probe_direction",
    "projected",
    "separation",
    "shared_neurons",
    "similarity_gap",
    "social_neurons",
]
