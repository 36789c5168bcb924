"""Resume from checkpoints, and save the final model."""

import shutil
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import Trainer, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..evaluation import best_thresholds
from ..hub import TRAINING_RECORDS
from ..inference import predict_logits, probabilities
from ..models import LstmForSequenceClassification
from ..saving import atomic_folder
from .arguments import RecurrentTrainingArguments, arguments_of
from .trainer import ClassifierTrainer


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
        args: Arguments with an `output_dir`. `resume_from_checkpoint` is a checkpoint folder, `last` for the last one
            in `output_dir`, or `None`.

    Returns:
        The folder of the checkpoint, or `None` to start from the beginning.

    Raises:
        ValueError: There is no checkpoint to resume from, or there is one and resuming was not requested.
    """
    checkpoints = Path(args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*")
    complete = [path for path in checkpoints if is_complete(path)]
    last = str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None
    if args.resume_from_checkpoint is None:
        if last is not None:
            raise ValueError(
                f"{args.output_dir} contains checkpoints of an interrupted training: resume it with "
                f"--resume_from_checkpoint last, choose another --output_dir, or delete {last}."
            )
        return None
    if args.resume_from_checkpoint.lower() in ("last", "true"):
        if last is None:
            raise ValueError(f"There is no checkpoint in {args.output_dir} to resume from.")
        return last
    if not Path(args.resume_from_checkpoint).is_dir():
        raise ValueError(f"There is no checkpoint folder {args.resume_from_checkpoint}.")
    return args.resume_from_checkpoint


def save_classifier(trainer: ClassifierTrainer, validation: Dataset) -> LstmForSequenceClassification:
    """
    Save the best model and its tokenizer to the output folder, and load them again.

    Evaluations use the loaded model, which computes in full precision: the Trainer keeps the trained model wrapped for
    mixed precision.

    Args:
        trainer: Trainer after training, with the best model loaded.
        validation: Tokenized validation split, which decides the thresholds of a multi-label classifier.

    Returns:
        The loaded model, on the device of the Trainer.
    """
    folder = Path(trainer.args.output_dir)
    remove_training_records(folder)
    with atomic_folder(folder) as partial:
        trainer.save_model(str(partial), _internal_call=True)  # must not push an unfinished model
        model = LstmForSequenceClassification.from_pretrained(partial)
        if trainer.args.half_weights:
            halves = {name: weight.half() for name, weight in model.state_dict().items()}
            model.save_pretrained(partial, state_dict=halves)  # the config keeps float32, the precision of inference
            model = LstmForSequenceClassification.from_pretrained(partial)
        model.to(trainer.args.device)  # type: ignore[arg-type]  # transformers wraps `to` without its signature
        if model.config.problem_type == "multi_label_classification":
            logits = predict_logits(model, validation["input_ids"][:], show_progress=not trainer.args.disable_tqdm)
            scores = probabilities(logits, model.config.problem_type)
            model.config.threshold = best_thresholds(scores, np.array(validation["labels"][:]))
            model.config.save_pretrained(partial)
    remove_checkpoints(trainer)
    return model


def remove_training_records(folder: str | Path) -> None:
    """Remove the metrics, card and plots of an earlier training whose model is about to be replaced."""
    for name in TRAINING_RECORDS:
        (Path(folder) / name).unlink(missing_ok=True)


def remove_checkpoints(trainer: Trainer) -> None:
    """Save the log of the Trainer and remove its checkpoints: the output folder contains the best model already."""
    trainer.save_state()
    for checkpoint in Path(arguments_of(trainer).output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(checkpoint)
