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
