"""How much a person may take, by the limits of the person's roles."""

from core.access import Person
from core.team.configuration import Configuration, Limits


def limits_of(person: Person, configuration: Configuration | None) -> Limits:
    """What one person may take: of several roles the largest; None in a field: no limit."""
    if configuration is None:
        return Limits()
    stated = [configuration.limits.get(role, Limits()) for role in sorted(person.roles)]
    found = {}
    for name in ("upload_mb", "jobs", "disk_gb"):
        values = [getattr(limits, name) for limits in stated]
        found[name] = 0 if not values else None if None in values else max(values)
    return Limits(**found)
