"""Neurons: which of them carry an attribute, and what each answers to."""

from core.ui import frame
from core.ui.neuron_view import neurons

frame.through_app()
neurons()
