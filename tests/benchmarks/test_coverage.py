"""How often intervals hold the truth and outcomes are wrong, by simulation: `make bench` prints the table."""

import json
from pathlib import Path

import pytest
from extent import FULL
from simulation import simulate

RESULTS = Path(__file__).parents[2] / "results" / "coverage.json"
ROUNDS = 2000 if FULL else 150
CASES = [(k, effect, 1.0) for k in (1, 2, 3, 5) for effect in (0.0, 3.0, 6.0)] + [(k, 0.0, 1.7) for k in (2, 3, 5)]
HEADS = "| replicates | effect | sd of row 1 | coverage % | row 1 % | width | power % | wrong, single % | family % |"


@pytest.mark.slow
def test_intervals_cover_what_they_say_and_families_err_as_seldom_as_they_say() -> None:
    """Eight variants, 1,000 queries in 667 clusters, runs with an sd of 1.2 points. 2,000 rounds a row (quick: 150), so
    a share of 5 % of rounds is known to 0.5 (1.8) points. One replicate knows the noise from a study."""
    error = 1.5 * (0.05 * 0.95 / ROUNDS) ** 0.5
    rows = []
    print(f"\n{HEADS}\n{'| --- ' * 9}|")
    for replicates, effect, unequal in CASES:
        found = simulate(ROUNDS, replicates, effect=effect, unequal=unequal)
        rows.append({"replicates": replicates, "effect": effect, "unequal": unequal, **found._asdict()})
        shares = (found.coverage, found.noisy), (found.power, found.wrong, found.family)
        own, rest = ([f"{100 * share:.1f}" for share in each] for each in shares)
        cells = [str(replicates), f"{effect:g}", f"{1.2 * unequal:.2g}", *own, f"{found.width:.1f}", *rest]
        print(f"| {' | '.join(cells)} |", flush=True)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    equal = [row for row in rows if row["unequal"] == 1]
    assert all(0.93 - error <= row["coverage"] <= 0.97 + error for row in equal)
    assert all(row["family"] <= 0.06 + error for row in equal)
    two = next(row for row in equal if (row["replicates"], row["effect"]) == (2, 6.0))
    assert two["width"] <= 8
    assert two["power"] >= 0.85
