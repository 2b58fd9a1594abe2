"""What the collector leaves alone while a GPU trains."""

import gc

from clipvip.runtime.settled import settled


def test_on_a_gpu_what_is_there_after_the_first_step_is_left_alone() -> None:
    gc.unfreeze()
    with settled("cuda:0") as settle:
        assert gc.get_freeze_count() == 0  # compiling is still to come
        settle()
        left = gc.get_freeze_count()
        assert left > 10_000
        kept = [[number] for number in range(1000)]
        settle()
        assert gc.get_freeze_count() <= left  # once is enough; what has gone since does not count
        del kept
    assert gc.get_freeze_count() == 0


def test_on_a_cpu_nothing_is() -> None:
    gc.unfreeze()
    with settled("cpu") as settle:
        settle()
        assert gc.get_freeze_count() == 0
