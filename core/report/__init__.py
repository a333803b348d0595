"""What leaves the house: the report of an audit as a page, tables, a document and a model-card section."""

from core.report.document import ReportOptions, licence_allows, report_document
from core.report.folder import FILES, canonical, own_report, read_report, rendered, sealed, write_report

__all__ = [
    "FILES",
    "ReportOptions",
    "canonical",
    "licence_allows",
    "own_report",
    "read_report",
    "rendered",
    "report_document",
    "sealed",
    "write_report",
]
