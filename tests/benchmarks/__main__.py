"""`python -m tests.benchmarks NAME [--json]`: how fast it is, measured the way a person meets it."""

import argparse
import importlib
import json
import pkgutil
import sys

import tests.benchmarks
from core.store import plain


def main() -> int:
    """Run one benchmark; with --json exactly one JSON document on standard output."""
    names = sorted(m.name for m in pkgutil.iter_modules(tests.benchmarks.__path__) if not m.name.startswith("_"))
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", choices=names)
    parser.add_argument("--json", action="store_true", help="one JSON document and nothing else")
    parser.add_argument("--runs", type=int, default=None, help="how often it is measured")
    parser.add_argument("--n", type=int, default=None, help="rows, where the benchmark makes its own")
    parser.add_argument("--room", default=None, help="room of core, for mutants")
    parser.add_argument("--module", default=None, help="one module of the room, for mutants")
    parser.add_argument("--number", type=int, default=None, help="how many are drawn, for mutants; all without it")
    parser.add_argument("--seed", type=int, default=None, help="seed of what is drawn, for mutants")
    parser.add_argument("--without", default=None, help="folder of the room that is left out, for mutants")
    parser.add_argument("--again", default=None, help="output of an earlier run of mutants, for what survived there")
    parser.add_argument("--at-once", type=int, default=None, help="processes at once, for doors, hostile and interrupt")
    parser.add_argument("--other", default=None, help="folder of another checkout, for start, audit and verify")
    parser.add_argument("--part", default=None, help="the one part of a team server that is killed, for kills")
    parser.add_argument("--minutes", type=float, default=None, help="how long people are at work, for sessions")
    parser.add_argument("--draw", default=None, help="folder for the plot, for growth")
    chosen = parser.parse_args()
    names = (
        "other",
        "runs",
        "n",
        "room",
        "module",
        "number",
        "seed",
        "without",
        "again",
        "part",
        "minutes",
        "at_once",
        "draw",
    )
    options = {name: value for name in names if (value := getattr(chosen, name)) is not None}
    found = importlib.import_module(f"tests.benchmarks.{chosen.name}").run(**options)
    if "skipped" in found and not chosen.json:
        print(f"skipped: {found['skipped']}", file=sys.stderr)
    print(json.dumps(plain(found), indent=None if chosen.json else 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
