"""Names of the stores beside the cells, each spelled here only."""

MLFLOW = "mlflow.db"
OPTUNA = "optuna.db"
JOURNAL = "optuna.journal"  # where a sweep names no other store
CREATED = "mlflow.created"  # marker of the workflow: MLflow's store was made
