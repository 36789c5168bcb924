"""Resume from checkpoints, and save the final model."""

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset
from transformers import Trainer, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..data import Corpus, iterate_texts
from ..evaluation import calibrate_head, choose_thresholds, label_names
from ..hub import TRAINING_RECORDS
from ..inference import load_config, predict_logits
from ..messages import format_names
from ..models import LstmConfig, LstmForSequenceClassification
from ..saving import atomic_folder
from ..teachers import find_teacher
from .arguments import NOT_IN_CONFIG, DataArguments, ModelArguments, RecurrentTrainingArguments, arguments_of
from .trainer import RESUME_FILE, ClassifierTrainer

# Files that an export to ONNX writes, by default to the folder `onnx` of a model; the report marks such a folder.
ONNX_REPORT = "onnx_report.json"
ONNX_FILES = (
    *("model.onnx", "model_int8.onnx", "tokenizer.json", "config.json"),
    *("run_onnx.py", "onnx_session.py", "guard_onnx.py", "ascii_words.py", "boundaries.py", "verdict.py"),
    *("classifier.mjs", "stream.mjs", "index.html", ONNX_REPORT),
)

# First line of the code files that are saved with a model.
CODE_MARK = "# Copyright 2026 the hf_lstm authors"

# Key of the sentences on the teachers in the description of the training that each checkpoint has.
TEACHER_CHECKS = "teacher_checks"

# Options of the data, besides the data itself, that change the training rows.
DATA_OPTIONS = ("max_length", "teacher", "teacher_labels", "unlabelled", "passage_words", "augment", "prefixes")


def is_complete(checkpoint: Path) -> bool:
    """Return whether a checkpoint has a complete Trainer state, which is written last."""
    try:
        TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    except (OSError, ValueError):
        return False
    return True


def find_resume_checkpoint(args: RecurrentTrainingArguments) -> str | None:
    """
    Find the checkpoint to resume from, and protect the checkpoints of an interrupted training.

    Args:
        args: Arguments with an `output_dir`. `resume_from_checkpoint` is a checkpoint folder, `last` or `True` for the
            last one in `output_dir`, or `None` or `False`.

    Returns:
        The folder of the checkpoint, or `None` to start from the beginning.

    Raises:
        ValueError: There is no checkpoint to resume from, or there is one and resuming was not requested.
    """
    checkpoints = Path(args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*")
    complete = [path for path in checkpoints if is_complete(path)]
    last = str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None
    wanted = str(args.resume_from_checkpoint)  # the Trainer also accepts `True`
    if wanted.lower() in ("none", "false", "no"):
        if last is not None:
            raise ValueError(
                f"{args.output_dir} contains checkpoints of an interrupted training: resume it with "
                f"--resume_from_checkpoint last, choose another --output_dir, or delete {last}."
            )
        return None
    if wanted.lower() in ("last", "true"):
        if last is None:
            raise ValueError(f"There is no checkpoint in {args.output_dir} to resume from.")
        return last
    if not Path(wanted).is_dir():
        raise ValueError(f"There is no checkpoint folder {wanted}.")
    return wanted


def describe_training_data(
    corpus: Corpus, data_args: DataArguments, model_args: ModelArguments, seed: int
) -> dict[str, Any]:
    """
    Return what must be the same when a training is resumed, for [`check_resumed_data`]. It is saved in each checkpoint.

    Args:
        corpus: The labelled texts, with the label ids of the model.
        data_args: Their options.
        model_args: Options of the model; those that are fields of its config are compared by [`check_resumed_model`].
        seed: Seed of the training, which decides the texts of `augment`, and those of `prefixes` that teachers label.
    """
    digest = hashlib.sha256()
    for split in ("train", "validation"):
        for text in iterate_texts(corpus.splits[split]):
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(np.array(corpus.splits[split]["labels"][:], dtype=np.float64).tobytes())
    # Texts in memory are described by their type, and teachers by their names.
    options = {
        name: value
        if isinstance(value, str | int | float | list | None) or name == "teacher_labels"
        else type(value).__name__
        for name, value in (vars(data_args) | vars(model_args)).items()
    }
    if data_args.teacher:
        options["teacher"] = [find_teacher(teacher).name for teacher in data_args.teacher]
        if data_args.augment or data_args.prefixes:
            options["seed"] = seed
    return {
        "problem_type": corpus.problem_type,
        "labels": list(corpus.label_names),
        "rows": {split: len(corpus.splits[split]) for split in ("train", "validation")},
        "sha256": digest.hexdigest(),
        "options": {name: options[name] for name in (*DATA_OPTIONS, *NOT_IN_CONFIG, "seed") if name in options},
    }


def saved_teacher_checks(checkpoint: str | Path) -> list[str]:
    """
    Return the sentences on the teachers of an interrupted training, from [`check_teachers`].

    Args:
        checkpoint: Folder of the checkpoint. One that the stock Trainer saved has none.
    """
    path = Path(checkpoint) / RESUME_FILE
    return json.loads(path.read_text(encoding="utf-8")).get(TEACHER_CHECKS, []) if path.is_file() else []


def check_resumed_data(checkpoint: str | Path, current: dict[str, Any]) -> None:
    """
    Check that a training is resumed with the data and options with which it started.

    Args:
        checkpoint: Folder of the checkpoint. One that the stock Trainer saved has no description, only labels.
        current: Description of the data, from [`describe_training_data`].

    Raises:
        ValueError: The labels, the texts or an option changed; the message names what.
    """
    path = Path(checkpoint) / RESUME_FILE
    if path.is_file():
        saved = json.loads(path.read_text(encoding="utf-8"))
    else:
        config = load_config(checkpoint)
        saved = current | {"problem_type": config.problem_type, "labels": label_names(config)}
    if current["problem_type"] == "regression":
        saved["labels"] = current["labels"]  # the name of the column, which may change
    changed = None
    if saved["problem_type"] != current["problem_type"]:
        changed = f"the problem type was {saved['problem_type']} and is now {current['problem_type']}"
    elif saved["labels"] != current["labels"]:
        changed = f"the labels were {format_names(saved['labels'])} and are now {format_names(current['labels'])}"
    elif options := _differences(saved["options"], current["options"]):
        changed = options
    elif saved["rows"] != current["rows"]:
        before, now = (
            f"{rows['train']:,} training rows and {rows['validation']:,} validation rows"
            for rows in (saved["rows"], current["rows"])
        )
        changed = f"the data had {before} and now has {now}"
    elif saved["sha256"] != current["sha256"]:
        changed = "the texts, their labels or their order are different"
    if changed:
        raise _cannot_resume(checkpoint, changed)


def check_resumed_model(checkpoint: str | Path, config: LstmConfig) -> None:
    """
    Check that a training is resumed with the model with which it started.

    Args:
        checkpoint: Folder of the checkpoint.
        config: Config of the model that was built from the current options.

    Raises:
        ValueError: A field of the config changed; the message names it.
    """
    saved, current = load_config(checkpoint).to_dict(), config.to_dict()
    fields = [*LstmConfig.__annotations__, "problem_type"]
    if changed := _differences(*({name: values.get(name) for name in fields} for values in (saved, current))):
        raise _cannot_resume(checkpoint, changed)


def _differences(saved: dict[str, Any], current: dict[str, Any]) -> str:
    """Return the values that differ as text, such as "hidden_size was 8 and is now 16"."""
    return "; ".join(
        f"{name} was {saved[name]} and is now {value}"
        for name, value in current.items()
        if name in saved and json.dumps(saved[name]) != json.dumps(value)  # tuples and lists are the same
    )


def _cannot_resume(checkpoint: str | Path, changed: str) -> ValueError:
    return ValueError(
        f"Training cannot be resumed from {checkpoint}: {changed}. Resume with the same data and options, or start "
        "again with another --output_dir."
    )


class SavedClassifier(NamedTuple):
    """
    Result of [`save_classifier`].

    Args:
        model: The model, as loaded from its folder, on the device of the Trainer.
        calibration: What the temperature changed, see [`calibrate_head`]; empty if none was fitted.
        notes: Sentences about the calibration and the thresholds, which were printed.
    """

    model: LstmForSequenceClassification
    calibration: dict[str, Any]
    notes: list[str]


def save_classifier(
    trainer: ClassifierTrainer, validation: Dataset, min_precision: Mapping[str, float] | None = None
) -> SavedClassifier:
    """
    Save the best model and its tokenizer to the output folder, calibrate it, choose its thresholds, and load it again.

    Evaluations use the loaded model, which computes in full precision: the Trainer keeps the trained model wrapped for
    mixed precision.

    Args:
        trainer: Trainer after training, with the best model loaded.
        validation: Tokenized validation split, which decides the temperature and the thresholds.
        min_precision: Precision that the threshold of a label has to reach, by label.

    Returns:
        The loaded model, its calibration, and notes.
    """
    folder, labels = Path(trainer.args.output_dir), np.array(validation["labels"][:])
    calibration, notes = dict[str, Any](), list[str]()

    def load() -> LstmForSequenceClassification:
        model = LstmForSequenceClassification.from_pretrained(partial)
        model.to(trainer.args.device)  # type: ignore[arg-type]  # transformers wraps `to` without its signature
        return model

    def score() -> np.ndarray:
        return predict_logits(model, validation["input_ids"][:], show_progress=not trainer.args.disable_tqdm)

    with atomic_folder(folder) as partial:
        trainer.save_model(str(partial), _internal_call=True)  # must not push an unfinished model
        model = load()
        problem_type = model.config.problem_type
        if trainer.args.calibrate and problem_type != "regression":
            calibration, notes = calibrate_head(model, score(), labels)
        if calibration or trainer.args.half_weights:
            weights = model.state_dict()
            if trainer.args.half_weights:
                weights = {name: weight.half() for name, weight in weights.items()}
            model.save_pretrained(partial, state_dict=weights)  # the config keeps float32, the precision of inference
            model = load()
        if problem_type == "multi_label_classification" or min_precision:
            # The saved weights are scored again, because they may be rounded.
            notes += choose_thresholds(model.config, score(), labels, min_precision or {})
        elif problem_type == "single_label_classification":
            model.config.threshold = LstmConfig.threshold  # those of a pretrained model are not those of this one
        model.config.save_pretrained(partial)
        written = {path.name for path in partial.iterdir()}
        remove_training_records(folder)  # last, so that an earlier model keeps its records if saving fails
    if removed := remove_stale_files(folder, written):
        print(f"Removed files of an earlier model from {folder}: {', '.join(removed)}.")
    remove_checkpoints(trainer)
    print(*notes, sep="\n", end="\n" if notes else "")
    return SavedClassifier(model, calibration, notes)


def advise_on_full_disk(folder: str | Path) -> str:
    """Remove unfinished checkpoints of a training whose disk is full, and return how to continue."""
    complete = []
    for checkpoint in Path(folder).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        if is_complete(checkpoint):
            complete.append(checkpoint.name)
        else:
            shutil.rmtree(checkpoint, ignore_errors=True)
    if complete:
        return f"{', '.join(sorted(complete))} is complete: free some space and use --resume_from_checkpoint last."
    return "No checkpoint was completed: free some space, or choose an --output_dir on another disk, and train again."


def remove_training_records(folder: str | Path) -> None:
    """Remove the metrics, card and plots of an earlier training whose model is about to be replaced."""
    for name in TRAINING_RECORDS:
        (Path(folder) / name).unlink(missing_ok=True)


def remove_stale_files(folder: str | Path, current: Collection[str]) -> list[str]:
    """
    Remove the files of an earlier model: its export to ONNX, shards of its weights, and code that is no longer saved.

    Args:
        folder: Folder of the model.
        current: Names of the files of the new model.

    Returns:
        The removed files, relative to the folder. Files that this package did not write are kept.
    """
    folder = Path(folder)
    shards = [*folder.glob("model-*-of-*.safetensors"), *folder.glob("model.safetensors.index.json")]
    stale = [path for path in (*shards, *folder.glob("*_lstm.py")) if path.name not in current]
    stale = [path for path in stale if path.suffix != ".py" or _has_code_mark(path)]
    onnx = folder / "onnx"
    if (onnx / ONNX_REPORT).is_file():
        stale += [onnx / name for name in ONNX_FILES if (onnx / name).is_file()]
    for path in stale:
        path.unlink()
    if onnx.is_dir() and not any(onnx.iterdir()):
        onnx.rmdir()
    return sorted(str(path.relative_to(folder)) for path in stale)


def _has_code_mark(path: Path) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline().startswith(CODE_MARK)


def remove_checkpoints(trainer: Trainer) -> None:
    """Save the log of the Trainer and remove its checkpoints: the output folder contains the best model already."""
    trainer.save_state()
    for checkpoint in Path(arguments_of(trainer).output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(checkpoint)
