"""Names of the stores beside the cells, each spelled here only, and of those elsewhere."""

MLFLOW = "mlflow.db"
OPTUNA = "optuna.db"
JOURNAL = "optuna.journal"  # where a sweep names no other store
CREATED = "mlflow.created"  # marker of the workflow: MLflow's store was made


def url(word: str) -> str:
    """The word, unseen. ValueError: fsspec would take it for no URL."""
    scheme, found, rest = word.partition("://")
    if not (found and rest and scheme.isascii() and scheme.replace("+", "").isalnum()):
        raise ValueError(f"{word!r} is no URL, such as s3://bucket/results or file:///elsewhere")
    return word
