"""How often 95 % intervals hold the truth and tests cry wolf, by simulation: `make bench` prints the table."""

import json
from pathlib import Path

import pytest
from extent import FULL
from simulation import simulate

RESULTS = Path(__file__).parents[2] / "results" / "coverage.json"
ROUNDS = 3000 if FULL else 200
CASES = [(seeds, noise, own) for seeds in (1, 3, 5) for noise in (0.0, 0.05, 0.2) for own in (0.0, 0.7)]


@pytest.mark.slow
def test_intervals_cover_what_they_say() -> None:
    """3,000 rounds a row (the quick table: 200), so a share near 95 % is known to +-0.8 (3) points. One seed knows
    nothing of training noise."""
    error = 0.008 * (3000 / ROUNDS) ** 0.5
    rows = []
    print("\nseeds  training noise  own difficulty  coverage %  false positives %")
    for seeds, noise, own in CASES:
        if seeds == 1 and noise:
            continue
        found = simulate(ROUNDS, 400, seeds, seed_noise=noise, own=own)
        rows.append({"seeds": seeds, "noise": noise, "own": own, **found._asdict()})
        shares = f"{100 * found.coverage:10.1f}  {100 * found.false_positives:17.1f}"
        print(f"{seeds:5}  {noise:14}  {own:14}  {shares}", flush=True)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    assert all(0.93 - error <= row["coverage"] <= 0.97 + error for row in rows)
    assert all(row["false_positives"] <= 0.05 + 1.5 * error for row in rows)
