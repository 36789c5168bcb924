"""Train the checkpoints of model_cards/ step by step, from the corpus to the folder that is pushed."""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..data import build_sample_reviews
from ..evaluation import confident_errors, folder_bytes
from ..hub import METRICS_FILE, assemble_repository, save_metrics, write_card
from ..inference import load_model_and_tokenizer
from ..language_model import PROBABILITIES_FILE, REPORT_FILE
from ..messages import format_count
from ..training import is_complete
from .steps import CHECKPOINTS, CORPUS, STEPS, TEACHER_FILE, Steps
from .teacher_file import write_teacher_file

RUNS = Path("runs")
CARDS = Path("model_cards")

# Probabilities and report of the language-model teacher of the committed checkpoints.
TEACHER = CARDS / "lstm-imdb-lm"

NO_OTHER_DATA = "No texts, vectors or models from outside this corpus were used, also not for the teachers."

EXAMPLE = "A touching story, beautifully told, and not a dull minute in it."


def reproduce_checkpoint(name: str, dataset: str) -> None:
    """
    Train a checkpoint with all steps before it and write its folder in model_cards/.

    The language-model teacher is not trained again: its probabilities are in model_cards/.

    Args:
        name: Key of `CHECKPOINTS`.
        dataset: The corpus, or a copy of it.

    Raises:
        FileNotFoundError: The working directory is not a clone of the repository.
        ValueError: A folder in runs/ holds a model of another command.
    """
    check_working_directory()
    step = CHECKPOINTS[name]
    if needs_teacher_file(step, STEPS) and not Path(TEACHER_FILE).exists():
        prepare_teacher_file(str(TEACHER / PROBABILITIES_FILE), dataset)
    train_step(step, dataset, STEPS)
    publish(step, CARDS / name, STEPS, f"hf-lstm reproduce {name}")


def distil(probabilities: str, dataset: str) -> None:
    """
    Train the checkpoints that learn from a language-model teacher, and write their folders in model_cards/.

    Args:
        probabilities: `probabilities.npz` of the language-model recipe.
        dataset: The corpus whose rows it describes, or a copy of it.

    Raises:
        FileNotFoundError: There is no such file, or the working directory is not a clone of the repository.
        ValueError: The file and the corpus do not have the same rows, or a folder in runs/ holds a model of another
            command.
    """
    check_working_directory()
    prepare_teacher_file(probabilities, dataset)
    for name, step in CHECKPOINTS.items():
        if needs_teacher_file(step, STEPS):
            train_step(step, dataset, STEPS)
            command = f"hf-lstm reproduce distil --probabilities {shlex.quote(probabilities)}"
            publish(step, CARDS / name, STEPS, command)


def prepare_teacher_file(probabilities: str, dataset: str) -> None:
    """Convert the probabilities of the language-model recipe into `TEACHER_FILE`, with the report of the recipe."""
    count = write_teacher_file(probabilities, dataset, Path(TEACHER_FILE))
    report, copy = (Path(path).with_name(REPORT_FILE) for path in (probabilities, TEACHER_FILE))
    if report.absolute() != copy.absolute():
        shutil.copy(report, copy)
    print(f"{format_count(count, 'text')} with the probabilities of {probabilities} written to {TEACHER_FILE}.")


def needs_teacher_file(step: str, steps: Steps) -> bool:
    """Return whether a step, or a step before it, learns from the language-model teacher."""
    return any(TEACHER_FILE in steps[part][1].split() for part in steps_in_order(step, steps))


def check_working_directory() -> None:
    """Raise an error before the training if the folder for its results does not exist."""
    if not CARDS.is_dir():
        raise FileNotFoundError(f"There is no folder ./{CARDS}: run this command in a clone of the repository.")


def train_step(step: str, dataset: str, steps: Steps) -> None:
    """
    Train a step after the steps that it needs. A finished step is kept, an interrupted one is resumed.

    Args:
        step: Key of `steps`.
        dataset: The corpus, or a copy of it.
        steps: Subcommand and options of each step.

    Raises:
        ValueError: The folder of a step holds a model of another command.
    """
    folder, command = RUNS / step, step_command(step, dataset, steps)
    if record := read_record(step):
        if split_options(record["training"]["command"]) != split_options(command):
            raise ValueError(f"{folder} holds a model of another command than {command}: move it away.")
        print(f"{folder} is already trained.")
        return
    for other in required_steps(steps[step][1], steps):
        train_step(other, dataset, steps)
    if any(is_complete(checkpoint) for checkpoint in folder.glob("checkpoint-*")):
        command += " --resume_from_checkpoint last"
    print(command, flush=True)
    finished = subprocess.run([sys.executable, "-m", "hf_lstm", *shlex.split(command)[1:]])
    if finished.returncode:
        sys.exit(finished.returncode)


def step_command(step: str, dataset: str, steps: Steps) -> str:
    """Return the command that trains a step."""
    subcommand, options = steps[step]
    return f"hf-lstm {subcommand} --dataset {shlex.quote(dataset)} {options} --output_dir {RUNS / step}"


def read_record(step: str) -> dict[str, Any] | None:
    """Return the metrics of a finished step, or `None`."""
    path = RUNS / step / METRICS_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def split_options(command: str) -> set[str]:
    """Return the options of a command with their values, in any order, without `--resume_from_checkpoint`."""
    parts = shlex.join(shlex.split(command)).split(" --")[1:]
    return {part for part in parts if not part.startswith("resume_from_checkpoint ")}


def required_steps(options: str, steps: Steps) -> list[str]:
    """Return the steps whose folders are named in options, in this order."""
    named = [word.split("/")[1] for word in options.split() if word.startswith(f"{RUNS}/")]
    return [step for step in named if step in steps]


def steps_in_order(step: str, steps: Steps) -> list[str]:
    """Return a step after all steps that it needs, in an order in which they can be trained."""
    needed = [before for other in required_steps(steps[step][1], steps) for before in steps_in_order(other, steps)]
    return [*dict.fromkeys(needed), step]


def publish(step: str, folder: Path, steps: Steps, reproduce: str) -> None:
    """
    Write the folder of a checkpoint from the run of its step, with a model card, and print its size.

    Args:
        step: The trained step.
        folder: The folder; it is replaced completely or not at all.
        steps: Subcommand and options of each step.
        reproduce: The command that trains this checkpoint, for the card.

    Raises:
        FileNotFoundError: The step is not trained.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        new = Path(parent) / folder.name
        new.mkdir()
        assemble_repository(str(RUNS / step), folder.name, new)
        (new / "handler.py").unlink()  # `hf-lstm push` adds it to every model
        model, tokenizer = load_model_and_tokenizer(str(new))
        # Texts of the corpus may not be published. These are generated, and depend on word order and memory.
        reviews = build_sample_reviews()["test"]
        accuracy, examples = confident_errors(model, tokenizer, reviews["text"][:], np.array(reviews["label"][:]))
        metrics = read_record(step)
        assert metrics is not None, "the repository of a step without a record cannot be assembled"
        # A local path means nothing to others.
        metrics["notes"] = [note.replace(metrics["dataset"], CORPUS) for note in metrics["notes"]] + [NO_OTHER_DATA]
        metrics["training"]["command"] = step_command(step, CORPUS, steps)
        metrics |= {
            "name": folder.name,
            "dataset": CORPUS,
            "dataset_on_hub": True,
            "language": "en",
            "failures": {"on": "the bundled reviews of `hf_lstm`", "accuracy": accuracy, "examples": examples},
            "reproduce": reproduce,
            "steps": (describe_teacher() if needs_teacher_file(step, steps) else [])
            + [describe_step(part, steps) for part in steps_in_order(step, steps)],
        }
        metrics["bytes"] = folder_bytes(new)
        save_metrics(metrics, new)
        write_card(new, str(folder), EXAMPLE)
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    print(f"{folder}: {folder_bytes(folder) / 1e6:.1f} MB")


def describe_step(step: str, steps: Steps) -> dict[str, str | float | None]:
    """Return the command of a step and, if it has a record, its seconds and its machine."""
    record = read_record(step)
    return {
        "command": step_command(step, CORPUS, steps),
        "seconds": record["training"]["seconds"] if record else None,
        "machine": record["machine"] if record else None,
    }


def describe_teacher() -> list[dict[str, Any]]:
    """Return the commands that train the language-model teacher, with the seconds and the device of its training."""
    report = json.loads(Path(TEACHER_FILE).with_name(REPORT_FILE).read_text(encoding="utf-8"))
    pack = f"hf-lstm reproduce pack --dataset {CORPUS} --output corpus.npz"
    train = f"hf-lstm reproduce lstm-imdb-lm --packed corpus.npz --minutes {report['minutes']:g}"
    return [
        {"command": pack, "seconds": None, "machine": None},
        {"command": train, "seconds": report["seconds"], "machine": report["device"]},
    ]
