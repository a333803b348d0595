"""How much a person may take, by the limits of the person's roles."""

from core.access import GUEST, ROLES, Person
from core.team.settings import Configuration, Limits

NOTHING = Limits(0, 0, 0)
_ORDER = (GUEST, *ROLES)


def limits_of(person: Person, configuration: Configuration | None) -> Limits:
    """What one person may take; None in a field: no limit.

    The person's highest role decides whether there is a limit at all (guest, viewer, rater, auditor, operator), so that
    an operator without limits stays without them though everyone who enters is a viewer with some. Where there is one,
    the largest of what the person's roles state holds. Nobody gets nothing; without a configuration nothing is limited.
    """
    if configuration is None:
        return Limits()
    roles = [role for role in _ORDER if role in person.roles]
    if not roles:
        return NOTHING
    stated = [configuration.limits.get(role, Limits()) for role in roles]

    def largest(values: list[float | None]) -> float | None:
        return None if values[-1] is None else max(value for value in values if value is not None)

    jobs = largest([limits.jobs for limits in stated])
    return Limits(
        largest([limits.upload_mb for limits in stated]),
        None if jobs is None else int(jobs),
        largest([limits.disk_gb for limits in stated]),
    )
