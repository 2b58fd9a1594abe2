"""No point twice: over restarts, extensions, several workers and dead ones. Real Optuna; a formula stands for cells."""

import contextlib
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from clipvip.config.base import build
from clipvip.config.sweep import SweepSettings
from clipvip.pipeline.grid import Grid, load
from clipvip.pipeline.optuna_study import DONE, create, distributions, new_point, open_study, points
from clipvip.pipeline.optuna_sweep import Worker, trials
from clipvip.pipeline.sweep_note import best_overlay, note
from clipvip.pipeline.sweep_space import Sweep
from clipvip.pipeline.sweep_store import JOURNAL, checked
from clipvip.runtime.file_systems import Mount

ROOT = Path(__file__).parents[2]
RATE = {"pretrain.optim.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "model.num_proxies": {"low": 1, "high": 8}}
FEW = {"model.num_proxies": {"choices": [1, 2, 4]}, "pretrain.optim.batch_size": {"low": 2, "high": 8, "step": 2}}


@pytest.fixture(autouse=True)
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def make(root: Path, experiment: dict[str, Any] | None = None, **change: Any) -> Sweep:
    data = yaml.safe_load((ROOT / "experiments/smoke.yaml").read_text()) | {"results": str(root)} | (experiment or {})
    settings = {"stage": "pretrain", "set": "msrvtt", "space": RATE, "trials": 12, "startup": 4, "pruner": "none"}
    return Sweep("lr", build(SweepSettings, settings | change, "test"), Grid(data))


def score(point: dict[str, Any]) -> float:
    """Best at the middle of the rates and at four proxies."""
    rate = abs(math.log10(point.get("pretrain.optim.lr", 1e-3)) + 3)
    return -rate - abs(point["model.num_proxies"] - 4) / 8 - 0.01 * point.get("pretrain.optim.batch_size", 0)


def play(sweep: Sweep, rounds: int, *, failing: bool = False) -> list[dict[str, Any]]:
    """As many trials as a worker would do, each told at once."""
    study, found = open_study(sweep), []
    for _ in range(rounds):
        point = new_point(sweep, study.get_trials())
        if point is None:
            break
        study.enqueue_trial(point, user_attrs={"point": point, "cell": sweep.cell(point).name})
        trial = study.ask(distributions(sweep.settings.space))
        assert trial.params == point
        study.tell(trial, state=optuna.trial.TrialState.FAIL) if failing else study.tell(trial, score(point))
        found.append(point)
    return found


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_restart_goes_on_where_the_sweep_stopped(tmp_path: Path, sampler: str) -> None:
    whole, parts = (make(tmp_path / name, sampler=sampler) for name in ("whole", "parts"))
    create(whole)
    create(parts)
    at_once = play(whole, 12)
    again = [point for rounds in (3, 1, 4, 9) for point in play(parts, rounds)]  # each reads the journal anew
    assert again == at_once
    assert len(points(open_study(parts).get_trials())) == 12
    assert new_point(parts, open_study(parts).get_trials()) is None


def test_an_extended_sweep_adds_points_of_its_own(tmp_path: Path) -> None:
    first, more = make(tmp_path, trials=5), make(tmp_path, trials=9)
    assert create(first) == 5
    before = play(first, 99)
    assert (len(before), create(first), create(more)) == (5, 0, 4)
    after = play(more, 99)
    assert len(after) == 4
    assert not [point for point in after if point in before]


def test_the_sampler_learns_from_what_the_store_holds(tmp_path: Path) -> None:
    """TPE, opened anew for every trial, ends nearer to the best than independent draws."""
    found = {}
    for sampler in ("tpe", "random"):
        sweep = make(tmp_path / sampler, sampler=sampler, trials=40)
        create(sweep)
        late = [point for _ in range(40) for point in play(sweep, 1)][20:]
        found[sampler] = sum(map(score, late)) / len(late)
    assert found["tpe"] > found["random"] + 0.2


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_small_space_is_tried_out_and_no_more(tmp_path: Path, sampler: str) -> None:
    sweep = make(tmp_path, sampler=sampler, space=FEW, trials=20, startup=2)
    assert create(sweep) == 12
    found = play(sweep, 99)
    assert len(found) == 12 == len({tuple(point.values()) for point in found})
    assert "12 of 20 asked for (12 complete, 0 pruned); the space has 12." in note(sweep, trials(sweep))


def test_failed_points_are_replaced_until_as_many_failed(tmp_path: Path) -> None:
    sweep = make(tmp_path, trials=3)
    create(sweep)
    play(sweep, 2, failing=True)
    assert len(play(sweep, 99)) == 3
    assert "3 of 3 asked for (3 complete, 0 pruned); 2 more failed." in note(sweep, trials(sweep))
    hopeless = make(tmp_path / "hopeless", trials=3)
    create(hopeless)
    assert len(play(hopeless, 99, failing=True)) == 3


def test_a_dead_workers_trial_is_queued_again_at_its_point(tmp_path: Path) -> None:
    """A running trial whose lock is free has lost its worker; after `retries` further tries it has failed."""
    sweep = make(tmp_path, trials=2, retries=2)
    create(sweep)
    worker, tried = Worker(sweep), []
    for _ in range(4):
        tried.append(next_of(worker).user_attrs["point"])
    assert tried[0] == tried[1] == tried[2] != tried[3]
    rows = trials(sweep)
    assert rows["state"].tolist() == ["fail", "fail", "fail", "running"]
    assert rows["reason"].tolist()[:3] == ["its worker died"] * 3


def next_of(worker: Worker) -> optuna.Trial:
    """The next trial; its lock is dropped, as the kernel does at the death of a process."""
    with contextlib.ExitStack() as mine:
        trial = worker.next_trial(mine)
    assert trial is not None
    return trial


def test_a_trial_that_gets_ahead_between_deaths_is_not_given_up(tmp_path: Path) -> None:
    sweep = make(tmp_path, trials=1, retries=1)
    create(sweep)
    worker = Worker(sweep)
    for step in range(5):
        trial = next_of(worker)
        for earlier, value in trial.user_attrs.get("reports", {}).items():
            trial.report(value, int(earlier))
        trial.report(float(step), step)
    last = next_of(worker)
    assert last.user_attrs["reports"] == {str(step): float(step) for step in range(5)}
    assert len(points(worker.trials())) == 1


def test_a_living_workers_trial_is_left_alone(tmp_path: Path) -> None:
    sweep = make(tmp_path, trials=2)
    create(sweep)
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        one, two = Worker(sweep).next_trial(first), Worker(sweep).next_trial(second)
        assert one is not None
        assert two is not None
        assert (one.number, two.number) == (0, 1)
        assert one.params != two.params
        with contextlib.ExitStack() as third:
            assert Worker(sweep).next_trial(third) is None  # both points are under way


def test_a_line_that_a_killed_writer_left_is_cut_off(tmp_path: Path) -> None:
    sweep = make(tmp_path, trials=6)
    create(sweep)
    before = play(sweep, 3)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"op_code": 4, "worker_id"')
    after = play(sweep, 3)
    assert len(after) == 3
    assert len(points(open_study(sweep).get_trials(), DONE)) == len(before + after) == 6


@pytest.mark.parametrize(
    ("store", "mounted", "message"),
    [
        ("sqlite:////data/optuna.db", Mount("/data", "nfs4", "rw"), "sqlite cannot be shared over nfs4"),
        ("sqlite+pysqlite:////data/o.db?timeout=9", Mount("/data", "fuse.sshfs", "rw"), "leave `store` out"),
        (None, Mount("/data", "lustre", "rw,localflock"), "locks that other machines do not see"),
    ],
)
def test_a_store_that_could_lose_trials_is_refused(store: str | None, mounted: Mount, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked(store, Path("/data/results"), [Mount("/", "ext4", "rw"), mounted])


@pytest.mark.parametrize(
    ("store", "mounted"),
    [
        (None, Mount("/data", "nfs4", "rw")),
        ("sqlite:////home/optuna.db", Mount("/data", "nfs4", "rw")),
        ("sqlite:////data/optuna.db", Mount("/data", "xfs", "rw")),
        ("postgresql://host/db", Mount("/data", "nfs4", "rw")),
    ],
)
def test_a_safe_store_is_taken(store: str | None, mounted: Mount) -> None:
    assert checked(store, Path("/data/results"), [Mount("/", "ext4", "rw"), mounted]) == store


def test_sqlite_is_still_possible_on_one_machine(tmp_path: Path) -> None:
    sweep = make(tmp_path, trials=3, store=f"sqlite:///{tmp_path}/own.db")
    create(sweep)
    assert len(play(sweep, 99)) == 3
    assert (tmp_path / "own.db").exists()
    assert not (tmp_path / JOURNAL).exists()


def test_the_best_is_an_experiment_of_its_own(tmp_path: Path) -> None:
    sweep = make(tmp_path, {"finetune_sets": {"msrvtt": {"max_tokens": 9}}}, base={"finetune": {"max_tokens": 7}})
    overlay = tmp_path / "best.yaml"
    overlay.write_text(yaml.safe_dump(best_overlay(sweep, {"pretrain.optim.lr": 2e-3, "model.num_proxies": 3})))
    tuned = load(["experiments/smoke.yaml", overlay]).experiment
    assert tuned.name == "smoke_lr_best"
    assert (tuned.model.num_proxies, tuned.pretrain.optim.lr, tuned.pretrain.optim.steps) == (3, 2e-3, 4)
    assert tuned.finetune_sets == {"msrvtt": {"max_tokens": 7}}  # or the set's own would hide what was searched


def test_a_stage_that_the_base_switches_off_is_no_part_of_the_best(tmp_path: Path) -> None:
    space = {"finetune.optim.lr": {"low": 1e-4, "high": 1e-3, "log": True}}
    sweep = make(tmp_path, stage="finetune", base={"pretrain": None}, space=space)
    overlay = tmp_path / "best.yaml"
    overlay.write_text(yaml.safe_dump(best_overlay(sweep, {"finetune.optim.lr": 5e-4})))
    tuned = load(["experiments/smoke.yaml", overlay]).experiment
    assert tuned.finetune.optim.lr == 5e-4
    assert tuned.pretrain == sweep.grid.experiment.pretrain
