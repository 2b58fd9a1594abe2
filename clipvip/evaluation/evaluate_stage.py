"""Embeddings -> ranks and metrics of a downstream set (paper section 4).

Text-to-video: every text of the split ranks all its videos. Video-to-text: every video ranks all texts,
its best text counts. Dual softmax (DSL) sees all test queries at once: its figures stand under names of
their own and are never the headline, and so do those of QB-Norm, whose bank are training queries. Where the world
is generated, two more figures are known: `order`
(own text against the text of the same clip run backwards) and the ceiling of a perfect reader.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from clipvip.config.stages import EvaluateCell
from clipvip.data.clips import Clips, open_clips
from clipvip.evaluation import attention_examples
from clipvip.evaluation.embedding import embed_texts, load_model, load_tokenizer
from clipvip.evaluation.ranks import (
    Ranks,
    dual_softmax,
    match_ranks,
    mean_rank,
    median_rank,
    qb_norm,
    recall,
    similarities,
    similarity_ranks,
)
from clipvip.evaluation.validation import RECALLS, Split, embed_split, open_split
from clipvip.model.clip_vip import ClipVip
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run
from clipvip.runtime.files import write_whole, written

SHOWN = 6  # queries kept with what was retrieved for them
TOP = 5


def both_ways(videos: Float[Tensor, "clips dim"], texts: Float[Tensor, "texts dim"], split: Split) -> dict[str, Ranks]:
    """Ranks text-to-video and video-to-text."""
    return {"t2v": match_ranks(texts, videos, split.owner), "v2t": match_ranks(videos, texts, split.owned())}


def transductive(
    videos: Float[Tensor, "clips dim"], texts: Float[Tensor, "texts dim"], split: Split
) -> dict[str, Ranks]:
    """The same with dual softmax, each direction with its own normaliser."""
    similarity = similarities(texts, videos)
    return {
        "t2v_dsl": similarity_ranks(dual_softmax(similarity), split.owner),
        "v2t_dsl": similarity_ranks(dual_softmax(similarity.T.contiguous()), split.owned()),
    }


def against_hubs(
    videos: Float[Tensor, "clips dim"],
    texts: Float[Tensor, "texts dim"],
    split: Split,
    bank: tuple[Float[Tensor, "bank_clips dim"], Float[Tensor, "bank_texts dim"]],
) -> dict[str, Ranks]:
    """The same with QB-Norm: texts of the training split, or its videos, say which items are hubs."""
    bank_videos, bank_texts = bank
    to_videos = qb_norm(similarities(texts, videos), similarities(bank_texts, videos))
    to_texts = qb_norm(similarities(videos, texts), similarities(bank_videos, texts))
    return {
        "t2v_qb": similarity_ranks(to_videos, split.owner),
        "v2t_qb": similarity_ranks(to_texts, split.owned()),
    }


def figures(ranks: dict[str, Ranks]) -> dict[str, float]:
    """Recalls in percent, median and mean rank, by direction."""
    found: dict[str, float] = {}
    for direction, each in ranks.items():
        found |= {f"{direction}/R@{k}": recall(each, k) for k in RECALLS}
        found |= {f"{direction}/MdR": median_rank(each), f"{direction}/MnR": mean_rank(each)}
    return found


def make(settings: EvaluateCell, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """Evaluate a model on the test split: metrics.json, ranks.parquet, retrieved.json; gaze.npz if it has proxies."""
    model = load_model(inputs["model"], settings.model, settings.seed).to(torch.device(run.device)).eval()
    tokenizer = load_tokenizer(inputs["model"])
    clips = open_clips(inputs, settings.frames, work=run.work)
    split, videos = embed_split(model, clips, open_split(inputs["corpus"], clips, "test"), settings.num_frames)
    texts = embed_texts(model, tokenizer, split.texts, settings.max_tokens)
    ranks = both_ways(videos, texts, split) | transductive(videos, texts, split)
    bank = _bank(model, tokenizer, settings, inputs["corpus"], clips)
    ranks |= against_hubs(videos, texts, split, bank)
    metrics = figures(ranks)
    truth = _truth(inputs.get("world"), split)
    tables = [_rows(direction, each, split, truth) for direction, each in ranks.items()]
    if truth is not None:
        order = _order(model, tokenizer, settings, truth, videos, texts, split)
        tables.append(order)
        metrics["order"] = 100 * float((2 - order["rank"]).mean())
        metrics |= _ceiling(truth, split)
    with written(out / cell_files.RANKS) as beside:
        pd.concat(tables, ignore_index=True).to_parquet(beside)
    write_whole(out / cell_files.METRICS, json.dumps(metrics, indent=1) + "\n")
    retrieved = _retrieved(videos, texts, split, ranks["t2v"])
    write_whole(out / cell_files.RETRIEVED, json.dumps(retrieved, indent=1) + "\n")
    if model.video.settings.pooling == "proxies":
        shown = [split.clip_ids[i] for i in spread(len(split.clip_ids), attention_examples.SHOWN)]
        attention_examples.write(model.video, clips, shown, settings.num_frames, out)
    return {"clips": len(split.clip_ids), "texts": len(split.texts), "metrics": metrics, **clips.account()}


def _bank(model: ClipVip, tokenizer: Any, settings: EvaluateCell, corpus: Path, clips: Clips) -> tuple[Tensor, Tensor]:
    """Videos and texts of a part of the training split, the same for every model."""
    split = open_split(corpus, clips, "train")
    ids = [split.clip_ids[i] for i in spread(len(split.clip_ids), settings.bank)]
    _, videos = embed_split(model, clips, Split(ids, [], torch.tensor([], dtype=torch.long)), settings.num_frames)
    texts = [split.texts[i] for i in spread(len(split.texts), settings.bank)]
    return videos, embed_texts(model, tokenizer, texts, settings.max_tokens)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, evenly from the first to the last."""
    return torch.linspace(0, count - 1, min(count, most)).long().tolist()


def _truth(world: Path | None, split: Split) -> pd.DataFrame | None:
    """What the generator knows of the split's clips, in their order."""
    if world is None:
        return None
    return pd.read_parquet(world / cell_files.TRUTH).set_index("clip_id").loc[split.clip_ids]


def _rows(direction: str, ranks: Ranks, split: Split, truth: pd.DataFrame | None) -> pd.DataFrame:
    """Ranks with the clip of each query and its cluster; texts of one scene are not independent."""
    if direction.startswith("t2v"):
        owner = split.owner.tolist()
        clip_ids = [split.clip_ids[i] for i in owner]
        queries = [f"{clip_id}#{i}" for i, clip_id in enumerate(clip_ids)]
    else:
        owner, clip_ids, queries = list(range(len(split.clip_ids))), split.clip_ids, split.clip_ids
    clusters = clip_ids if truth is None else truth["cluster"].iloc[owner].tolist()
    columns = {"query": queries, "clip_id": clip_ids, "cluster": clusters, "direction": direction}
    return pd.DataFrame({**columns, "rank": ranks.rank, "best": ranks.best, "worst": ranks.worst})


def _order(
    model: ClipVip,
    tokenizer: Any,
    settings: EvaluateCell,
    truth: pd.DataFrame,
    videos: Tensor,
    texts: Tensor,
    split: Split,
) -> pd.DataFrame:
    """Rank 1 where a clip is nearer to its own text than to the same text run backwards, 2 where not, 1.5 in a tie."""
    told = truth["backwards"].tolist()
    known = [i for i, owner in enumerate(split.owner.tolist()) if isinstance(told[owner], str)]
    owner = split.owner[known]
    backwards = [str(told[i]) for i in owner.tolist()]
    reverse = embed_texts(model, tokenizer, backwards, settings.max_tokens)
    margin = ((texts[known] - reverse) * videos[owner]).sum(dim=1)
    clip_ids = [split.clip_ids[i] for i in owner.tolist()]
    clusters = truth["cluster"].iloc[owner.tolist()].tolist()
    rank = 1.5 - 0.5 * torch.sign(margin).double()
    columns = {"query": clip_ids, "clip_id": clip_ids, "cluster": clusters, "direction": "order"}
    return pd.DataFrame({**columns, "rank": rank, "best": rank, "worst": rank})


def _ceiling(truth: pd.DataFrame, split: Split) -> dict[str, float]:
    """Recalls of a reader who errs in nothing: of several clips that fit a text it guesses one; of several texts that
    fit a clip it prefers those that say more.
    """
    fitting = truth["consistent"].iloc[split.owner.tolist()].astype(float)
    sharper, equal = truth["sharper_texts"].astype(float), truth["equal_texts"].astype(float)
    found = {f"ceiling/t2v/R@{k}": 100 * float((k / fitting).clip(upper=1).mean()) for k in RECALLS}
    return found | {f"ceiling/v2t/R@{k}": 100 * float(((k - sharper) / equal).clip(0, 1).mean()) for k in RECALLS}


def _retrieved(videos: Tensor, texts: Tensor, split: Split, ranks: Ranks) -> list[dict[str, Any]]:
    """What was retrieved for a few queries, spread evenly over the split (not chosen by their rank)."""
    found = []
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
