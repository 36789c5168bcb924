"""`hf-lstm audit`: find likely label errors."""

from collections.abc import Sequence

from ..auditing import AUDIT_GROUPS, run_audit
from .training_parser import TrainingParser

DESCRIPTION = """Find likely label errors, near-duplicate texts with different labels, and overlapping classes.

  hf-lstm audit reviews.csv                                     the same as: hf-lstm audit --dataset reviews.csv
  hf-lstm train --dataset reviews.csv --drop_suspicious 200     train without the 200 most suspicious rows
"""

# Options that `--help` lists, by section.
SECTIONS = {
    "audit": ("models", "folds", "output_dir"),
    "data": (
        *("dataset", "text_column", "label_column", "label_separator", "problem_type", "separator", "encoding"),
        "max_length",
    ),
    "recurrent classifier": (
        *("pretrained", "tokenizer", "cell_type", "vectors", "adversarial_size", "num_train_epochs", "learning_rate"),
        "seed",
    ),
}

# Rows that are printed, and characters of their texts.
PRINTED_ROWS, PRINTED_CHARACTERS = 10, 80


def main(argv: Sequence[str]) -> None:
    """
    Audit labelled texts, and print the most suspicious rows.

    Args:
        argv: Options of the command, which may start with the data instead of `--dataset`, or the path of one YAML file
            with them.
    """
    if argv and not argv[0].startswith("-") and not argv[0].endswith((".yaml", ".yml")):
        argv = ["--dataset", *argv]
    data_args, *groups = TrainingParser(AUDIT_GROUPS, SECTIONS, "audit", DESCRIPTION).parse(argv)
    result = run_audit(data_args.dataset, data_args, *groups)
    print(*result.summary, sep="\n")
    print("The most suspicious rows:")
    for row in result.label_errors.head(PRINTED_ROWS).to_dict("records"):
        text = " ".join(row["text"].split())
        shown = text if len(text) <= PRINTED_CHARACTERS else f"{text[:PRINTED_CHARACTERS]}…"
        is_same = row["suggested_label"] == row["label"]
        suggestion = f"{'probability' if is_same else 'suggested: ' + str(row['suggested_label']) + ','} "
        suggestion += f"{row['probability']:.0%}"
        print(f"  row {row['row']:,}: {row['label']} ({suggestion})  {shown}")
    print(f"All tables are in {result.folder}; open {result.folder / 'audit.html'} in a browser.")
