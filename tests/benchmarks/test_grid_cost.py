"""The table of the grid's benchmark: jobs by kind, what is left over, and the ratio."""

import json
from pathlib import Path

from grid import by_rule, kind, table


def test_jobs_are_named_by_their_stages() -> None:
    assert kind(["run", "/r/specs/world-a.json", "/r/specs/corpus-b.json", "--device", "cpu"]) == "run world+corpus"
    assert kind(["run", "/r/specs/evaluate-a.json", "/r/specs/evaluate-b.json"]) == "run evaluate"
    assert kind(["run", "/r/specs/clip-a.json", "--listed", "/r/mini/jobs.json"]) == "run clip"
    assert (kind(["table", "plan.json"]), kind([])) == ("table", "other")


def test_seconds_by_kind_and_the_ratio(tmp_path: Path) -> None:
    jobs = [(["table", "a"], 2.0), (["table", "b"], 1.0), (["run", "s/clip-a.json"], 4.0)]
    log = tmp_path / "log"
    log.write_text("".join(json.dumps({"words": words, "seconds": seconds}) + "\n" for words, seconds in jobs))
    times = by_rule(log, 10.0)
    assert times == {"run clip": 4.0, "table": 3.0, "workflow, notebooks and the rest": 3.0}
    said = table(times, {"run clip": 2.0, "track": 3.0})
    assert "| run clip | 4.0 | 2.0 |" in said
    assert "| track | 0.0 | 3.0 |" in said
    assert said.endswith("ratio 0.500")
