"""`clipvip check`: every corpus of an experiment counted against what the literature has, before anything is made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from clipvip.config.data import CorpusSettings
from clipvip.corpora import reference_counts
from clipvip.corpora.account import NAMED
from clipvip.corpora.corpus_stage import root_of
from clipvip.corpora.leakage import Leaks, TestClip
from clipvip.corpora.survey import Split, Survey, survey
from clipvip.data.media import checksums
from clipvip.data.media.file_header import VideoError
from clipvip.pipeline import store
from clipvip.pipeline.grid import Grid
from clipvip.pipeline.status import WHERE
from clipvip.runtime.legible import brief, short


@dataclass(frozen=True)
class Checked:
    """All surveys; `problems` stop a run or make a headline number incomparable, `notes` do not."""

    surveys: list[Survey]
    problems: list[str]
    notes: list[str]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        corpora = {each.name: each.facts() for each in self.surveys}
        return {"corpora": corpora, "problems": self.problems, "notes": self.notes}


def check(grid: Grid, *, verify: bool = False) -> Checked:
    """Survey every corpus; with `verify` read every file whose sha256 was recorded."""
    experiment = grid.experiment
    root = Path(experiment.results)
    order = sorted(experiment.corpora, key=lambda name: name not in experiment.downstream)  # test clips come first
    surveys: list[Survey] = []
    problems: list[str] = []
    notes: list[str] = []
    tests: dict[str, tuple[Path, list[TestClip]]] = {}
    for name, number in [(each, n) for each in order for n in experiment.corpora[each].galleries]:
        settings, shown = experiment.corpora[name].of_gallery(number), name if number == 1 else f"{name}-{number}"
        place = _place(grid, name, number, root)
        if place is None:
            surveys.append(Survey(shown, absent="generated, and not made yet: the workflow makes it"))
            notes.append(f"corpora.{shown}: {surveys[-1].absent}")
            continue
        downstream = name in experiment.downstream
        sums = _sums(place, store.folder(root, grid.corpus(name, number).name))
        found = survey(shown, settings, place, Leaks({} if downstream else tests), sums=sums)
        surveys.append(found)
        tests |= {shown: (Path(found.root), found.test_clips)} if downstream else {}
        problems += _problems(found, settings, headline=downstream)
        notes += _notes(found, settings, headline=downstream)
        if verify and found.error is None:
            problems += _verify(found, sums)
    return Checked(surveys, problems, notes)


def _place(grid: Grid, name: str, gallery: int, results: Path) -> Path | str | None:
    settings = grid.experiment.corpora[name]
    if settings.root is not None:
        return root_of(settings.root)
    world = grid.corpus(name, gallery).inputs["world"].name
    return None if store.receipt(results, world) is None else store.folder(results, world)


def _sums(*folders: Path | str) -> Path | None:
    known = (Path(folder) for folder in folders if "://" not in str(folder))
    return next((folder for folder in known if (folder / checksums.NAME).is_file()), None)


def _problems(found: Survey, settings: CorpusSettings, *, headline: bool) -> Iterator[str]:
    where, account = f"corpora.{found.name}", found.account
    if found.error is not None:
        yield f"{where}: {found.error} ({WHERE[settings.format]})"
        return
    if account.bad > settings.max_bad:
        aside = f", and {account.border.num_aside:,} of {account.border.records:,} records are set aside"
        yield (
            f"{where}: {len(account.lost)} of {account.named} clips are missing or unreadable"
            f"{aside if account.border.num_aside else ''}, a run stops above "
            f"{settings.max_bad:.1%}: {short(account.lost)}; add the files to {found.root}, or raise `max_bad`"
        )
    if account.own_tests:
        yield (
            f"{where}: {len(account.own_tests):,} clips for training show what test clips of the same set show, and "
            f"are left out: {short(_pairs(account.own_tests))}; take them out of the annotations"
        )
    if headline and "test" in found.splits and found.splits["test"].differs:
        yield f"{where}: test has {_differs(found.splits['test'], settings)}: its R@k are not those of the literature"
    if headline and "test" not in found.splits:
        yield f"{where}: has no test split; check the annotations in {found.root}"


def _notes(found: Survey, settings: CorpusSettings, *, headline: bool) -> Iterator[str]:
    where, account = f"corpora.{found.name}", found.account
    for name, split in found.splits.items():
        if split.differs and found.error is None and not (headline and name == "test"):
            yield f"{where}: {name} has {_differs(split, settings)}"
    kinds = {
        "have no file": account.missing,
        "cannot be read": [f"{entry['clip_id']} ({entry['reason']})" for entry in account.unreadable],
        "have an empty text": list(account.empty),
        "are test clips, and are left out": _pairs(account.leaked),
        "clips for training come from the source video of a test clip, and are kept (`same_source`)": _pairs(
            account.same_source
        ),
        "files have the content of another": [_copies(group) for group in found.duplicates or []],
    }
    yield from (f"{where}: {len(names):,} {kind}: {short(names)}" for kind, names in kinds.items() if names)
    if account.border.num_aside:
        yield f"{where}: {account.border.num_aside:,} records are set aside: {account.asides()}"
    test = found.splits.get("test")
    if reference_counts.variant_of(settings, account.named_tests) is not None:
        which = reference_counts.DIDEMO_TESTS[account.named_tests]
        yield f"{where}: test is the variant of {account.named_tests:,} videos ({which})"
    if headline and test is not None and test.shared:
        yield f"{where}: {test.shared} test texts belong to several videos each; each video counts as right for its own"
    if headline and found.error is None and not found.test_clips:
        yield f"{where}: none of its test clips has a file"


def _differs(split: Split, settings: CorpusSettings) -> str:
    source = "its settings say" if settings.world is not None else "expected"
    wanted = [f"{count:,} {kind}" for kind, count in zip(("videos", "texts"), split.expected, strict=True) if count]
    return f"{split.videos:,} videos and {split.texts:,} texts, {source} {' and '.join(wanted)}"


def _verify(found: Survey, sums: Path | None) -> Iterator[str]:
    if sums is None:
        yield (
            f"corpora.{found.name}: no {checksums.NAME}, so that nothing can be verified; set `checksums: true` and "
            "make the corpus, or prepare it"
        )
        return
    verifier = checksums.Verifier(sums, Path(found.root))
    wrong, named = 0, list[str]()
    for path in tqdm(checksums.read(sums), desc=f"verify {found.name}", unit="file", disable=None):
        try:
            verifier.check(path)
        except VideoError as error:
            wrong += 1
            named += [str(error)] if wrong <= NAMED else []
    yield from (f"corpora.{found.name}: {each}" for each in named)
    if wrong > NAMED:
        yield f"corpora.{found.name}: ... and {wrong - NAMED:,} more files"


def _pairs(entries: list[dict[str, str]]) -> list[str]:
    return [f"{brief(entry['clip_id'])} = {entry['test']}" for entry in entries]


def _copies(group: list[str]) -> str:
    """Files of one content, the first two of them by name."""
    said = " = ".join(brief(path, 80) for path in group[:2])
    return f"{said} = {len(group) - 2:,} more" if len(group) > 2 else said


def listing(checked: Checked) -> str:
    """Tables of splits and of data problems, then notes and errors."""
    counts: list[tuple[str, ...]] = [
        ("corpus", "split", "videos", "expected", "texts", "expected", "texts of several videos")
    ]
    amiss: list[tuple[str, ...]] = [
        ("corpus", "clips named", "without file", "unreadable", "without text", "test clips", "duplicate files")
    ]
    for each in checked.surveys:
        for name, split in each.splits.items():
            wanted = [f"{count:,}" if count is not None else "-" for count in split.expected]
            videos, texts = f"{split.videos:,}", f"{split.texts:,}"
            counts.append((each.name, name, videos, wanted[0], texts, wanted[1], f"{split.shared:,}"))
        if each.splits:
            own = each.account
            found = [own.named, len(own.missing), len(own.unreadable), len(own.empty), len(own.leaked)]
            copies = "not known" if each.duplicates is None else f"{sum(len(group) - 1 for group in each.duplicates):,}"
            amiss.append((each.name, *(f"{count:,}" for count in found), copies))
    lines = [*_aligned(counts, 2), "", *_aligned(amiss, 1)] if len(counts) > 1 else []
    for title, found_lines in (("notes", checked.notes), ("problems", checked.problems)):
        if found_lines:
            lines += ["", f"{title}:", *(f"  {line}" for line in found_lines)]
    return "\n".join(lines if checked.problems else [*lines, "", "no problem found"])


def _aligned(rows: Sequence[Sequence[str]], names: int) -> list[str]:
    """Columns of equal width; the first `names` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        words = [f"{word:{'<' if i < names else '>'}{widths[i]}}" for i, word in enumerate(row)]
        lines.append("  ".join(words).rstrip())
    return lines
