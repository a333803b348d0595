"""Whatever fails on a page is one calm line: a full disk with its path, too little memory, or a reference."""

import errno

import pytest
from streamlit.testing.v1 import AppTest


def page(number: int, path: str | None) -> None:
    import os

    from core.ui.parts.frame import guard

    with guard():
        raise OSError(number, os.strerror(number), path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_with_its_path(number: int) -> None:
    test = AppTest.from_function(page, args=(number, "/nowhere/saes/mine")).run()
    (box,) = test.warning
    said = box.value.replace("\\", "")
    assert not test.exception and said.startswith("/nowhere/saes/mine cannot be written: the disk is full")
    assert "\n" not in said and "reference" not in said


def test_a_full_disk_that_names_no_path_claims_none() -> None:
    test = AppTest.from_function(page, args=(errno.ENOSPC, None)).run()
    assert test.warning[0].value.startswith("nothing more can be written: a disk is full")


def test_another_fault_is_a_reference() -> None:
    test = AppTest.from_function(page, args=(errno.EIO, "/nowhere")).run()
    (box,) = test.warning
    assert not test.exception and "under the reference" in box.value and "nowhere" not in box.value


def of_memory(said: str | None) -> None:
    from core.ui.parts.frame import guard

    with guard():
        raise MemoryError if said is None else RuntimeError(said)


@pytest.mark.parametrize(
    "said",
    [
        None,
        "[enforce fail at alloc_cpu.cpp:119] data. DefaultCPUAllocator: can't allocate memory: you tried 8 bytes.",
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
    ],
)
def test_too_little_memory_is_said_whoever_says_it(said: str | None) -> None:
    (box,) = AppTest.from_function(of_memory, args=(said,)).run().warning
    assert box.value.startswith("This needs more memory than the machine has") and "reference" not in box.value
