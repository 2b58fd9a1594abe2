"""The schedule of a run, by hand."""

import pytest

from clipvip.config.learning import OptimSettings
from clipvip.training.schedule import num_steps, rate


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    settings = OptimSettings(steps=100, lr=2.0, warmup=0.1)
    rates = [rate(step, 100, settings) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(1.0)  # half way down the cosine
    assert rates[100] == pytest.approx(0.0, abs=1e-12)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_length_in_epochs_is_one_in_steps() -> None:
    assert num_steps(OptimSettings(epochs=2.5), 40) == 100
    assert num_steps(OptimSettings(steps=7), 40) == 7


def test_the_authors_lengths_are_met_with_incomplete_batches() -> None:
    """facts: steps of fine-tuning at 128 clips a batch."""
    sets = {"msrvtt": (9000, 100, 7032), "didemo": (8394, 20, 1312), "lsmdc": (101_079, 10, 7897)}
    sets["activitynet"] = (10_009, 20, 1564)
    for name, (clips, epochs, steps) in sets.items():
        settings = OptimSettings(epochs=epochs, keep_partial=True)
        assert num_steps(settings, clips / 128) == steps, name


def test_the_authors_schedule_counts_from_one_and_ends_at_1e_8() -> None:
    settings = OptimSettings(steps=7032, lr=1e-6, published_schedule=True)
    rates = [rate(step, 7032, settings) for step in range(7032)]
    assert rates[0] == pytest.approx(1e-6 / 70)  # int(70.32) steps of warm-up
    assert rates[69] == pytest.approx(1e-6)
    assert rates[7031] == 1e-8
    assert 0 < rates[7030] < 1e-12
