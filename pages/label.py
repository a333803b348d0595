"""Label: one neuron at a time, with keys for everything; what raters agree on; sets that become edits."""

from core.ui.label.page import label_page
from core.ui.parts import frame

frame.through_app()
label_page()
