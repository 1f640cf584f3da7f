"""The floor that computes: programs, the training loop, batches, random keys, devices.

A model is a pure program: a step from (state, batch, key, hyper-parameters) to (new state, logs),
and a predict function. The engine compiles it once for each signature, keeps it for the whole
process, and runs many steps inside each call. See the guide page "Adding a step".
"""

from skdeep.engine import (
    runtime,  # first: it loads TensorFlow quietly
    tables,
)
from skdeep.engine.cache import CacheInfo, cache_clear, cache_info, programs
from skdeep.engine.fingerprint import fingerprint, layers_within
from skdeep.engine.network import (
    Layout,
    Network,
    build_apart,
    current_scope,
    entered,
    named_layers,
)
from skdeep.engine.outputs import gradient, predict
from skdeep.engine.program import Program, compile_mode, on_gpu
from skdeep.engine.rows import (
    CSR,
    Batch,
    Sequences,
    Steps,
    merge_equal_rows,
    n_rows,
    weighted_mean,
)
from skdeep.engine.steps import (
    Losses,
    descend,
    gradient_step,
    loss_and_gradient,
    value_and_gradient,
)
from skdeep.engine.training import EpochState, Progress, digest, train

__all__ = [
    "CSR",
    "Batch",
    "CacheInfo",
    "EpochState",
    "Layout",
    "Losses",
    "Network",
    "Program",
    "Progress",
    "Sequences",
    "Steps",
    "build_apart",
    "cache_clear",
    "cache_info",
    "compile_mode",
    "current_scope",
    "descend",
    "digest",
    "entered",
    "fingerprint",
    "gradient",
    "gradient_step",
    "layers_within",
    "loss_and_gradient",
    "merge_equal_rows",
    "n_rows",
    "named_layers",
    "on_gpu",
    "predict",
    "programs",
    "random",
    "runtime",
    "tables",
    "train",
    "value_and_gradient",
    "weighted_mean",
]
