"""A backbone run by ONNX Runtime on a CPU. It needs torch once, for the export."""

import hashlib
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.network import backbones, cpu_cores
from scoring.weights import weight_files
from scoring.weights.atomic_files import write_atomically

GRAPH_VERSION = 1  # raise it when the same backbone would give another graph
HASH_CHARACTERS = 12  # characters of a hash in a file's name

logger = logging.getLogger(__name__)


class OnnxNetwork:
    """A session on this process's share of the cores. Threads may use it at the same time."""

    def __init__(self, model: Path | bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Named, because ONNX Runtime's own choice ties its threads to cores: those of several processes to the same.
        options.intra_op_num_threads = cpu_cores.share()
        source = model if isinstance(model, bytes) else str(model)
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def embed(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 224, 224, 3) RGB to (n, 2048)."""
        (embeddings,) = self.session.run(None, {"pixels": batch})
        return np.asarray(embeddings, np.float32)


def load(name: str, sha256: str) -> OnnxNetwork:
    """Load the export of the weight file with this SHA-256, made here if need be. Raises weights.WeightsError."""
    return OnnxNetwork(find_export(name, sha256) or _export(name, sha256))


def find_export(name: str, sha256: str) -> Path | None:
    """Return the export that is whole: the last part of its name is its own hash. Raises weights.WeightsError."""
    folder = weight_files.backbone_file(name, sha256).parent
    for path in sorted(folder.glob(f"{_stem(name, sha256)}-*.onnx")):
        if path.stem.endswith(weight_files.sha256_of(path)[:HASH_CHARACTERS]):
            return path
        logger.warning("The export %s is damaged; making it again.", path)
    return None


def _export(name: str, sha256: str) -> bytes:
    """Make the export and keep it beside the weights, where that folder can be written to."""
    from scoring.network import onnx_graph

    data = onnx_graph.build(backbones.load(name, sha256))
    path = weight_files.folder() / f"{_stem(name, sha256)}-{hashlib.sha256(data).hexdigest()[:HASH_CHARACTERS]}.onnx"
    try:
        write_atomically(path, data)
    except OSError as error:
        logger.warning("The export %s can't be kept (%s); every start makes it anew.", path, error.strerror)
    return data


def _stem(name: str, sha256: str) -> str:
    return f"{name}-{sha256[:HASH_CHARACTERS]}-v{GRAPH_VERSION}"
