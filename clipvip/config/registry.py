"""The stages of the laboratory: one entry here is all that names a stage.

A stage turns settings and finished cells into files. What it is called for people, which function makes it, what it
shares a process with and whether an accelerator helps it stand here and nowhere else.
"""

from dataclasses import dataclass

from clipvip.config import data, learning, stages
from clipvip.config.base import Settings


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One kind of cell."""

    name: str
    title: str  # for people
    settings: type[Settings]
    make: str  # module below clipvip and its function, imported when it runs: torch takes a second
    shared: bool = False  # of several processes all take part; otherwise the first one works alone
    packed: bool = True  # may share a process with what it is made from (run.pack)
    accelerator: bool = False  # takes the cores that `run` names and a GPU
    trains: bool = False  # takes all GPUs that `run` names
    keyed: bool = True  # part of the keys of what is made from it
    priority: int = 0  # of its jobs: what everything waits for goes first
    also: tuple[str, ...] = ()  # other functions that make a part of it
    part: str | None = None  # the setting whose value names an entry of each of `tables`
    says_which: tuple[str, ...] = ()  # inputs that only say which clips there are: rows of other clips do not matter
    tables: tuple[str, ...] = ()  # module and constant; of these only the entry of its part is code of a cell

    @property
    def module(self) -> str:
        """The module of `make`, in full."""
        return f"clipvip.{self.make.split(':')[0]}"


# Inputs before what is made from them.
STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="world",
            title="generated files",
            settings=data.WorldSettings,
            make="corpora.synthetic.world:make",
            part="part",
            tables=("corpora.synthetic.annotations:WRITERS",),
        ),
        Stage(
            name="corpus",
            title="corpus",
            settings=data.CorpusSettings,
            make="corpora.corpus_stage:make",
            part="format",
            tables=("corpora.reading:READERS", "corpora.reading:SHARDED"),
        ),
        Stage(
            name="frames",
            title="frame cache",
            settings=data.FramesSettings,
            make="data.frame_cache:make",
            keyed=False,  # it only saves decoding: what it holds follows from the corpus and the frame settings
        ),
        Stage(
            name="clip",
            title="starting CLIP",
            settings=learning.ClipSettings,
            make="training.clip_stage:make",
            shared=True,
            accelerator=True,
            trains=True,
            priority=100,
        ),
        Stage(
            name="captioner",
            title="captioner",
            settings=learning.CaptionerSettings,
            make="training.captioner_stage:make",
            accelerator=True,
            priority=90,
        ),
        Stage(
            name="captions",
            title="captions",
            settings=learning.CaptionsSettings,
            make="corpora.captions.captions_stage:caption",
            also=("corpora.captions.captions_stage:caption_shard",),
            says_which=("corpus", "world"),
            shared=True,
            packed=False,
            accelerator=True,
        ),
        Stage(
            name="gap",
            title="language gap",
            settings=stages.GapSettings,
            make="evaluation.domain_gap_stage:make",
            shared=True,
            packed=False,
        ),
        Stage(
            name="pretrain",
            title="post-pretrain",
            settings=stages.PretrainCell,
            make="training.pretrain_stage:make",
            shared=True,
            accelerator=True,
            trains=True,
        ),
        Stage(
            name="weights",
            title="given weights",
            settings=stages.WeightsCell,
            make="training.weights_stage:make",
        ),
        Stage(
            name="finetune",
            title="fine-tune",
            settings=stages.FinetuneCell,
            make="training.finetune_stage:make",
            shared=True,
            accelerator=True,
            trains=True,
        ),
        Stage(
            name="evaluate",
            title="evaluate",
            settings=stages.EvaluateCell,
            make="evaluation.evaluate_stage:make",
            shared=True,
            accelerator=True,
        ),
    )
}


@dataclass(frozen=True)
class JobRule:
    """A rule of the workflow whose jobs make cells."""

    name: str
    accelerator: bool
    shared: bool = False  # of several processes all take part
    trains: bool = False  # takes all GPUs that `run` names
    priority: int = 0


PREPARE, VARIANT, SHARD = "prepare", "variant", "caption_shard"
# A rule a stage; then packs: a corpus from its files to its frames, and a checkpoint with all that starts from it.
JOB_RULES: dict[str, JobRule] = {
    rule.name: rule
    for rule in (
        *(JobRule(s.name, s.accelerator, s.shared, s.trains, s.priority) for s in STAGES.values()),
        JobRule(PREPARE, accelerator=False),
        JobRule(VARIANT, accelerator=True, shared=True, trains=True),
        JobRule(SHARD, accelerator=True, shared=True),
    )
}


def stage_of(role: str) -> str:
    """The stage of a row's cell by its role: `fine_tuned/msrvtt` is an evaluation, `finetune/msrvtt` a fine-tuning."""
    head = role.split("/")[0]
    return "evaluate" if head in ("zero_shot", "fine_tuned") else head
