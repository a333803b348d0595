"""Figures of the report as inline SVG: text stays text, every mark has its number beside it, colour is never alone.

Grey is the original and blue the edit, as a hollow and a filled mark; the target is an orange line and the share of the
searched rows a dark triangle. They are told apart with every common kind of colour vision and by their lightness in
grey print.
"""

from core.report.charts.groups import groups
from core.report.charts.heat import heat_map
from core.report.charts.multiples import multiples
from core.report.charts.points import arms, leans

__all__ = ["arms", "groups", "heat_map", "leans", "multiples"]
