"""Names of the files in the folder of a study or a sweep, each spelled here only."""

PLAN = "plan.json"  # what is asked for; all else follows from it and the cells
EXPECTED = "expected.json"  # when each line of `expect` was first stated

TABLE = "table.csv"  # a row a variant and seed
SUMMARY = "summary.csv"  # a row a variant
TESTS = "tests.csv"  # each variant against the baseline
VERDICTS = "verdicts.csv"  # a row an expectation
DETECTABLE = "detectable.csv"  # by replicates and queries
CURVES = "curves.csv"  # validation along training
TRENDS = "trends.csv"
GAP = "gap.csv"
LANGUAGE = "language.csv"
PUBLISHED = "published.csv"

LINKS = "mlflow.json"  # where MLflow's page shows the study
TABLES_PAGE = "tables.html"  # verdicts and scores, for `snakemake --report`
TRACKED = "tracked"  # its runs are at MLflow
FIGURE, FIGURE_PNG = "figure.svg", "figure.png"
GAZE, GAZE_PNG = "gaze.svg", "gaze.png"

JOBS = "jobs.json"  # of the experiment: what its workflow makes
TIMES = "times.json"  # of the experiment: when its files were made, see clipvip.pipeline.copied
REPORT = "report.html"  # of the experiment: the page
NOISE = "noise.csv"  # of the experiment, in the folder above its studies: the pools of training noise

TRIALS = "trials.csv"  # of a sweep, as all below
TRIAL_CURVES = "curves.json"
BEST = "best.yaml"  # a further configuration file
