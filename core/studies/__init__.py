"""Studies: the questions that papers ask of a model and its gallery, one file each, found by name in `STUDIES`."""

from core.studies.base import STUDIES, Study, StudyRequest, StudyResult

__all__ = ["STUDIES", "Study", "StudyRequest", "StudyResult"]
