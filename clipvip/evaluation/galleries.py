"""The test galleries of a downstream set, embedded: each is ranked by itself, all make one evaluation.

The first is the test split of the set. A generated set may have more, each a corpus of test clips alone
(inputs `gallery2:corpus` and so on). Texts of one scene are not independent, so every query has a cluster.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from clipvip.config.stages import EvaluateCell
from clipvip.corpora import right_answers
from clipvip.data import manifest
from clipvip.data.clips import Clips, open_clips
from clipvip.evaluation.embedding import embed_texts
from clipvip.evaluation.rankings import Pairs, right_pairs
from clipvip.evaluation.ranks import Ranks
from clipvip.evaluation.validation import Split, embed_split, open_split
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run


@dataclass(frozen=True)
class Gallery:
    """One gallery with its queries, embedded."""

    number: int  # from 1
    clips: Clips
    split: Split
    videos: Float[Tensor, "clips dim"]
    texts: Float[Tensor, "texts dim"]
    truth: pd.DataFrame | None  # what the generator knows of its clips, in their order
    turned: list[int]  # texts of clips for which the generator knows what they would be called run backwards
    backwards: Float[Tensor, "turned dim"]  # these names
    clusters: list[str]  # of its clips: those of one scene, film or source video are not independent
    pairs: tuple[Pairs, Pairs] | None  # text and right clip, clip and right text, where further answers are given

    def rows(self, direction: str, ranks: Ranks) -> pd.DataFrame:
        """The rows of ranks.parquet: query, clip, cluster, direction, gallery, and the ranks in the order given."""
        ids, owners = self.split.clip_ids, self.split.owner.tolist()
        texts = right_answers.query_ids([ids[i] for i in owners])
        if direction.endswith("_all"):  # a row a right answer: named by text and clip, whichever of them is asked for
            assert self.pairs is not None
            found = self.pairs[0] if direction == "t2v_all" else [(text, clip) for clip, text in self.pairs[1]]
            clips = [clip for _, clip in found]
            asked = [owners[text] for text, _ in found] if direction == "t2v_all" else clips
            return self.table(direction, [texts[text] for text, _ in found], asked, clips, ranks)
        if direction.startswith("v2t"):
            return self.table(direction, ids, range(len(ids)), range(len(ids)), ranks)
        return self.table(direction, texts, owners, owners, ranks)

    def table(
        self, direction: str, queries: Sequence[str], asked: Sequence[int], answers: Sequence[int], ranks: Ranks
    ) -> pd.DataFrame:
        """Rows of these queries; `asked`: the clip that a query is of, `answers`: the clip that is looked for."""
        clip_ids = [self.split.clip_ids[i] for i in answers]
        columns = {"query": list(queries), "clip_id": clip_ids, "cluster": [self.clusters[i] for i in asked]}
        same = {"direction": direction, "gallery": self.number}
        return pd.DataFrame({**columns, **same, "rank": ranks.rank, "best": ranks.best, "worst": ranks.worst})


def embedded(
    model: ClipVip, tokenizer: Any, settings: EvaluateCell, inputs: Mapping[str, Path], run: Run
) -> list[Gallery]:
    """All galleries of the inputs. ValueError where two share a clip or a scene, or as `right_answers.read` says."""
    found: list[Gallery] = []
    prefixes = _prefixes(inputs)
    further = _further(settings, [inputs[f"{prefix}corpus"] for prefix in prefixes.values()], list(prefixes))
    for number, prefix in prefixes.items():
        clips = open_clips(dict(inputs), settings.frames, prefix, work=run.work)
        split = open_split(inputs[f"{prefix}corpus"], "test")
        split, videos = embed_split(model, clips, split, settings.num_frames, workers=run.workers)
        truth = _truth(inputs.get(f"{prefix}world"), split)
        turned, names = _turned(truth, split)
        texts = embed_texts(model, tokenizer, [*split.texts, *names], settings.max_tokens)
        texts, backwards = texts[: len(split.texts)], texts[len(split.texts) :]
        pairs = None if further is None else right_pairs(split, _places(split, further))
        clusters = _clusters(truth, inputs[f"{prefix}corpus"], split)
        found.append(Gallery(number, clips, split, videos, texts, truth, turned, backwards, clusters, pairs))
    _disjoint(found)
    return found


def _prefixes(inputs: Iterable[str]) -> dict[int, str]:
    """Number -> prefix of the roles of every gallery."""
    roles = (re.fullmatch(r"gallery(\d+):corpus", role) for role in inputs)
    return {1: ""} | {int(match[1]): f"gallery{match[1]}:" for match in roles if match}


def _truth(world: Path | None, split: Split) -> pd.DataFrame | None:
    """What the generator knows of the split's clips, in their order."""
    if world is None:
        return None
    return pd.read_parquet(world / cell_files.TRUTH).set_index("clip_id").loc[split.clip_ids]


def _turned(truth: pd.DataFrame | None, split: Split) -> tuple[list[int], list[str]]:
    """Texts whose clip has a name run backwards, and these names."""
    names = [None] * len(split.clip_ids) if truth is None else list(truth["backwards"])
    found = [(text, names[owner]) for text, owner in enumerate(split.owner.tolist()) if isinstance(names[owner], str)]
    return [text for text, _ in found], [str(name) for _, name in found]


def _clusters(truth: pd.DataFrame | None, corpus: Path, split: Split) -> list[str]:
    return manifest.clusters(corpus, split.clip_ids) if truth is None else [str(each) for each in truth["cluster"]]


def _disjoint(galleries: Sequence[Gallery]) -> None:
    known: dict[str, int] = {}
    for each in galleries:
        own = set(each.split.clip_ids) | set(each.clusters)
        for name in sorted(own):
            if name in known:
                raise ValueError(f"galleries {known[name]} and {each.number} share {name!r}; draw them apart")
            known[name] = each.number


def _further(settings: EvaluateCell, corpora: Sequence[Path], numbers: Sequence[int]) -> dict[str, set[str]] | None:
    """Query id -> further right clips; None where the set has no such csv."""
    if settings.right_answers is None:
        return None
    parts = [manifest.read(corpus, split="test").assign(gallery=n) for corpus, n in zip(corpora, numbers, strict=True)]
    rows = pd.concat(parts)
    owners, texts, galleries = (list(rows[name]) for name in ("clip_id", "text", "gallery"))
    path = Path(settings.right_answers)
    return right_answers.read(path, settings.right_answers_sha256, owners, texts, galleries)


def _places(split: Split, further: Mapping[str, set[str]]) -> list[set[int]]:
    """The same by place of text and clip; a clip that cannot be read is no answer of anybody."""
    place = {clip_id: i for i, clip_id in enumerate(split.clip_ids)}
    queries = right_answers.query_ids([split.clip_ids[i] for i in split.owner.tolist()])
    return [{place[clip_id] for clip_id in further.get(query, ()) if clip_id in place} for query in queries]
