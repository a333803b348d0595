"""The sections of a report, by the name that leads to each, in their order."""

SECTIONS = {
    "header": "Header",
    "summary": "Summary",
    "table": "All findings",
    "purpose": "Purpose and system",
    "scope": "Scope",
    "data": "Data",
    "method": "Method",
    "findings": "Findings, prompt by prompt",
    "methods": "Other methods",
    "impact": "Impact ratios",
    "controls": "Controls",
    "cost": "What it costs",
    "leakage": "What is left: residual leakage",
    "limits": "Limitations",
    "clauses": "Clauses of laws and standards",
    "appendix": "Appendix",
}
UNNUMBERED = ("header", "summary")


def contents() -> list[tuple[str, int, str]]:
    """(name, number, title) of every section with a number."""
    numbered = [name for name in SECTIONS if name not in UNNUMBERED]
    return [(name, i, SECTIONS[name]) for i, name in enumerate(numbered, 1)]
