"""Settings of corpora and frames: which public format, where it lies, how it is split, how frames are resized."""

from typing import Any, Literal

from pydantic import Field, model_validator

from clipvip.config.base import Positive, Seed, Settings, Size, Whole

Part = Literal["images", "coco", "narrated", "alt_text", "msrvtt", "didemo", "lsmdc", "activitynet"]
Format = Literal[
    "cc12m", "coco", "hdvila", "webvid", "msrvtt", "didemo", "lsmdc", "activitynet", "folder", "webdataset"
]
ANNOTATED = ("folder", "msrvtt", "didemo", "lsmdc", "activitynet")  # formats that a user may annotate anew


class WorldSettings(Settings):
    """One part of the miniature world: a corpus of generated files in a public format."""

    part: Part
    """which corpus is generated; it is written in that corpus's public format"""
    clips: dict[Literal["train", "val", "test"], Whole]
    """number of clips of each split, twins included [clips]"""
    seed: Seed = 0
    """seed of the generator"""
    pixels: Size = 64
    """side of the rendered frame; from 64 up the codec loses little colour [pixels]"""
    frames: Size = 16
    """length of a clip [frames]"""
    fps: Positive = 8.0
    """frame rate of the files [frames/s]"""
    twins: float = Field(0.5, ge=0, le=1)
    """share of the test scenes that also appear run backwards"""
    misaligned: float = Field(0.4, ge=0, le=1)
    """narrated corpus only: share of subtitles that belong to another clip"""
    galleries: int = Field(1, ge=1, le=1000)
    """downstream sets only: test sets of `clips.test` clips, each a gallery of its own, evaluated together"""
    gallery: int = Field(1, ge=1, le=1000)
    """filled in: which gallery; from the second on, its test clips alone"""

    @model_validator(mode="after")
    def _galleries_of_tests(self) -> "WorldSettings":
        if max(self.galleries, self.gallery) > 1 and not self.clips.get("test"):
            raise ValueError(
                "`galleries`: there is no test split to have several of; give `clips.test`, or leave it out"
            )
        return self


class CorpusSettings(Settings):
    """One corpus: its public format, where it lies, how it is split."""

    format: Format
    """public format of annotations and media"""
    root: str | None = None
    """folder with annotations and media, as distributed; for webdataset a folder of tars or a URL"""
    world: WorldSettings | None = None
    """generate the corpus; give either this or `root`"""
    annotations: dict[Literal["train", "val", "test"], str] = Field(default={})
    """annotation file of each split in place of the distributed ones: csv for folder, jsonl for downstream sets"""
    protocol: str | None = None
    """split protocol: msrvtt 9k (default), 7k or full; webvid 2M or 10M"""
    holdout: Whole = 0
    """for sets without a val split: this many train clips become val [clips]"""
    holdout_seed: Seed = 0
    """seed that draws the held-out clips"""
    same_source: Literal["keep", "leave_out"] | None = None
    """clips for training from the source video of a test clip (another stretch of the YouTube video, film or file);
    null: msrvtt keeps them, as its published split has it, all others leave them out"""
    max_bad: float = Field(0.05, ge=0, le=1)
    """share of missing or unreadable clips, and of records set aside, above which reading stops"""
    right_answers: str | None = None
    """downstream sets only: csv `query,clip_id` of test clips that are right for a query besides its own"""
    checksums: bool = False
    """record the sha256 of every file, so that changed files are found"""

    @model_validator(mode="after")
    def _one_place(self) -> "CorpusSettings":
        if (self.root is None) == (self.world is None):
            raise ValueError("give either `root` (a folder) or `world` (a generated part)")
        if self.format == "webdataset" and (self.holdout or self.world):
            raise ValueError("webdataset: shards are training data; leave out `holdout` and `world`")
        if self.annotations and self.format not in ANNOTATED:
            raise ValueError(f"`annotations`: {self.format} has none of its own; those that do: {', '.join(ANNOTATED)}")
        return self

    def of_gallery(self, gallery: int = 1) -> "CorpusSettings":
        """What the cell of one gallery reads; what only an evaluation reads is left out, and so in no training's key.

        From the second on there are test clips alone.
        """
        change: dict[str, Any] = {"right_answers": None}
        if self.world is not None:
            change["world"] = self.world.model_copy(update={"galleries": 1, "gallery": gallery})
        return self.model_copy(update=change | ({"holdout": 0} if gallery > 1 else {}))

    @property
    def later(self) -> bool:
        """Whether it is a gallery after the first, of test clips alone."""
        return self.world is not None and self.world.gallery > 1

    @property
    def galleries(self) -> range:
        """Numbers of its galleries; files of others are one."""
        return range(1, 1 + (self.world.galleries if self.world else 1))


class FramesSettings(Settings):
    """The frame cache: every frame of every clip, resized, uint8."""

    size: Size = 224
    """side of the square frame [pixels]"""
    resize: Literal["squash", "crop"] = "squash"
    """squash ignores the aspect ratio, as the authors do; crop keeps it and cuts the centre"""
    antialias: bool = True
    """filter before frames shrink; false resizes floats unfiltered, as the authors' code seems to have done"""
    fps: Positive | None = None
    """keep at most this frame rate; null keeps every frame [frames/s]"""
    verify: bool = False
    """compare each file with its recorded sha256 when it is first read"""
