"""Resume from checkpoints, and save the final model."""

import shutil
from pathlib import Path

import numpy as np
from datasets import Dataset
from transformers import (
    Trainer,
    TrainerState,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from ..evaluation import best_thresholds
from ..hub import TRAINING_RECORDS
from ..inference import predict_logits, probabilities
from ..models import LstmForSequenceClassification
from ..saving import atomic_folder
from .arguments import RecurrentTrainingArguments


def is_complete(checkpoint: Path) -> bool:
    """Whether the Trainer's state, which it writes last, is there and whole."""
    try:
        TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    except (OSError, ValueError):
        return False
    return True


def find_resume_checkpoint(args: RecurrentTrainingArguments) -> str | None:
    """
    Where to continue, and a guard for the checkpoints of a training that was interrupted.

    Args:
        args: `resume_from_checkpoint` is a checkpoint folder, or `last` for the last one in `output_dir`.

    Returns:
        The checkpoint's folder, or `None` to start from the beginning.

    Raises:
        ValueError: There is nothing to continue, or there is and it was not asked for.
    """
    checkpoints = Path(args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*")
    complete = [path for path in checkpoints if is_complete(path)]
    last = str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None
    if args.resume_from_checkpoint is None:
        if last is not None:
            raise ValueError(
                f"{args.output_dir} holds the checkpoints of a training that did not finish: continue it with "
                f"--resume_from_checkpoint last, or name another --output_dir, or delete {last}."
            )
        return None
    if args.resume_from_checkpoint.lower() in ("last", "true"):
        if last is None:
            raise ValueError(f"There is no checkpoint in {args.output_dir} to continue from.")
        return last
    if not Path(args.resume_from_checkpoint).is_dir():
        raise ValueError(f"There is no checkpoint folder {args.resume_from_checkpoint}.")
    return args.resume_from_checkpoint


def save_classifier(
    trainer: Trainer, validation: Dataset, show_progress: bool = False
) -> LstmForSequenceClassification:
    """
    Saves the best model and its tokenizer as one folder, and loads that folder again.

    What is measured from here on is the saved folder in full precision, not the trained object, which mixed precision
    has wrapped for good.

    Args:
        trainer: After training.
        validation: Tokenised validation split; chooses the thresholds where a text may have several labels.
        show_progress: Show a progress bar.

    Returns:
        The loaded model.
    """
    folder = Path(trainer.args.output_dir)
    remove_training_records(folder)
    with atomic_folder(folder) as partial:
        trainer.save_model(str(partial), _internal_call=True)  # not to push what is not finished
        model = LstmForSequenceClassification.from_pretrained(partial)
        if trainer.args.half_weights:
            halves = {name: weight.half() for name, weight in model.state_dict().items()}
            model.save_pretrained(partial, state_dict=halves)  # the config still says single: what is computed in
            model = LstmForSequenceClassification.from_pretrained(partial)
        model.to(trainer.args.device)
        if model.config.problem_type == "multi_label_classification":
            logits = predict_logits(model, validation["input_ids"][:], show_progress=show_progress)
            scores = probabilities(logits, model.config.problem_type)
            model.config.threshold = best_thresholds(scores, np.array(validation["labels"][:]))
            model.config.save_pretrained(partial)
    remove_checkpoints(trainer)
    return model


def remove_training_records(folder: str | Path) -> None:
    """Removes what an earlier training recorded of a model that is about to be replaced."""
    for name in TRAINING_RECORDS:
        (Path(folder) / name).unlink(missing_ok=True)


def remove_checkpoints(trainer: Trainer) -> None:
    """Writes the Trainer's log and removes the checkpoints: the folder itself is the best of them."""
    trainer.save_state()
    for checkpoint in Path(trainer.args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(checkpoint)
