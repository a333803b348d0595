"""Report: an audit written down before it is measured, its findings, and the files that a second reader needs."""

from core.ui import frame
from core.ui.report_view import report

frame.through_app()
report()
