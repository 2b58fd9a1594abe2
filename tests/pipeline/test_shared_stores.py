"""Stores in a file that several machines may write to: said, with the way of a server."""

import pytest

from clipvip.pipeline.stores import warning
from clipvip.runtime.file_systems import Mount

TABLE = [
    Mount("/", "ext4", "rw"),
    *(Mount(f"/{kind}", kind, "rw") for kind in ("nfs4", "lustre", "gpfs", "beegfs", "cifs")),
    Mount("/nfs4/local", "xfs", "rw"),
]


@pytest.mark.parametrize("kind", ["nfs4", "lustre", "gpfs", "beegfs", "cifs"])
def test_an_mlflow_store_on_a_shared_file_system_is_warned_of(kind: str) -> None:
    said = warning(f"sqlite:////{kind}/results/mlflow.db", TABLE)
    assert said.startswith(f"/{kind}/results/mlflow.db: MLflow's store is an SQLite file on {kind} (/{kind}), ")
    assert "mlflow server --backend-store-uri" in said
    assert "tracking: http://" in said


@pytest.mark.parametrize("uri", ["sqlite:////home/mlflow.db", "sqlite:////nfs4/local/mlflow.db", "http://x:5000"])
def test_a_local_file_or_a_server_is_not(uri: str) -> None:
    assert warning(uri, TABLE) == ""
