"""What an experiment names and this machine does not have: sets and corpora without a folder are left out, and said.

A set that a study or an expectation names and the experiment has not is left out in the same way, unless its name is a
misspelling of one that it has. Where not one downstream set is there, nothing is left out: the grid is listed whole,
and a run is refused with all that is missing.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clipvip.config.experiment import Experiment
from clipvip.config.stages import PretrainSettings
from clipvip.config.study import StudySettings


def absent_corpora(experiment: Experiment) -> dict[str, str]:
    """Corpus -> why it is left out. A folder that is there but wrong is not absent: reading it is refused."""
    found = {
        name: f"no folder {Path(settings.root).expanduser().absolute()}"
        for name, settings in experiment.corpora.items()
        if settings.root is not None and "://" not in settings.root and not Path(settings.root).expanduser().exists()
    }
    return {} if set(experiment.downstream) <= set(found) else found


def lacks(name: str, known: Iterable[str]) -> bool:
    """Whether a name stands for something that is not there, rather than being a misspelling of what is."""
    known = list(known)
    return name not in known and not difflib.get_close_matches(name, known, n=1, cutoff=0.7)


def left_out_of(
    settings: StudySettings, wanted: tuple[str, ...], experiment: Experiment, absent: dict[str, str]
) -> dict[str, str]:
    """The sets and language sources that a study names and that are not there, each with the reason."""
    sources = experiment.gap_sources if settings.gap else {}
    named = [*wanted, *map(_set_of, settings.expect)]
    found = {each: "the experiment has no such set" for each in named if lacks(each, experiment.downstream)}
    found |= {each: why for each, why in absent.items() if each in named}
    sides = [side for line in settings.expect if " on nmi/" in line for side in _sides_of(line)] if settings.gap else []
    found |= {side: "the experiment has no such language source" for side in sides if lacks(side, sources)}
    corpora = {each: source.removeprefix("captions of ") for each, source in sources.items()}
    return found | {each: absent[corpus] for each, corpus in corpora.items() if corpus in absent}


def lacking_for(pretrain: dict[str, Any] | None, experiment: Experiment, absent: dict[str, str]) -> str:
    """Why a variant with these settings of `pretrain` cannot be trained: no corpus of its role; empty where it can."""
    if pretrain is None:
        return ""
    role = str(pretrain.get("corpus", PretrainSettings.model_fields["corpus"].default))
    if role in experiment.roles:
        corpus = experiment.roles[role].corpus
        return f"corpora.{corpus}: {absent[corpus]}" if corpus in absent else ""
    return f"the experiment has no role {role}" if lacks(role, experiment.roles) else ""


def _set_of(line: str) -> str:
    """The set that a line of `expect` is about."""
    metric = line.rsplit(" on ", 1)[-1].strip()
    return metric.removeprefix("nmi/").split("/")[0]


def _sides_of(line: str) -> list[str]:
    """The two variants, or language sources, that a line of `expect` compares."""
    words = line.rsplit(" on ", 1)[0].replace(">", "<").split("<")
    return [word.strip() for word in words]
