"""Further right answers of test queries: a csv `query,clip_id`, as published re-judgements of a set give them.

A query is named by its id (`<clip_id>#<n>`, the n-th text of a clip, from 0), by its clip's id where that has one text,
or by its text, which then stands for every query of that text.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from clipvip.config.data import CorpusSettings
from clipvip.corpora.formats.annotation import clean
from clipvip.corpora.formats.border import Border


def keyed(settings: CorpusSettings) -> dict[str, str]:
    """What an evaluation's key holds of the csv: where it lies and the sha256 of its content; nothing without one."""
    if settings.right_answers is None:
        return {}
    path = Path(settings.right_answers).expanduser()
    return {"right_answers": settings.right_answers, "right_answers_sha256": _sha256(path) if path.is_file() else ""}


def query_ids(owners: Sequence[str]) -> list[str]:
    """`<clip_id>#<n>` of texts in order, each given by the clip it belongs to."""
    seen: dict[str, int] = {}
    ids = []
    for owner in owners:
        seen[owner] = seen.get(owner, -1) + 1
        ids.append(f"{owner}#{seen[owner]}")
    return ids


def read(
    path: Path, sha256: str, owners: Sequence[str], texts: Sequence[str], galleries: Sequence[int]
) -> dict[str, set[str]]:
    """Query id -> the clips that the csv adds to its own. Of each test text: its clip, itself, and its gallery.

    ValueError: no such file, another content than the run was planned with, no such query or clip (named with its
    line), a clip of another gallery.
    """
    path = path.expanduser()
    if not path.is_file():
        raise ValueError(f"{path}: no such file; check `right_answers` of the corpus")
    if _sha256(path) != sha256:
        raise ValueError(f"{path}: changed since the run was planned; plan it again")
    ids, named = query_ids(owners), _named(owners, texts)
    gallery_of = dict(zip(owners, galleries, strict=True))
    further: dict[str, set[str]] = {}
    border = Border()
    for line, row in border.csv_rows(path, "query", "clip_id"):
        query, clip_id = clean(row["query"]), row["clip_id"].strip()
        if query not in named:
            raise ValueError(f"{path}: line {line}: no test query {query!r}; give its id (<clip_id>#<n>) or its text")
        if clip_id not in gallery_of:
            raise ValueError(f"{path}: line {line}: no test clip {clip_id!r}")
        same = [place for place in named[query] if galleries[place] == gallery_of[clip_id]]
        if not same:
            raise ValueError(f"{path}: line {line}: {clip_id!r} is in another gallery than {query!r}")
        for place in same:
            further.setdefault(ids[place], set()).update({clip_id} - {owners[place]})
    border.refuse()
    return further


def _named(owners: Sequence[str], texts: Sequence[str]) -> dict[str, list[int]]:
    """All that a query may be called -> places of the texts that are meant; an id goes before a text."""
    of_text: dict[str, list[int]] = {}
    of_clip: dict[str, list[int]] = {}
    for place, (owner, text) in enumerate(zip(owners, texts, strict=True)):
        of_text.setdefault(text, []).append(place)
        of_clip.setdefault(owner, []).append(place)
    alone = {owner: places for owner, places in of_clip.items() if len(places) == 1}
    return of_text | alone | {name: [place] for place, name in enumerate(query_ids(owners))}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
