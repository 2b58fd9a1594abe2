"""Names of the files in a cell's folder, each spelled here only."""

CONFIG = "config.json"  # stage, settings and inputs
RECEIPT = "receipt.json"  # what is known of a finished cell: facts of its stage, lineage, versions, times
FILES = "files.csv"  # size, time and SHA-256 of every other file of the cell
SYSTEM = "system.csv"  # what the job took of the machine

MANIFEST = "manifest.parquet"  # of a corpus
TRUTH = "truth.parquet"  # of a world: what each clip shows
CAPTIONS = "captions.parquet"
SHOWN = "shown.parquet"  # beside captions: what each clip showed, so that its captions can be taken over
QUALITY = "quality.json"  # of captions, where the scenes are known
HISTORY = "history.csv"  # of a training: a row a logged step

METRICS = "metrics.json"  # of an evaluation, as all below
RANKS = "ranks.parquet"
RETRIEVED = "retrieved.json"
GAZE = "gaze.npz"  # where the proxies look

NMI = "nmi.csv"  # of the domain gap, as all below
POINTS = "points.csv"
STATISTICS = "statistics.csv"
OVERLAP = "overlap.csv"

# What the clock wrote, and so differs each time: columns of tables, and entries of a receipt.
TIMES = frozenset(
    {"seconds", "ms_per_clip", "clips_per_s", "tokens_per_s", "data_wait_s", "step_s", "tflops", "share_of_peak"}
)
