"""Train a recurrent text classifier: `python scripts/train.py`, or with a corpus of your own, `--dataset my.csv`."""

import sys
import time
from pathlib import Path

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets
from transformers import AutoTokenizer, set_seed

from hf_lstm.cli.arguments import command_line, parse_arguments, run
from hf_lstm.data.batching import tokenize_corpus
from hf_lstm.data.corpus import Corpus, load_corpus
from hf_lstm.data.unlabelled import load_texts
from hf_lstm.evaluation.baseline import tfidf_baseline
from hf_lstm.evaluation.cost import TIMED_TEXTS, describe_machine, folder_bytes, texts_per_second
from hf_lstm.evaluation.evaluation import evaluate_split
from hf_lstm.evaluation.plots import plot_learning_curve, plot_predictions
from hf_lstm.hub.model_card import build_card, metrics_table, save_metrics
from hf_lstm.hub.push import check_push, push_repository
from hf_lstm.knowledge.teachers import TAUGHT_FILE, label_with_teachers
from hf_lstm.training.arguments import ClassifierTrainingArguments, DataArguments, ModelArguments
from hf_lstm.training.building import build_model, build_tokenizer
from hf_lstm.training.checkpoints import find_resume_checkpoint, save_classifier
from hf_lstm.training.trainer import build_trainer

COLUMN_NAMES = {"model": "hf_lstm", "baseline": "TF-IDF + LR"}


def main() -> None:
    groups = (DataArguments, ModelArguments, ClassifierTrainingArguments)
    data_args, model_args, args = parse_arguments(groups, __doc__)
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
    notes = list(corpus.notes)
    if corpus.problem_type == "multi_label_classification":
        notes.append("The threshold of each label is chosen on the validation split, whose figures it flatters.")
    print(*notes, sep="\n")

    labelled, taught_file = corpus.splits, Path(args.output_dir) / TAUGHT_FILE
    if data_args.teacher:
        others = unlabelled_texts(corpus, data_args.unlabelled)
        taught, note = label_with_teachers(corpus, data_args.teacher, others, data_args.passage_words, taught_file)
        print(note)
        notes.append(note)
        labelled = DatasetDict(corpus.splits | {"train": taught})
    if checkpoint:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    else:
        tokenizer = build_tokenizer(labelled["train"]["text"], model_args)
    with args.main_process_first():
        splits = tokenize_corpus(labelled, tokenizer, max_length=data_args.max_length)
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
    if not data_args.teacher:
        taught_file.unlink(missing_ok=True)  # of an earlier training
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
    print(metrics_table({COLUMN_NAMES[model]: row for model, row in figures[final].items()}))

    folder = Path(args.output_dir)
    metrics = {
        "name": folder.name,
        "dataset": data_args.dataset or "hf_lstm sample reviews",
        "dataset_on_hub": data_args.dataset is not None and not Path(data_args.dataset).exists(),
        "language": data_args.language,
        "license": data_args.license,
        "notes": notes,
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
        "bytes": folder_bytes(folder, leave_out=[TAUGHT_FILE]),
        "texts_per_second": texts_per_second(model, tokenizer, corpus.splits[final]["text"][:TIMED_TEXTS]),
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


def unlabelled_texts(corpus: Corpus, source: str | None) -> Dataset | None:
    """Texts without labels for the teacher: those of the corpus, of another source, or none."""
    if source in (None, "none"):
        return corpus.unlabelled if source is None else None
    splits, _ = load_texts(source)
    return concatenate_datasets(list(splits.values()))


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


if __name__ == "__main__":
    run(main)
