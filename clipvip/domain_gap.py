"""The language domain gap: how well K-means tells two sources of sentences apart (paper section 3.1).

Sentences of a language source and of a downstream set, as features of CLIP's text tower, are clustered together; the
normalised mutual information of cluster and source is 0 where they read alike and 1 where they stand apart. Only
training texts of the downstream sets are read.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from tqdm import tqdm

from clipvip import manifest
from clipvip.column import Column
from clipvip.config import GapSettings, ModelSettings
from clipvip.embed import embed_texts, load_model, load_tokenizer
from clipvip.run import Run

MAX_TOKENS = 77  # of a text, as CLIP reads them
POINTS = 200  # of each source and set in the projection

Features = Float[np.ndarray, "sentences dim"]


def make(settings: GapSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """nmi.csv, points.csv and statistics.csv of inputs "clip", "source:<name>" and "downstream:<set>".

    ValueError where a side is not given, or an input holds fewer than two sentences.
    """
    if {_role(role)["kind"] for role in inputs if ":" in role} != {"source", "downstream"}:
        raise ValueError("gap: give at least one language source (`gap_sources`) and one set of `downstream`")
    texts = {role: read_texts(folder, role) for role, folder in inputs.items() if ":" in role}
    drawn = {role: draw(known, settings, role) for role, known in texts.items()}
    wanted = list(dict.fromkeys(text for samples in drawn.values() for sample in samples for text in sample))
    features = _embed(wanted, inputs["clip"], run.device)
    place = {text: row for row, text in enumerate(wanted)}
    located = {role: [np.array([place[t] for t in sample]) for sample in samples] for role, samples in drawn.items()}
    table = _gaps(located, features, settings)
    table.to_csv(out / "nmi.csv", index=False)
    _points({role: samples[0][:POINTS] for role, samples in drawn.items()}, features, place).to_csv(
        out / "points.csv", index=False
    )
    fewest = min(len(samples[0]) for samples in drawn.values())  # vocabularies compare at equal numbers only
    pd.DataFrame({**_role(role), **language_statistics(samples[0][:fewest])} for role, samples in drawn.items()).to_csv(
        out / "statistics.csv", index=False
    )
    summary = {
        str(pair): round(float(values.mean()), 5)
        for pair, values in table["nmi"].groupby(table["source"] + "/" + table["downstream"], sort=False)
    }
    return {"texts": {role: len(known) for role, known in texts.items()}, "embedded": len(wanted), "nmi": summary}


def draw(texts: Column, settings: GapSettings, role: str) -> list[list[str]]:
    """For each repetition `settings.sentences` of the texts, or all where there are fewer, in seeded random order."""
    size, seed = min(settings.sentences, len(texts)), zlib.crc32(role.encode())
    rows = [np.random.default_rng([i, seed]).permutation(len(texts))[:size] for i in range(settings.repeats)]
    drawn = texts.take(np.concatenate(rows))
    return [drawn[start : start + size] for start in range(0, len(drawn), size)]


def _gaps(located: Mapping[str, list[Any]], features: Features, settings: GapSettings) -> pd.DataFrame:
    """NMI of each source, downstream set and repetition, equal numbers of sentences on both sides."""
    roles = [(role, _role(role)) for role in located]
    pairs = [(a, b) for a in roles for b in roles if (a[1]["kind"], b[1]["kind"]) == ("source", "downstream")]
    rows = []
    for (one, source), (other, target) in tqdm(pairs, desc="domain gap", unit="pair", disable=None):
        for repeat, (ours, theirs) in enumerate(zip(located[one], located[other], strict=True)):
            size = min(len(ours), len(theirs))
            both = features[ours[:size]], features[theirs[:size]]
            nmi = gap(*both, clusters=settings.clusters, starts=settings.starts, seed=repeat)
            pair = {"source": source["source"], "downstream": target["source"]}
            rows.append({**pair, "repeat": repeat, "nmi": nmi, "sentences": size})
    return pd.DataFrame(rows)


def gap(ours: Features, theirs: Features, *, clusters: int, starts: int, seed: int) -> float:
    """NMI (arithmetic mean) between K-means clusters of both together and the side a row came from: 0 to 1.

    The best of `starts` starts by inertia; one thread, so that the result does not depend on the machine's cores.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    side = np.repeat([0, 1], [len(ours), len(theirs)])
    with threadpool_limits(1):
        found = KMeans(clusters, n_init=starts, random_state=seed).fit_predict(np.concatenate([ours, theirs]))
    return float(normalized_mutual_info_score(side, found))


def language_statistics(texts: Sequence[str]) -> dict[str, int | float]:
    """Sentences, mean length in words, distinct words, and distinct words per word (type-token ratio)."""
    words = [re.findall(r"\w+(?:'\w+)?", text.lower()) for text in texts]
    total, distinct = sum(map(len, words)), len({word for sentence in words for word in sentence})
    return {
        "sentences": len(texts),
        "mean_words": total / max(1, len(texts)),
        "vocabulary": distinct,
        "type_token": distinct / max(1, total),
    }


def read_texts(folder: Path, role: str) -> Column:
    """The sentences of a captions cell, or of a corpus: its train split alone where it is a downstream set.

    ValueError where there are none.
    """

    def parts() -> Iterator[Any]:
        if (folder / "captions.parquet").is_file():
            file = pq.ParquetFile(folder / "captions.parquet")
            return (batch["caption"] for batch in file.iter_batches(manifest.PART, columns=["caption"]))
        return (batch["text"] for batch in manifest.scan(folder, ["text"], split="train"))

    texts = Column(parts)
    if len(texts) < 2:
        raise ValueError(f"{role}: {folder} has {len(texts)} texts to train on; the domain gap needs two at least")
    return texts


def _role(role: str) -> dict[str, str]:
    """source (its name) and kind ("source" or "downstream") of an input's role."""
    kind, name = role.split(":", 1)
    return {"source": name, "kind": kind}


def _embed(texts: Sequence[str], clip: Path, device: str) -> Features:
    """Unit text features of the CLIP in a cell's folder."""
    model = load_model(clip, ModelSettings(pooling="mean"), 0).to(torch.device(device)).eval()
    return embed_texts(model, load_tokenizer(clip), texts, MAX_TOKENS).numpy()


def _points(shown: Mapping[str, list[str]], features: Features, place: Mapping[str, int]) -> pd.DataFrame:
    """The two first principal axes of the shown sentences' features: source, kind, x, y, text."""
    rows = [{**_role(role), "text": text} for role, texts in shown.items() for text in texts]
    chosen = features[[place[row["text"]] for row in rows]]
    centred = chosen - chosen.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]  # the sign is else arbitrary
    flat = centred @ axes.T
    return pd.DataFrame(rows).assign(x=flat[:, 0], y=flat[:, 1])[["source", "kind", "x", "y", "text"]]
