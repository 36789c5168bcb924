"""The checkpoints in the repository contain the current code and load without the package."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer
from transformers.dynamic_module_utils import get_relative_import_files

from hf_lstm import LstmForSequenceClassification

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "hf_lstm" / "models"
CHECKPOINTS = sorted(path.parent for path in (ROOT / "model_cards").glob("*/config.json"))
SENTENCES = ["A wonderful film.", "I was bored, and I hated every minute of it!", "It was neither good nor bad."]

LOAD_WITHOUT_THE_PACKAGE = """
import json, sys
sys.modules["hf_lstm"] = None  # importing it fails
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

folders, sentences = json.loads(sys.argv[1])
logits = {}
for folder in folders:
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).eval()
    with torch.no_grad():
        logits[folder] = model(**tokenizer(sentences, padding=True, return_tensors="pt")).logits.tolist()
json.dump(logits, sys.stdout)
"""


def test_there_are_five_checkpoints():
    assert len(CHECKPOINTS) == 5


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_code_of_a_checkpoint_is_the_code_of_the_package(folder):
    needed = {MODELS / "modeling_lstm.py", *map(Path, get_relative_import_files(MODELS / "modeling_lstm.py"))}
    assert {path.name for path in folder.glob("*.py")} == {path.name for path in needed}
    for path in needed:
        copy = folder / path.name
        assert copy.read_bytes() == path.read_bytes(), f"{copy} is outdated: cp {path} {copy}"


@pytest.mark.slow
def test_checkpoints_load_without_the_package(tmp_path):
    folders = [str(folder) for folder in CHECKPOINTS]
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PATH": str(Path(sys.executable).parent)}
    command = [sys.executable, "-c", LOAD_WITHOUT_THE_PACKAGE, json.dumps([folders, SENTENCES])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    for folder in folders:
        batch = AutoTokenizer.from_pretrained(folder)(SENTENCES, padding=True, return_tensors="pt")
        with torch.no_grad():
            expected = LstmForSequenceClassification.from_pretrained(folder).eval()(**batch).logits
        torch.testing.assert_close(torch.tensor(loaded[folder]), expected, atol=1e-5, rtol=0)
