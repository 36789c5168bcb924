"""Train a checkpoint of model_cards/ anew, from the corpus to the folder that is pushed.

python scripts/reproduce.py lstm-imdb-small
python scripts/reproduce.py lstm-imdb --dataset path/to/imdb

What a step has trained, in runs/, is not trained again, and what was interrupted goes on.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

import numpy as np
from hf_lstm.cli.arguments import run

from hf_lstm.data.sample_reviews import build_sample_reviews
from hf_lstm.evaluation.cost import folder_bytes
from hf_lstm.evaluation.evaluation import confident_errors
from hf_lstm.hub.model_card import METRICS_FILE, save_metrics, write_card
from hf_lstm.hub.push import assemble_repository
from hf_lstm.inference.loading import load_model_and_tokenizer
from hf_lstm.training.checkpoints import is_complete

CORPUS = "stanfordnlp/imdb"
SCRIPTS = Path("scripts")
RUNS = Path("runs")
CARDS = Path("model_cards")

EXAMPLE = "A touching story, beautifully told, and not a dull minute in it."

# What every student on texts without labels is told, and those of passages and of whole texts.
STUDENT = "--label_smoothing 0 --half_weights true --baseline false"
PASSAGES = (
    "--pretrained runs/imdb-vectors --bidirectional false --passage_words 40 --num_train_epochs 1 --adversarial_size 0 "
    f"--per_device_train_batch_size 128 --embedding_dropout 0.1 --input_dropout 0.1 --classifier_dropout 0.1 {STUDENT}"
)
TEXTS = f"--embedding_dropout 0.2 --input_dropout 0.2 --classifier_dropout 0.3 {STUDENT}"
TRAINED_ON = f"--num_train_epochs 3 --learning_rate 0.002 {TEXTS}"
# After passages: taught by the small one.
TAUGHT_BY_SMALL = f"--teacher runs/imdb-small/taught.parquet runs/imdb-small --adversarial_size 0 {TRAINED_ON}"
# By teachers that have themselves been students.
ATTACKED = f"--adversarial_size 0.5 {TRAINED_ON}"
# Each step: the script and its options; the steps whose folders these name come before it.
STEPS = {
    "imdb-vectors-16k": ("pretrain", "--objective vectors --vocab_size 16000"),
    "imdb-small": (
        "train",
        "--pretrained runs/imdb-vectors-16k --bidirectional false --teacher linear latent latent linear "
        f"--adversarial_size 0 --num_train_epochs 5 {TEXTS}",
    ),
    "imdb-vectors": ("pretrain", "--objective vectors"),
    "imdb-base": ("train", f"--teacher linear {PASSAGES}"),
    "imdb-forward": ("train", f"--pretrained runs/imdb-base {TAUGHT_BY_SMALL}"),
    "imdb-base-reverse": ("train", f"--reverse true --teacher runs/imdb-base/taught.parquet {PASSAGES}"),
    "imdb-reverse": ("train", f"--pretrained runs/imdb-base-reverse {TAUGHT_BY_SMALL}"),
    "imdb-forward-2": (
        "train",
        "--pretrained runs/imdb-forward --teacher linear runs/imdb-forward runs/imdb-reverse runs/imdb-small "
        f"{ATTACKED}",
    ),
    "imdb-reverse-2": (
        "train",
        f"--pretrained runs/imdb-reverse --teacher runs/imdb-forward-2/taught.parquet {ATTACKED}",
    ),
    "imdb-small-2": (
        "train",
        f"--pretrained runs/imdb-small --teacher linear runs/imdb-forward-2 runs/imdb-reverse-2 {ATTACKED}",
    ),
}
# Each checkpoint: the step that trains it.
CHECKPOINTS = {
    "lstm-imdb-base": "imdb-base",
    "lstm-imdb": "imdb-forward-2",
    "lstm-imdb-reverse": "imdb-reverse-2",
    "lstm-imdb-small": "imdb-small-2",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", choices=CHECKPOINTS)
    parser.add_argument("--dataset", default=CORPUS, help="a copy of the corpus on this machine (default: %(default)s)")
    args = parser.parse_args()
    train(CHECKPOINTS[args.checkpoint], args.dataset)
    folder = CARDS / args.checkpoint
    sizes = publish(CHECKPOINTS[args.checkpoint], folder)
    print(f"{folder}: {sum(sizes.values()) / 1e6:.1f} MB")


def train(step: str, dataset: str) -> None:
    """Trains a step and, before it, what it needs; goes on with what was interrupted."""
    folder, command = RUNS / step, command_of(step, dataset)
    if record := record_of(step):
        if by_option(record["training"]["command"]) != by_option(command):
            raise ValueError(f"{folder} was trained otherwise than by {command}: move it away.")
        print(f"{folder} is trained already.")
        return
    for other in needed(STEPS[step][1]):
        train(other, dataset)
    if any(is_complete(checkpoint) for checkpoint in folder.glob("checkpoint-*")):
        command += " --resume_from_checkpoint last"
    print(command, flush=True)
    done = subprocess.run([sys.executable, *shlex.split(command)[1:]])
    if done.returncode:
        sys.exit(done.returncode)


def command_of(step: str, dataset: str) -> str:
    """The command that trains a step."""
    script, options = STEPS[step]
    return f"python {SCRIPTS / script}.py --dataset {shlex.quote(dataset)} {options} --output_dir {RUNS / step}"


def record_of(step: str) -> dict | None:
    """What was recorded of a step's training, where it has come to its end."""
    path = RUNS / step / METRICS_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def by_option(command: str) -> set[str]:
    """What a command says of each option, in whatever order, but not that it goes on from a checkpoint."""
    parts = shlex.join(shlex.split(command)).split(" --")[1:]
    return {part for part in parts if not part.startswith("resume_from_checkpoint ")}


def needed(options: str) -> list[str]:
    """The steps whose folders the options name, in this order."""
    return [word.split("/")[1] for word in options.split() if word.startswith(f"{RUNS}/")]


def way_to(step: str) -> list[str]:
    """A step after all that it needs, in an order in which they can be trained."""
    way = dict.fromkeys(before for other in needed(STEPS[step][1]) for before in way_to(other))
    return [*way, step]


def publish(step: str, folder: Path) -> dict[str, int]:
    """Writes the folder of a trained step's checkpoint, with its card; sizes of its files."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        new = Path(parent) / folder.name
        new.mkdir()
        assemble_repository(str(RUNS / step), folder.name, new)
        model, tokenizer = load_model_and_tokenizer(str(new))
        # The corpus' own texts are not ours to show; these are generated, and turn on order and memory.
        reviews = build_sample_reviews()["test"]
        accuracy, examples = confident_errors(model, tokenizer, reviews["text"][:], np.array(reviews["label"][:]))
        metrics = record_of(step)
        # A path says nothing to others.
        metrics["notes"] = [note.replace(metrics["dataset"], CORPUS) for note in metrics["notes"]]
        metrics["training"]["command"] = command_of(step, CORPUS)
        metrics |= {
            "name": folder.name,
            "dataset": CORPUS,
            "dataset_on_hub": True,
            "failures": {"on": "the bundled reviews of `hf_lstm`", "accuracy": accuracy, "examples": examples},
            "reproduce": f"python scripts/reproduce.py {folder.name}",
            "steps": [described(part) for part in way_to(step)],
        }
        metrics["bytes"] = folder_bytes(new)
        save_metrics(metrics, new)
        write_card(new, str(folder), EXAMPLE)
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def described(step: str) -> dict[str, str | float | None]:
    """A step's command and, where there is a record of it, how many seconds it took on which machine."""
    record = record_of(step)
    return {
        "command": command_of(step, CORPUS),
        "seconds": record["training"]["seconds"] if record else None,
        "machine": record["machine"] if record else None,
    }


if __name__ == "__main__":
    run(main)
