"""Embeddings -> ranks and metrics of a downstream set (paper section 4).

Text-to-video: every text of a gallery ranks all its videos. Video-to-text: every video ranks all texts,
its best text counts. Dual softmax (DSL) sees all test queries at once: its figures stand under names of
their own and are never the headline, and so do those of QB-Norm, whose bank are training queries. Where the world
is generated, two more figures are known: `order` (own text against the text of the same clip run backwards) and the
ceiling of a perfect reader. Examples of retrieval and attention are of the first gallery.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from clipvip.config.stages import EvaluateCell
from clipvip.data.clips import Clips
from clipvip.evaluation import attention_examples
from clipvip.evaluation.embedding import embed_texts, load_model, load_tokenizer
from clipvip.evaluation.galleries import Gallery, embedded
from clipvip.evaluation.rankings import against_hubs, all_right, any_right, both_ways, figures, joined, transductive
from clipvip.evaluation.ranks import Ranks
from clipvip.evaluation.validation import Split, embed_split, open_split
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run
from clipvip.runtime.files import write_whole, written

SHOWN = 6  # queries kept with what was retrieved for them
TOP = 5
READER = ("consistent", "sharper_texts", "equal_texts")  # of the truth: what a perfect reader cannot tell apart
CEILINGS = ("R@1", "R@5", "R@10", "log2R")


def make(settings: EvaluateCell, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """Evaluate a model on the test galleries: metrics.json, ranks.parquet, retrieved.json; gaze.npz if it has proxies.

    Each query is ranked in its own gallery; the metrics are over the queries of all.
    """
    model = load_model(inputs["model"], settings.model, settings.seed).to(torch.device(run.device)).eval()
    tokenizer = load_tokenizer(inputs["model"])
    galleries = embedded(model, tokenizer, settings, inputs, run)
    first = galleries[0]
    bank = _bank(model, tokenizer, settings, inputs["corpus"], first.clips, run)
    ranks = [_ranks(each, bank) for each in galleries]
    metrics = figures({direction: joined([each[direction] for each in ranks]) for direction in ranks[0]})
    tables = [each.rows(name, own[name]) for name in ranks[0] for each, own in zip(galleries, ranks, strict=True)]
    truths = [each.truth for each in galleries if each.truth is not None]
    if truths:
        ordered = [_order(each) for each in galleries]
        tables += ordered
        metrics["order"] = 100 * float((2 - pd.concat(ordered)["rank"]).mean())
        metrics |= _ceiling(galleries)
    with written(out / cell_files.RANKS) as beside:
        pd.concat(tables, ignore_index=True).to_parquet(beside)
    write_whole(out / cell_files.METRICS, json.dumps(metrics, indent=1) + "\n")
    retrieved = _retrieved(first, ranks[0]["t2v"])
    write_whole(out / cell_files.RETRIEVED, json.dumps(retrieved, indent=1) + "\n")
    if model.video.settings.pooling == "proxies":
        shown = [first.split.clip_ids[i] for i in spread(len(first.split.clip_ids), attention_examples.SHOWN)]
        attention_examples.write(model.video, first.clips, shown, settings.num_frames, out)
    counts = [(len(each.split.clip_ids), len(each.split.texts)) for each in galleries]
    facts = {"clips": sum(clips for clips, _ in counts), "texts": sum(texts for _, texts in counts)}
    return {**facts, "galleries": [clips for clips, _ in counts], "metrics": metrics, **_account(galleries)}


def _ranks(gallery: Gallery, bank: tuple[Tensor, Tensor]) -> dict[str, Ranks]:
    """Every direction of one gallery."""
    embeddings = gallery.videos, gallery.texts
    found = both_ways(*embeddings, gallery.split) | transductive(*embeddings, gallery.split)
    found |= against_hubs(*embeddings, gallery.split, bank)
    if gallery.pairs is not None:
        found |= any_right(*embeddings, gallery.pairs) | all_right(*embeddings, gallery.pairs)
    return found


def _account(galleries: Sequence[Gallery]) -> dict[str, Any]:
    """Clips of all galleries that could not be read, where they are not from a cache."""
    accounts = [account for each in galleries if (account := each.clips.account())]
    return {key: sum((each[key] for each in accounts[1:]), accounts[0][key]) for key in accounts[0]} if accounts else {}


def _bank(
    model: ClipVip, tokenizer: Any, settings: EvaluateCell, corpus: Path, clips: Clips, run: Run
) -> tuple[Tensor, Tensor]:
    """Videos and texts of a part of the training split, the same for every model."""
    split = open_split(corpus, "train")
    ids = [split.clip_ids[i] for i in spread(len(split.clip_ids), settings.bank)]
    asked = Split(ids, [], torch.tensor([], dtype=torch.long))
    _, videos = embed_split(model, clips, asked, settings.num_frames, workers=run.workers)
    texts = [split.texts[i] for i in spread(len(split.texts), settings.bank)]
    return videos, embed_texts(model, tokenizer, texts, settings.max_tokens)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, evenly from the first to the last."""
    return torch.linspace(0, count - 1, min(count, most)).long().tolist()


def _order(gallery: Gallery) -> pd.DataFrame:
    """Rank 1 where a clip is nearer to its own text than to the same text run backwards, 2 where not, 1.5 in a tie."""
    owner = gallery.split.owner[gallery.turned]
    margin = ((gallery.texts[gallery.turned] - gallery.backwards) * gallery.videos[owner]).sum(dim=1)
    rank, own = 1.5 - 0.5 * torch.sign(margin).double(), owner.tolist()
    return gallery.table("order", [gallery.split.clip_ids[i] for i in own], own, own, Ranks(rank, rank, rank))


def _ceiling(galleries: Sequence[Gallery]) -> dict[str, float]:
    """Recalls and log2R of a reader who errs in nothing: of several clips that fit a text it guesses one; of several
    texts that fit a clip it prefers those that say more.
    """
    places: dict[str, list[Ranks]] = {"t2v": [], "v2t": []}
    for each in galleries:
        assert each.truth is not None
        columns = [torch.tensor(each.truth[name].astype(float).to_numpy()) for name in READER]
        fitting, sharper, equal = columns
        places["t2v"].append(_tied(torch.ones(len(each.texts), dtype=torch.double), fitting[each.split.owner]))
        places["v2t"].append(_tied(1 + sharper, sharper + equal))
    found = figures({direction: joined(each) for direction, each in places.items()})
    return {f"ceiling/{name}": value for name, value in found.items() if name.split("/")[1] in CEILINGS}


def _tied(best: Tensor, worst: Tensor) -> Ranks:
    return Ranks((best + worst) / 2, best, worst)


def _retrieved(gallery: Gallery, ranks: Ranks) -> list[dict[str, Any]]:
    """What was retrieved for a few queries, spread evenly over the split (not chosen by their rank)."""
    found, (videos, texts, split) = [], (gallery.videos, gallery.texts, gallery.split)
    for query in spread(len(split.texts), SHOWN):
        scores, top = (texts[query] @ videos.T).topk(min(TOP, len(videos)))
        owner = int(split.owner[query])
        hits = [
            {"clip_id": split.clip_ids[i], "score": round(score, 4), "correct": i == owner}
            for i, score in zip(top.tolist(), scores.tolist(), strict=True)
        ]
        own = split.clip_ids[owner]
        found.append({"query": split.texts[query], "clip_id": own, "rank": float(ranks.rank[query]), "top": hits})
    return found
