"""Counts to a number, slowly, a file a number; fails, dies or idles where it is told to."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from core.config import InputError
from core.jobs.kind import KINDS, JobKind, Made, Work
from core.store import atomic_file, atomic_folder, resumable_folder


@dataclass(frozen=True)
class CountOrder:
    out: str
    to: int = 3
    seconds: float = 0.05
    wrong: str = ""


@KINDS.register("toy-count")
class Count(JobKind):
    title, action, Order = "Count", "audit", CountOrder

    def subject(self, order):
        return Path(order.out).name

    def place(self, order):
        return Path(order.out)

    def check(self, order):
        if order.to < 1:
            raise InputError(f"to was {order.to}; expected at least 1")

    def run(self, order, work: Work):
        out = Path(order.out)
        if work.again and out.is_dir():
            return Made(out.name, out)
        with resumable_folder(out) as partial:
            for number in range(1, order.to + 1):
                if not (partial / str(number)).exists():
                    with open(out.parent / f"{out.name}.trail", "a") as trail:
                        trail.write(f"{number}\n")
                    time.sleep(order.seconds)
                    with atomic_file(partial / str(number)) as file:
                        file.write_text(str(number))
                work.progress(number, order.to, "counting")
                if order.wrong == "input":
                    raise InputError(f"{out.parent}/secret/file is wrong")
                if order.wrong == "bug":
                    raise ZeroDivisionError("not for people")
                if order.wrong == "memory":
                    bytearray(64 << 30)
                if order.wrong == "dies":
                    os.kill(os.getpid(), signal.SIGSEGV)
            with atomic_folder(out) as folder:
                for number in range(1, order.to + 1):
                    (folder / str(number)).write_text((partial / str(number)).read_text())
        return Made(out.name, out)
