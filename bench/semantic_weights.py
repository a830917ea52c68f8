"""Trains the weights that judge a text's meaning, with cross-validation.

Needs scikit-learn and the model: `make .venv-bench/.semantic`, then
`.venv-bench/bin/python -m bench.semantic_weights [--check]`. `--check` only prints the figures.
The blind files are never read here.
"""

import argparse
import json
from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from bench.text_weights import FILES, FOLDS, figures, model, tabled, write
from config.meaning.minilm import load_embedder, model_folder
from scoring.text.emergency import ADDS_FROM, RULE_NEEDS, danger_in, first_rule, gate_features
from scoring.text.normalise import words_of
from scoring.text.semantic import ADDS_FROM as MEANING_ADDS_FROM
from scoring.text.weights import SHORT

#: The vector beside the features: so much of its length of 1.
SHARE = 0.5
STRENGTH = 15.0
ALARMS = 0.05


def main() -> None:
    """Check under two kinds of folds, then train on everything and write the file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    chosen = options.parse_args()
    rows = [json.loads(line) for file in FILES for line in file.read_text("utf-8").splitlines()]
    group = [n for n, file in enumerate(FILES) for _ in file.read_text("utf-8").splitlines()]
    words = [words_of(row["text"]) for row in rows]
    wanted = np.array([row["urgency"] == "emergency" for row in rows])
    embed = load_embedder(model_folder())
    vectors = SHARE * np.array([embed(row["text"]) for row in rows])
    features, names = tabled([gate_features(text, danger_in(text)) for text in words])
    # As `scoring.text.weights.Evidence` does.
    size = np.maximum(np.asarray(features.sum(axis=1)).ravel(), SHORT)
    features = diags(1 / np.sqrt(size)) @ features
    both = csr_matrix(hstack([features, vectors]))
    both.indices, both.indptr = both.indices.astype(np.int32), both.indptr.astype(np.int32)
    rules = [first_rule(danger_in(text)) for text in words]
    held = np.array([rule is not None for rule in rules])
    stands = np.array([
        (rule is not None and rule.is_certain) or len(text.words) < SHORT
        for rule, text in zip(rules, words, strict=True)
    ])  # fmt: skip
    for name, folds, groups in (
        ("ten folds", FOLDS, None),
        ("a file out", LeaveOneGroupOut(), group),
    ):
        by_words, by_both = (
            cross_val_predict(
                model(strength=STRENGTH), table, wanted, groups=groups, cv=folds, method="decision_function"
            )
            for table in (features, both)
        )  # fmt: skip
        shipped = (by_words >= ADDS_FROM / 100) | (held & (stands | (by_words > RULE_NEEDS / 100)))
        print(f"{name}: rules and weights as shipped", figures(shipped, wanted))
        added = shipped | (by_both >= MEANING_ADDS_FROM / 100)
        print(f"{name}: and meaning as shipped", figures(added, wanted))
        for adds, flagged in thresholds(shipped, by_words, wanted):
            print(f"{name}: weights from {adds:.2f} instead", figures(flagged, wanted))
        for adds, flagged in thresholds(shipped, by_both, wanted):
            print(f"{name}: and meaning from {adds:.2f}", figures(flagged, wanted))
    if chosen.check:
        return
    fitted = model(strength=STRENGTH).fit(both, wanted)
    found = fitted.coef_[0]
    of_words, of_vector = found[: len(names)], SHARE * found[len(names) :]
    lines = [
        [name, f"danger={round(100 * weight)}"]
        for name, weight in zip(names, of_words, strict=True)
        if abs(weight) >= 0.005
    ]
    lines += [[f"@{n}", f"danger={round(100 * weight)}"] for n, weight in enumerate(of_vector)]
    lines.append(["(bias)", f"danger={round(100 * fitted.intercept_[0])}"])
    write("semantic_weights.tsv", lines, by="bench/semantic_weights.py")


def thresholds(
    shipped: np.ndarray, evidence: np.ndarray, wanted: np.ndarray
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the lowest threshold under each bound of false alarms, and what it flags."""
    for bound in (ALARMS - 0.005, ALARMS):
        for adds in np.unique(np.round(evidence[~shipped], 2)):
            flagged = shipped | (evidence >= adds)
            if flagged[~wanted].mean() <= bound:
                yield adds, flagged
                break


if __name__ == "__main__":
    main()
