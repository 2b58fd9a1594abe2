"""Freed memory stays with the process: counted page faults of a process that asks for the same block again."""

import platform
import subprocess
import sys

import pytest

PAGES = 40 * 2**20 // 4096  # of a block that glibc would give back every time
LOOP = f"""
import resource, sys
if sys.argv[1] == "kept":
    from clipvip.runtime.memory import keep_freed
    keep_freed()
def touch():
    bytearray({PAGES} * 4096)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps or gives back as it likes")
def test_pages_of_a_freed_block_are_used_again() -> None:
    def faults(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", LOOP, how], check=True, capture_output=True, text=True)
        return int(done.stdout)

    assert faults("kept") < PAGES
    assert faults("given back") > 4 * PAGES  # so the test can fail
