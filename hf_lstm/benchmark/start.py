"""Time to import the library and load a model in a new process, and the size on disk."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ..text import train_tokenizer
from .contestants import comparison_transformers, default_classifier, wordpiece_tokenizer
from .timing import Row, Setting

# What a user would write. Prints the seconds to import and the seconds to load.
LOAD_MODEL = """
import sys, time
start = time.perf_counter()
import hf_lstm
from transformers import AutoModelForSequenceClassification, AutoTokenizer
imported = time.perf_counter()
AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
AutoTokenizer.from_pretrained(sys.argv[1])
print(imported - start, time.perf_counter() - imported)
"""

# The new process starts here, so that it imports this copy of the package.
PACKAGE_PARENT = Path(__file__).parents[2]


def measure_start(setting: Setting) -> list[Row]:
    """Measure seconds to import and to load model and tokenizer in a new process, and megabytes on disk."""
    tokenizer, pieces = train_tokenizer(setting.texts, "word", show_progress=False), wordpiece_tokenizer(setting)
    models: dict[str, tuple[PreTrainedModel, PreTrainedTokenizerFast]] = {
        "hf_lstm 128": (default_classifier(len(tokenizer)), tokenizer)
    }
    models |= {name: (model, pieces) for name, model in comparison_transformers(setting, len(pieces)).items()}
    rows = []
    for name, (model, its_tokenizer) in models.items():
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            its_tokenizer.save_pretrained(folder)
            runs = [load_in_new_process(folder) for _ in range(setting.repeats)]
            size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
        rows.append(Row(f"{name}, import", median(imported for imported, _ in runs), "s"))
        rows.append(Row(f"{name}, load", median(loaded for _, loaded in runs), "s"))
        rows.append(Row(f"{name}, on disk", size, "MB"))
    return rows


def load_in_new_process(folder: str) -> tuple[float, float]:
    """Return the seconds to import the library and the seconds to load the model in `folder`."""
    command = [sys.executable, "-c", LOAD_MODEL, folder]
    environment = os.environ | {"TQDM_DISABLE": "1"}  # no progress bars between the results
    imported, loaded = subprocess.check_output(command, text=True, cwd=PACKAGE_PARENT, env=environment).split()
    return float(imported), float(loaded)
