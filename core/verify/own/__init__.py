"""The second author: every number of a report once more, from the rankings and the labels, by code of its own.

Nothing here is imported from where the report's numbers are computed: a formula that is wrong there, or here, makes two
numbers that differ. Written from the formulas that a report prints (`core.report.formulas`) and from the docstrings of
`core.statistics`: plain NumPy, counts in, the report's JSON out.
"""
