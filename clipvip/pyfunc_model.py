"""Where MLflow models of earlier versions look for their encoder."""

from clipvip.results.tracking.pyfunc_model import Encoder

__all__ = ["Encoder"]
