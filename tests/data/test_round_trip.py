"""Generated files are read with the rows, labels and values that were written, and can be trained on and predicted."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from itertools import cycle, islice, product

import datasets
import pandas as pd
import pytest

from hf_lstm import train_classifier
from hf_lstm.cli.commands import main
from hf_lstm.data.corpus import load_corpus
from hf_lstm.data.reading import read_source

DIALECTS = (
    "comma.csv",
    "semicolon.csv",
    "bar.csv",
    "tab.tsv",
    "a.json",
    "a.jsonl",
    "columns.json",
    "a.parquet",
    "a.txt",
)
DELIMITERS = {"comma.csv": ",", "semicolon.csv": ";", "bar.csv": "|", "tab.tsv": "\t"}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
COMPRESSIONS = ("", ".gz", ".bz2", ".xz", ".zip")
LABELS = ("names", "numbers", "booleans", "missing", "lists", "separated", "columns", "scores")
EXTRAS = ("none", "text", "whole", "fractions", "mixed", "nested")

TEXTS = [
    'plain "quoted" word',
    "comma, semicolon; bar| and tab",
    "two\nlines",
    "café à la crème",
    "it’s – fine",
    "NaN",
    "1.10",
]


def make_rows(labels, extra, count=60):
    """Return rows, what `load_corpus` needs to know, and the expected label of each text (`None`: it is skipped)."""
    rows, expected, options = [], {}, {}
    for i in range(count):
        text = f"{TEXTS[i % len(TEXTS)]} {i} {'good' if i % 2 else 'bad'}"
        row = {"text": text}
        both = [name for name, applies in (("ümlaut", i % 2), ("b", i % 3 == 0)) if applies]
        if labels == "names":
            row["label"] = expected[text] = "Yes, sir" if i % 2 else "no"
        elif labels == "numbers":
            row["label"], expected[text] = i % 2 + 1, str(i % 2 + 1)
        elif labels == "booleans":
            row["label"], expected[text] = bool(i % 2), str(bool(i % 2))
        elif labels == "missing":
            row["label"] = expected[text] = [None, "a", "none"][i % 3]
        elif labels == "lists":
            row["labels"], expected[text] = both, both
        elif labels == "separated":
            row["label"], expected[text] = "+".join(both) or None, both or None
            options = {"label_separator": "+"}
        elif labels == "columns":
            row |= {"ümlaut": int("ümlaut" in both), "b": int("b" in both)}
            expected[text] = both
            options = {"label_column": ["ümlaut", "b"]}
        else:
            row["score"] = expected[text] = i / 4 - 3
        value = {
            "text": f"note {i}",
            "whole": 2**53 + i,
            "fractions": [1, 2.5, None][i % 3],
            "mixed": [i, f"x{i}", None][i % 3],
            "nested": {"id": i, "by": {"name": f"n{i}"}},
        }
        if extra != "none":
            row["extra"] = value[extra]
        rows.append(row)
    return rows, options, expected


def write_rows(folder, rows, dialect, encoding, compression):
    path = folder / f"rows-{dialect}{compression}"
    if dialect in DELIMITERS:
        text = pd.DataFrame(rows, dtype=object).to_csv(index=False, sep=DELIMITERS[dialect])
    elif dialect == "a.json":
        text = json.dumps(rows, ensure_ascii=False, indent=1)
    elif dialect == "a.jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    elif dialect == "columns.json":
        names = rows[0]
        text = json.dumps(
            {name: {str(i): row[name] for i, row in enumerate(rows)} for name in names}, ensure_ascii=False
        )
    elif dialect == "a.txt":
        text = "".join(f"__label__{row['label']} {row['text']}\n" for row in rows)
    if dialect == "a.parquet":
        buffer = io.BytesIO()
        datasets.Dataset.from_list(rows).to_parquet(buffer)
        content = buffer.getvalue()
    else:
        content = text.encode(encoding)
    if compression == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"rows-{dialect}", content)
    else:
        compress = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[compression]
        path.write_bytes(compress(content))
    return path


def can_be_written(dialect, encoding, compression, labels, extra):
    if dialect == "a.parquet":  # it has no encoding, its own compression, and one type for each column
        return encoding == "utf-8" and not compression and extra != "mixed"
    if dialect == "a.txt":
        return labels in ("numbers", "booleans") and extra == "none"
    if dialect in DELIMITERS:
        return extra != "nested"
    return True


COMBINATIONS = [c for c in product(DIALECTS, ENCODINGS, COMPRESSIONS, LABELS, EXTRAS) if can_be_written(*c)]


def choose_files():
    """Return combinations in which every pair of a dialect and a value of another kind occurs."""
    wanted = {(combination[0], kind, combination[kind]) for combination in COMBINATIONS for kind in range(1, 5)}
    chosen = []
    while wanted:
        best = max(COMBINATIONS, key=lambda c: sum((c[0], kind, c[kind]) in wanted for kind in range(1, 5)))
        chosen.append(best)
        wanted -= {(best[0], kind, best[kind]) for kind in range(1, 5)}
    return chosen + list(islice(cycle(COMBINATIONS[:: len(COMBINATIONS) // 23]), max(0, 72 - len(chosen))))


FILES = choose_files()


def write_file(folder, combination):
    dialect, encoding, compression, labels, extra = combination
    rows, options, expected = make_rows(labels, extra)
    if dialect == "a.txt":
        expected = {text.replace("\n", " "): label for text, label in expected.items()}
        rows = [row | {"text": row["text"].replace("\n", " ")} for row in rows]
    return write_rows(folder, rows, dialect, encoding, compression), rows, options, expected


def expected_value(value, dialect, extra):
    """Return a value of the extra column as it is read."""
    if value is None or dialect not in DELIMITERS and extra != "mixed":
        return value
    return str(value)


def test_at_least_sixty_files_cover_every_form():
    assert len(FILES) >= 60
    for position, forms in enumerate((DIALECTS, ENCODINGS, COMPRESSIONS, LABELS, EXTRAS)):
        assert {combination[position] for combination in FILES} == set(forms)


@pytest.mark.parametrize("combination", FILES, ids="-".join)
def test_rows_labels_and_values_are_read_as_written(tmp_path, combination):
    dialect, encoding, _, labels, extra = combination
    path, rows, options, expected = write_file(tmp_path, combination)
    corpus = load_corpus(path, **options)
    found = {}
    for split in corpus.splits.values():
        for text, label in zip(split["text"], split["labels"], strict=True):
            if corpus.problem_type == "single_label_classification":
                found[text] = corpus.label_names[label]
            elif corpus.problem_type == "multi_label_classification":
                found[text] = {name for name, on in zip(corpus.label_names, label, strict=True) if on}
            else:
                found[text] = label
    multi_label = labels in ("lists", "separated", "columns")
    assert found == {t: set(label) if multi_label else label for t, label in expected.items() if label is not None}
    missing = sum(label is None for label in expected.values())
    assert (f"Skipped {missing} rows of the train split of {path} without a label." in corpus.notes) is (missing > 0)
    notes = " ".join(corpus.notes)
    assert (f"with the encoding {encoding}" in notes) is (encoding in ("utf-16", "cp1252"))
    assert ("are separated by" in notes) is (dialect in ("semicolon.csv", "bar.csv"))
    if extra != "none":
        table = read_source(path)["train"]
        if extra == "nested":
            assert table["extra.id"][:] == [row["extra"]["id"] for row in rows]
            assert table["extra.by.name"][:] == [row["extra"]["by"]["name"] for row in rows]
        else:
            values = [value if value != "" else None for value in table["extra"][:]]  # an empty field of a csv file
            assert values == [expected_value(row["extra"], dialect, extra) for row in rows]
        mixed = extra == "mixed" and dialect not in DELIMITERS
        assert ("all its values are read as text" in notes) is mixed


TRAINED = [
    ("semicolon.csv", "cp1252", ".zip", "names", "text"),
    ("tab.tsv", "utf-16", "", "missing", "fractions"),
    ("a.jsonl", "utf-8-sig", ".gz", "lists", "mixed"),
    ("columns.json", "utf-8", ".bz2", "scores", "whole"),
    ("a.parquet", "utf-8", "", "columns", "nested"),
    ("a.txt", "utf-8", ".xz", "numbers", "none"),
]


@pytest.mark.slow
@pytest.mark.parametrize("combination", TRAINED, ids="-".join)
def test_files_can_be_trained_on_predicted_and_evaluated(tmp_path, capsys, combination):
    path, rows, options, expected = write_file(tmp_path, combination)
    sizes = {"embedding_size": 8, "hidden_size": 8, "vocab_size": 500}
    folder = tmp_path / "model"
    train_classifier(path, output_dir=folder, num_train_epochs=1, baseline=False, bf16=False, **sizes, **options)
    printed = capsys.readouterr().out
    assert "Length of the training texts in tokens: median" in printed and "Unknown tokens ([UNK])" in printed

    main(["predict", "--model", str(folder), "--input", str(path), "--output", str(tmp_path / "out.jsonl")])
    with open(tmp_path / "out.jsonl", encoding="utf-8") as file:
        predicted = [json.loads(line) for line in file]
    assert [row["text"] for row in predicted] == [row["text"] for row in rows]
    assert all(row["predicted_score"] is not None for row in predicted)

    words = ["--label_column", *options.get("label_column", [])] if "label_column" in options else []
    main(["evaluate", "--model", str(folder), "--dataset", str(path), "--json", str(tmp_path / "m.json"), *words])
    assert json.loads((tmp_path / "m.json").read_text())
