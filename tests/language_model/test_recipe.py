import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from hf_lstm import LstmForCausalLM, LstmForSequenceClassification
from hf_lstm.data import build_sample_reviews
from hf_lstm.language_model import (
    ModelSize,
    RecipeSettings,
    predict_probabilities,
    read_probabilities_by_row,
    recipe as module,
    run_recipe,
)

ROOT = Path(__file__).parents[2]
SMALLEST = ModelSize(embedding_size=32, hidden_size=32, num_hidden_layers=1)


@pytest.fixture(scope="module")
def reviews() -> list[str]:
    return build_sample_reviews()["train"]["text"][:200]


@pytest.fixture
def packed(packed_corpus, reviews, tmp_path) -> str:
    packed_corpus(reviews).write(tmp_path / "corpus.npz")
    return str(tmp_path / "corpus.npz")


def settings(tmp_path, **fields) -> RecipeSettings:
    return RecipeSettings(**{"minutes": 0.1, "output_dir": str(tmp_path / "run"), "size": SMALLEST} | fields)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_recipe_writes_both_directions_and_a_teacher_file(packed, tmp_path, precision):
    if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this CPU has no bf16 kernels")
    lines = []
    results = run_recipe(packed, settings(tmp_path, minutes=20 / 60, precision=precision), lines.append)
    folder = tmp_path / "run"
    assert json.loads((folder / "report.json").read_text()) == json.loads(json.dumps(results))
    assert results["precision"] == {"bf16": "bfloat16", "fp32": "float32"}[precision] and results["device"] == "cpu"
    assert any("tokens/s" in line and "s left" in line for line in lines)
    corpus = module.PackedCorpus.read(packed)
    probabilities = {}
    for name in ("forward", "reverse"):
        found = results[name]
        assert 5 < found["perplexity"] < len(corpus.tokenizer())
        assert found["language_model"]["tokens_per_second"] > 0 and found["largest_file_bytes"] < 15_000_000
        language_model = LstmForCausalLM.from_pretrained(folder / f"{name}-language_model", dtype=torch.float32)
        assert language_model.config.reverse is (name == "reverse")
        classifier = LstmForSequenceClassification.from_pretrained(folder / f"{name}-classifier", dtype=torch.float32)
        auto = AutoModelForSequenceClassification.from_pretrained(folder / f"{name}-classifier")
        assert type(auto) is LstmForSequenceClassification and auto.config.id2label == {0: "neg", 1: "pos"}
        assert auto.config.pooling == "concat"
        probabilities[name] = predict_probabilities(classifier, corpus.texts, 5_000)
    probabilities["mean"] = (probabilities["forward"] + probabilities["reverse"]) / 2
    expected = probabilities[results["kept"]]
    tables, _ = read_probabilities_by_row(folder / "probabilities.npz")
    tolerance = 0.02 if precision == "bf16" else 1e-3
    for split, parts in (("train", ("train", "validation")), ("unsupervised", ("unsupervised",)), ("test", ("test",))):
        texts = np.concatenate([corpus.indices(part) for part in parts])
        np.testing.assert_allclose(tables[split][corpus.rows[texts]], expected[texts], atol=tolerance)
    test = corpus.indices("test")
    assert results["test_accuracy"] == pytest.approx((tables["test"].argmax(1) == corpus.labels[test]).mean(), abs=0.05)
    assert results["minutes"] == 20 / 60


def test_classifier_starts_from_the_language_model(packed, tmp_path, monkeypatch):
    started = []

    def fine_tune(model, *args, **kwargs):
        started.append({name: weight.clone() for name, weight in model.model.state_dict().items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "fine_tune", fine_tune)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(packed, settings(tmp_path), lambda line: None)
    folder = tmp_path / "run"
    language_model = LstmForCausalLM.from_pretrained(folder / "forward-language_model", dtype=torch.float32)
    for name, weight in language_model.model.state_dict().items():
        assert torch.equal(started[0][name], weight), name
    # The interrupted run has kept what was finished.
    report = json.loads((folder / "report.json").read_text())
    assert report["forward"]["perplexity"] > 1 and report["test_accuracy"] is None
    assert sorted(path.name for path in folder.iterdir()) == ["forward-language_model", "report.json"]
    with pytest.raises(ValueError, match="holds the results of another run"):
        run_recipe(packed, settings(tmp_path), lambda line: None)


@pytest.mark.slow
def test_interrupted_reverse_direction_leaves_the_forward_one(packed, tmp_path, monkeypatch):
    train = module.train_on_streams

    def interrupted(model, *args, **kwargs):
        if model.config.reverse:
            raise KeyboardInterrupt
        return train(model, *args, **kwargs)

    monkeypatch.setattr(module, "train_on_streams", interrupted)
    monkeypatch.setattr(module, "REVERSE_SHARE", -10.0)  # however slow the machine is
    with pytest.raises(KeyboardInterrupt):
        run_recipe(packed, settings(tmp_path), lambda line: None)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["kept"] == "forward" and report["test_accuracy"] is None
    tables, _ = read_probabilities_by_row(tmp_path / "run" / "probabilities.npz")
    assert np.isfinite(tables["train"]).all()
    LstmForSequenceClassification.from_pretrained(tmp_path / "run" / "forward-classifier")


def test_reduced_model_is_reported(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fine_tune", lambda *args, **kwargs: pytest.fail("not reached"))
    monkeypatch.setattr(module, "save_half", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    speeds = iter([1e-3, 1e5])
    monkeypatch.setattr("hf_lstm.language_model.budget.measure_speed", lambda *args: next(speeds))
    lines = []
    recipe = module.Recipe(
        module.PackedCorpus.read(packed), settings(tmp_path, size=ModelSize(16, 64, 1)), lines.append
    )
    with pytest.raises(KeyboardInterrupt):
        recipe.run()
    assert len(recipe.results["reduced"]) == 1 and recipe.results["reduced"][0] in lines
    assert recipe.results["forward"]["size"] == {"embedding_size": 8, "hidden_size": 32, "num_hidden_layers": 1}


def test_direction_that_validates_best_is_kept(packed, tmp_path):
    recipe = module.Recipe(module.PackedCorpus.read(packed), settings(tmp_path), lambda line: None)
    right = np.eye(2)[np.maximum(recipe.corpus.labels, 0)]
    unsure, wrong = right * 0.2 + 0.4, 1 - right
    for forward, reverse, kept in ((unsure, wrong, "forward"), (wrong, unsure, "reverse"), (unsure, unsure, "mean")):
        recipe.probabilities = {"forward": forward, "reverse": reverse}
        recipe.keep_best_direction()
        assert recipe.results["kept"] == kept and recipe.results["validation_accuracy"] == 1.0


def test_minutes_are_as_requested_and_count_from_the_start(packed, tmp_path):
    corpus = module.PackedCorpus.read(packed)
    started = time.monotonic() - 60.0  # reading took one minute, the whole budget
    recipe = module.Recipe(corpus, settings(tmp_path, minutes=1.0), lambda line: None, started)
    assert recipe.results["minutes"] == 1.0
    assert recipe.budget.remaining() <= 0 < 60.0 <= recipe.budget.elapsed()


@pytest.mark.parametrize("fields", [{"minutes": 0.0}, {"minutes": -1.0}])
def test_budget_has_to_be_positive(packed, tmp_path, fields):
    with pytest.raises(ValueError, match="minutes must be positive"):
        run_recipe(packed, settings(tmp_path, **fields), lambda line: None)


def test_corpus_needs_validation_texts(packed_corpus, reviews, tmp_path):
    packed_corpus(reviews[:12], [0] * 12).write(tmp_path / "corpus.npz")
    with pytest.raises(ValueError, match="has no validation texts"):
        run_recipe(str(tmp_path / "corpus.npz"), settings(tmp_path), lambda line: None)


WITHOUT_OTHER_LIBRARIES = """
import sys
for name in ("datasets", "evaluate", "accelerate", "sklearn", "pandas", "pyarrow", "scipy", "matplotlib", "wrapt"):
    sys.modules[name] = None  # an import of it fails
from hf_lstm.cli import run_command
run_command("reproduce", ["lstm-imdb-lm", "--packed", sys.argv[1], "--output_dir", sys.argv[2], "--minutes", "0.1",
      "--hidden_size", "32",
      "--embedding_size", "32", "--num_hidden_layers", "1", "--precision", "fp32"])
"""


@pytest.mark.slow
def test_command_needs_torch_transformers_tokenizers_safetensors_and_numpy_alone(packed, tmp_path):
    command = [sys.executable, "-c", WITHOUT_OTHER_LIBRARIES, packed, str(tmp_path / "run")]
    environment = {
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hf"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Validation accuracy" in done.stdout and "hf-lstm reproduce distil --probabilities" in done.stdout
    assert (tmp_path / "run" / "probabilities.npz").exists()
