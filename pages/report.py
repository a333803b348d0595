"""Report: an audit written down before it is measured, its findings, and the files that a second reader needs."""

from core.ui.parts import frame
from core.ui.report.page import report

frame.through_app()
report()
