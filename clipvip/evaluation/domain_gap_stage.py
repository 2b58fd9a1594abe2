"""The language domain gap: how well K-means tells two sources of sentences apart (paper section 3.1).

Sentences of a language source and of a downstream set, as features of CLIP's text tower, are clustered together; the
normalised mutual information of cluster and source is 0 where they read alike and 1 where they stand apart. Adjusted
mutual information and kernel MMD stand beside it. All columns are of equally many sentences, one a clip; only training
texts of the downstream sets are read.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Int
from tqdm import tqdm

from clipvip.config.learning import ModelSettings
from clipvip.config.stages import GapSettings
from clipvip.data import manifest
from clipvip.data.clip_ids import Ids
from clipvip.data.text_column import Column
from clipvip.evaluation import language_statistics
from clipvip.evaluation.embedding import embed_texts, load_model, load_tokenizer
from clipvip.evaluation.language_gap import Features, kernel_width, measures, mmd_p
from clipvip.runtime import cell_files
from clipvip.runtime.context import Run
from clipvip.runtime.files import written
from clipvip.runtime.legible import cell

MAX_TOKENS = 77  # of a text, as CLIP reads them
POINTS = 200  # of each source and set in the projection

FEWEST = 4  # clips with sentences of a source: a draw takes half of them

Rows = Int[np.ndarray, " rows"]
Facts = list[set[tuple[str, str]]]


def make(settings: GapSettings, inputs: dict[str, Path], out: Path, run: Run) -> dict[str, Any]:
    """nmi.csv, points.csv, statistics.csv and overlap.csv of inputs "clip", "source:<name>" and "downstream:<set>".

    ValueError where a side is not given, or an input holds fewer than four sentences.
    """
    if {_role(role)["kind"] for role in inputs if ":" in role} != {"source", "downstream"}:
        raise ValueError("gap: give at least one language source (`gap_sources`) and one set of `downstream`")
    texts = {role: read_texts(folder, role) for role, folder in inputs.items() if ":" in role}
    clips = {role: rows_by_clip(folder) for role, folder in inputs.items() if ":" in role}
    size = min(settings.sentences, *(len(own) // 2 for own in clips.values()))  # the same in every column
    if size < FEWEST // 2:
        fewest = min(clips, key=lambda role: len(clips[role]))
        raise ValueError(f"{fewest}: {len(clips[fewest])} clips with texts to train on; the domain gap needs {FEWEST}")
    rows = {role: draw(own, size, settings.repeats, role) for role, own in clips.items()}
    drawn = {role: _take(texts[role], own) for role, own in rows.items()}
    wanted = list(dict.fromkeys(text for pairs in drawn.values() for pair in pairs for half in pair for text in half))
    features = _embed(wanted, inputs["clip"], run.device)
    place = {text: row for row, text in enumerate(wanted)}
    located = {
        role: [[np.array([place[text] for text in half]) for half in pair] for pair in pairs]
        for role, pairs in drawn.items()
    }
    table = _gaps(located, features, settings, {role: len(own) for role, own in clips.items()})
    first = {role: pairs[0][0] for role, pairs in drawn.items()}
    known = known_facts(inputs, {role: pairs[0][0] for role, pairs in rows.items()})
    tables = {
        cell_files.NMI: table,
        cell_files.POINTS: _points({role: said[:POINTS] for role, said in first.items()}, features, place),
        cell_files.STATISTICS: _statistics(first, known),
        cell_files.OVERLAP: _overlaps(first),
    }
    for name, each in tables.items():
        with written(out / name) as beside:
            each.to_csv(beside, index=False)
    summary = {
        str(pair): round(float(values.mean()), 5)
        for pair, values in table["nmi"].groupby(table["source"] + "/" + table["downstream"], sort=False)
    }
    return {"texts": {role: len(known) for role, known in texts.items()}, "embedded": len(wanted), "nmi": summary}


class ByClip(NamedTuple):
    """Rows of texts in the order of their clips, and where each clip begins (and, last, where the rows end)."""

    order: Rows
    starts: Rows

    def __len__(self) -> int:
        return len(self.starts) - 1


def rows_by_clip(folder: Path) -> ByClip:
    """The rows of the texts of every clip."""
    ids = pa.chunked_array([part.cast(pa.large_string()) for part in _columns(folder, "clip_id")], pa.large_string())
    clip_of = Ids.distinct(ids).positions(ids.combine_chunks())
    order = np.argsort(clip_of, kind="stable")
    begins = np.flatnonzero(np.diff(clip_of[order], prepend=-1))
    return ByClip(order, np.append(begins, len(order)))


def draw(clips: ByClip, size: int, repeats: int, role: str) -> list[tuple[Rows, Rows]]:
    """For each repetition two seeded draws of `size` texts, one a clip and no clip in both.

    Texts of one clip are alike: in both draws, or twice in one, they would pass for agreement of the language.
    """
    found = []
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, zlib.crc32(role.encode())])
        chosen = rng.choice(len(clips), 2 * size, replace=False)
        begins = clips.starts[chosen]
        rows = clips.order[begins + rng.integers(0, clips.starts[chosen + 1] - begins)]
        found.append((rows[:size], rows[size:]))
    return found


def _take(texts: Column, rows: Sequence[tuple[Rows, Rows]]) -> list[tuple[list[str], list[str]]]:
    """The texts of every repetition, in one pass."""
    drawn, size = texts.take(np.concatenate([half for pair in rows for half in pair])), len(rows[0][0])
    starts = range(0, len(drawn), 2 * size)
    return [(drawn[start : start + size], drawn[start + size : start + 2 * size]) for start in starts]


def _gaps(
    located: Mapping[str, list[Any]], features: Features, settings: GapSettings, counts: Mapping[str, int]
) -> pd.DataFrame:
    """A row a source, set, repetition, and draw of either side; `share_...`: the part of a side that a draw takes.

    `mmd_p`, the same in all rows of a source and set, is of both draws of the first repetition.
    """
    roles = [(role, _role(role)) for role in located]
    pairs = [(a, b) for a in roles for b in roles if (a[1]["kind"], b[1]["kind"]) == ("source", "downstream")]
    width = kernel_width(features[np.concatenate([each[0][0] for each in located.values()])])
    how: Any = {"clusters": settings.clusters, "starts": settings.starts, "width": width}
    rows = []
    for (one, source), (other, target) in tqdm(pairs, desc="domain gap", unit="pair", disable=None):
        whole = [features[np.concatenate(located[role][0])] for role in (one, other)]
        p = mmd_p(whole[0], whole[1], width=width, permutations=settings.permutations, seed=0)
        same = {"source": source["source"], "downstream": target["source"], "mmd_p": p}
        for repeat, (ours, theirs) in enumerate(zip(located[one], located[other], strict=True)):
            size = len(ours[0])
            part = {"sentences": size, "share_source": size / counts[one], "share_downstream": size / counts[other]}
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                found = measures(features[ours[i]], features[theirs[j]], seed=repeat, **how)
                rows.append({**same, "repeat": repeat, "source_draw": i, "downstream_draw": j, **found, **part})
    return pd.DataFrame(rows)


def _statistics(texts: Mapping[str, list[str]], facts: Mapping[str, Facts]) -> pd.DataFrame:
    """A row a source or set; `naming` only where a generated world knows the scenes of all its texts."""
    fewest = min(map(len, texts.values()))
    rows = []
    for role, said in texts.items():
        row: dict[str, Any] = {**_role(role), **language_statistics.of_texts(said[:fewest])}
        if role in facts:
            from clipvip.corpora.synthetic.language import named_in

            row["naming"] = language_statistics.naming(said[:fewest], facts[role][:fewest], named_in)
        rows.append(row)
    return pd.DataFrame(rows)


def _overlaps(texts: Mapping[str, list[str]]) -> pd.DataFrame:
    """Vocabulary of every source against every downstream set."""
    fewest = min(map(len, texts.values()))
    kinds = {role: _role(role) for role in texts}
    return pd.DataFrame(
        {
            "source": kinds[one]["source"],
            "downstream": kinds[other]["source"],
            **language_statistics.overlap(texts[one][:fewest], texts[other][:fewest]),
        }
        for one in texts
        for other in texts
        if (kinds[one]["kind"], kinds[other]["kind"]) == ("source", "downstream")
    )


def known_facts(inputs: Mapping[str, Path], rows: Mapping[str, Rows]) -> dict[str, Facts]:
    """What the middle frame of each drawn text's clip shows, (kind, value), of roles whose scenes are all known.

    Only a generated world knows; captions are of the clips of one of the corpora given.
    """
    from clipvip.corpora.synthetic.truth import known_scenes

    corpora = {
        role: folder for role, folder in inputs.items() if ":" in role and not (folder / cell_files.CAPTIONS).is_file()
    }
    scenes = {role: known_scenes(manifest.media_url(folder)) for role, folder in corpora.items()}
    found = {}
    for role, own in rows.items():
        ids = Column(partial(_columns, inputs[role], "clip_id")).take(own) if any(scenes.values()) else []
        rivals = [scenes[role]] if role in scenes else list(scenes.values())
        known = next((each for each in rivals if all(clip_id in each for clip_id in ids)), {})
        if known and ids:
            found[role] = [known[clip_id] for clip_id in ids]
    return found


def _columns(folder: Path, name: str) -> Iterator[Any]:
    """The clip ids or texts of a captions cell, or of a corpus: its train split alone, and so no test text."""
    if (folder / cell_files.CAPTIONS).is_file():
        name = "caption" if name == "text" else name
        return (
            batch[name]
            for batch in pq.ParquetFile(folder / cell_files.CAPTIONS).iter_batches(manifest.PART, columns=[name])
        )
    return (batch[name] for batch in manifest.scan(folder, [name], split="train"))


def read_texts(folder: Path, role: str) -> Column:
    """The sentences of a captions cell, or of a corpus; ValueError where there are too few to draw two of."""
    texts = Column(partial(_columns, folder, "text"))
    if len(texts) < FEWEST:
        raise ValueError(f"{role}: {folder} has {len(texts)} texts to train on; the domain gap needs {FEWEST} at least")
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
    texts = [cell(row["text"]) for row in rows]
    return pd.DataFrame(rows).assign(x=flat[:, 0], y=flat[:, 1], text=texts)[["source", "kind", "x", "y", "text"]]
