"""What people say about neurons: an append-only log, what stands of it, agreement, sets, and who labels what next."""

from core.labelling.agreement import Agreement, agreement, cohen_kappa, krippendorff_alpha
from core.labelling.current import Item, Standing, last_action, standings
from core.labelling.events import DETAILS, TYPES, LabelEvent
from core.labelling.live import LiveStandings
from core.labelling.log import LabelLog, default_url, label_set
from core.labelling.matching import Match, guesses, match_neurons
from core.labelling.queue import ORDERS, Queue, order_neurons, queue_for
from core.labelling.sets import LabelSet, agreed_neurons, raters_of, rule_text

__all__ = [
    "DETAILS",
    "ORDERS",
    "TYPES",
    "Agreement",
    "Item",
    "LabelEvent",
    "LabelLog",
    "LabelSet",
    "LiveStandings",
    "Match",
    "Queue",
    "Standing",
    "agreed_neurons",
    "agreement",
    "cohen_kappa",
    "default_url",
    "guesses",
    "krippendorff_alpha",
    "label_set",
    "last_action",
    "match_neurons",
    "order_neurons",
    "queue_for",
    "raters_of",
    "rule_text",
    "standings",
]
