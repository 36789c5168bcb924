"""Train a recurrent text classifier: `python scripts/train.py`, or with a corpus of your own, `--dataset my.csv`."""

import shlex
import sys
import time
from pathlib import Path

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

import numpy as np
from transformers import AutoTokenizer, HfArgumentParser, set_seed

from hf_lstm.arguments import ClassifierTrainingArguments, DataArguments, ModelArguments
from hf_lstm.cli import run
from hf_lstm.data import Corpus, load_corpus, tokenize_corpus
from hf_lstm.evaluation import evaluate_split
from hf_lstm.hub import check_push, push_repository
from hf_lstm.metrics import tfidf_baseline
from hf_lstm.model_card import build_card, describe_machine, figure_table, save_metrics
from hf_lstm.plots import plot_learning_curve, plot_predictions
from hf_lstm.training import build_model, build_tokenizer, build_trainer, find_resume_checkpoint, save_classifier

COLUMN_NAMES = {"model": "hf_lstm", "baseline": "TF-IDF + LR"}


def main() -> None:
    data_args, model_args, args = parse_arguments()
    started = time.perf_counter()
    set_seed(args.seed)
    name = Path(data_args.dataset).stem if data_args.dataset else "sample_reviews"
    args.output_dir = args.output_dir or f"runs/{name}"
    checkpoint = find_resume_checkpoint(args)
    if args.push_to_hub:
        check_push(args.hub_model_id or Path(args.output_dir).name, args.hub_token)

    with args.main_process_first():
        corpus = load_corpus(
            data_args.dataset,
            config_name=data_args.dataset_config,
            text_column=data_args.text_column,
            label_column=data_args.label_column,
            validation_fraction=data_args.validation_fraction,
        )
    print(*corpus.notes, sep="\n")

    tokenizer = AutoTokenizer.from_pretrained(checkpoint) if checkpoint else build_tokenizer(corpus, model_args)
    with args.main_process_first():
        splits = tokenize_corpus(corpus.splits, tokenizer, max_length=data_args.max_length)
    model = build_model(corpus, splits, tokenizer, model_args)
    # Pushed is the finished folder, with its card, and not every checkpoint of it.
    push, args.push_to_hub = args.push_to_hub, False
    trainer = build_trainer(model, tokenizer, splits, args)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    precision = "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32"
    print(
        f"{model.config.cell_type.upper()} with {parameters:,} parameters, up to {args.num_train_epochs:g} epochs of "
        f"{len(splits['train']):,} texts in {precision}"
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.accelerator.wait_for_everyone()  # before the checkpoints go, which others may still be reading
    if not trainer.is_world_process_zero():
        return
    model = save_classifier(trainer, splits["validation"])
    seconds = time.perf_counter() - started

    measured = [split for split in ("validation", "test") if split in splits]
    figures, logits = {}, None
    for split in measured:
        own, logits = evaluate_split(model, splits[split], show_progress=not args.disable_tqdm)
        figures[split] = {"model": own}
    final = measured[-1]
    if args.baseline and (baseline := measure_baseline(corpus, final)):
        figures[final]["baseline"] = baseline
    print(f"\nThe {final} split, {len(splits[final]):,} texts:")
    print(figure_table({COLUMN_NAMES[model]: row for model, row in figures[final].items()}))

    folder = Path(args.output_dir)
    metrics = {
        "name": folder.name,
        "dataset": data_args.dataset or "hf_lstm sample reviews",
        "dataset_on_hub": data_args.dataset is not None and not Path(data_args.dataset).exists(),
        "language": data_args.language,
        "license": data_args.license,
        "notes": corpus.notes,
        "splits": {split: len(rows) for split, rows in splits.items()},
        "figures": figures,
        "training": {
            "command": command_line(args.hub_token),
            "epochs": trainer.state.epoch,
            "seconds": round(seconds, 1),
            "precision": precision,
            "seed": args.seed,
            "metric": args.metric_for_best_model,
            "parameters": parameters,
        },
        "machine": describe_machine(),
    }
    save_metrics(metrics, folder)
    plot_learning_curve(trainer.state.log_history, args.metric_for_best_model, folder / "learning_curve.png")
    labels = np.array(splits[final]["labels"][:])
    plot_predictions(logits, labels, model.config, f"{folder.name}, {final} split", folder / "predictions.png")
    example = corpus.splits[final]["text"][0][:200]
    build_card(model.config, str(folder), metrics, example).save(folder / "README.md")
    print(f"\nTrained in {seconds:.0f} s and saved to {folder}. Now try:")
    print(f'  python scripts/predict.py --model {folder} "your text"')
    if push:
        repo_id = push_repository(str(folder), args.hub_model_id or folder.name, args.hub_private_repo, args.hub_token)
        print(f"Pushed to {repo_id}.")


def command_line(secret: str | None) -> str:
    """The command as it was typed, without the token: it goes into the card."""
    command = shlex.join(["python", *sys.argv])
    return command.replace(secret, "***") if secret else command


def measure_baseline(corpus: Corpus, split: str) -> dict[str, float] | None:
    """Figures of the linear rival on the same split, or `None`, said, where the texts give it nothing to learn from."""
    train, test = corpus.splits["train"], corpus.splits[split]
    try:
        return tfidf_baseline(
            train["text"][:], train["labels"][:], test["text"][:], test["labels"][:], corpus.problem_type
        )
    except ValueError as error:
        print(f"No TF-IDF figures: {error}")
        return None


def parse_arguments():
    """Flags, or one JSON or YAML file that holds them."""
    usage = "train.py [--option value ...], or train.py FILE.yaml with all of them; --help lists the options"
    arguments = (DataArguments, ModelArguments, ClassifierTrainingArguments)
    parser = HfArgumentParser(arguments, description=__doc__, usage=usage)
    if len(sys.argv) == 2 and sys.argv[1].endswith((".json", ".yaml", ".yml")):
        return parser.parse_yaml_file(sys.argv[1])  # YAML includes JSON
    *parsed, unknown = parser.parse_args_into_dataclasses(return_remaining_strings=True)
    if unknown:
        parser.error(f"unknown: {' '.join(unknown)}")
    return parsed


if __name__ == "__main__":
    run(main)
