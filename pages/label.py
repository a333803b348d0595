"""Label: one neuron at a time, with keys for everything; what raters agree on; sets that become edits."""

from core.ui import frame
from core.ui.label_view import label_page

frame.through_app()
label_page()
