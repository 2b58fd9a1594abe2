"""The two files that `clipvip init` writes, with a comment for everything a user may want to change."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """What the files say of one folder."""

    name: str
    root: str
    annotations: dict[str, str]  # split -> csv below the root
    clip: str
    size: int  # pixels
    max_tokens: int
    videos: int  # to train on
    studies: str
    experiment: str


def experiment_text(facts: Facts) -> str:
    """The experiment file."""
    batch = max(2, min(16, facts.videos // 2))
    epochs = 10 if facts.videos < 200 else 5
    return f"""\
# Written by `clipvip init`; edit at will. All keys: docs/settings.md.
#   snakemake --cores all --configfile {facts.experiment} -- ablate_all
#   clipvip show results/{facts.name}/studies/*
# The table of each study: results/{facts.name}/studies/<study>/table.csv; the page: results/{facts.name}/report.html.
name: {_quoted(facts.name)}
studies: {_quoted(facts.studies)}
seeds: [0] # more seeds, more replicates: [0, 1, 2]

corpora:
  {_quoted(facts.name)}:
    format: folder
    root: {_quoted(facts.root)}
    annotations: # columns path, text, start, end, clip_id; edit them to move a video to another split
{_mapping(facts.annotations, 6)}

downstream: [{_quoted(facts.name)}] # what is fine-tuned on and evaluated

frames: {{size: {facts.size}}} # pixels, as this CLIP takes them; add `resize: crop` to keep the aspect ratio

clip: {{source: {_quoted(facts.clip)}}} # a transformers folder or hub id

finetune:
  num_frames: 8 # of each clip
  max_tokens: {facts.max_tokens}
  validations: {min(5, epochs)} # the checkpoint that is best on val is kept
  optim: {{epochs: {epochs}, batch_size: {batch}, lr: 5.0e-6, weight_decay: 0.2}}

run:
  device: cpu # cuda, with `gpus: 1`, where there is a GPU
  micro_batch: {min(4, batch)} # clips that keep their graph at once: less memory
  threads: 1 # cores of a job
  memory_mb: 8000
  minutes: 240
"""


def studies_text(facts: Facts) -> str:
    """The studies file."""
    return f"""\
# Written by `clipvip init`. A study is a table, a variant its row: what it changes in {facts.experiment}.
studies:
  pooling:
    title: How should frames become one embedding?
    base: {{pretrain: null}} # no post-pretraining: straight from CLIP
    baseline: mean # the others are tested against it
    variants:
      mean: {{model: {{pooling: mean}}}} # each frame by itself, then averaged; zero-shot it is plain CLIP
      proxies: {{model: {{pooling: proxies}}}} # new tokens that see all frames
      # sixteen_frames: {{model: {{pooling: mean}}, finetune: {{num_frames: 16}}}}
      # faster: {{model: {{pooling: mean}}, finetune: {{optim: {{lr: 1.0e-5}}}}}}
    # what you expect, as a test whose outcome is yes, no, no difference that matters, cannot tell or one run:
    # expect: [proxies > mean on {facts.name}/t2v/R@1]
"""


def _mapping(values: dict[str, str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}{key}: {_quoted(value)}" for key, value in values.items())


def _quoted(text: str) -> str:
    """A text as YAML takes it, whatever signs it has."""
    return json.dumps(text, ensure_ascii=False)
