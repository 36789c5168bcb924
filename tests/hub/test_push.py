"""Push to a local Hub server and load from it, each in a new process because the Hub address is read at import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hub_server import READ_TOKEN, WRITE_TOKEN, running_hub
from huggingface_hub import ModelCard
from safetensors.torch import load_file

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.hub.model_card import EXAMPLE_TEXT, build_card
from hf_lstm.hub.push import (
    PROBE_TEXTS,
    add_widget,
    assemble_repository,
    card_metadata,
    locate_card,
    push_repository,
    score_probe_texts,
)
from hf_lstm.inference.loading import load_model_and_tokenizer
from hf_lstm.inference.prediction import predict_texts, probabilities
from hf_lstm.text.tokenization import train_tokenizer

ROOT = Path(__file__).parents[2]
CODE = {path.name for path in (ROOT / "hf_lstm" / "models").glob("*_lstm.py") if "causal" not in path.name}
FILES = {
    "README.md",
    "config.json",
    "handler.py",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
} | CODE


@pytest.fixture(scope="module")
def hub():
    with running_hub() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "tiny"
    tokenizer = train_tokenizer(["a good film", "a bad film"] * 4, "word", 100, True)
    config = LstmConfig(
        vocab_size=len(tokenizer),
        embedding_size=6,
        hidden_size=5,
        id2label={0: "bad", 1: "good"},
        label2id={"bad": 0, "good": 1},
        problem_type="single_label_classification",
    )
    LstmForSequenceClassification(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    build_card(config, str(path)).save(path / "README.md")
    return path


def run(
    arguments: list, hub, tmp_path, token: str | None = WRITE_TOKEN, stdin: str = ""
) -> subprocess.CompletedProcess:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    env |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    if token:
        env["HF_TOKEN"] = token
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=env, cwd=tmp_path, input=stdin)


PUSH_AND_PRINT_ERRORS = """
import json, os, sys
from hf_lstm.hub.push import push_repository
for name, token in json.load(sys.stdin):
    try:
        print("pushed", push_repository(sys.argv[1], name, token=token))
    except (ValueError, OSError) as error:
        print(error)
"""


@pytest.fixture(scope="module")
def pushed(hub, folder, tmp_path_factory):
    stdin = json.dumps([("tester/tiny", WRITE_TOKEN)])
    done = run(["-c", PUSH_AND_PRINT_ERRORS, folder], hub, tmp_path_factory.mktemp("push"), token=None, stdin=stdin)
    assert done.stdout == "pushed tester/tiny\n", done.stdout + done.stderr


def test_assembled_repository_has_exactly_the_required_files(folder, tmp_path):
    sizes = assemble_repository(str(folder), "tester/tiny", tmp_path)
    assert set(sizes) == FILES
    assert sizes["model.safetensors"] == (folder / "model.safetensors").stat().st_size
    assert json.loads((tmp_path / "config.json").read_text())["auto_map"] == {
        "AutoConfig": "configuration_lstm.LstmConfig",
        "AutoModel": "modeling_lstm.LstmModel",
        "AutoModelForSequenceClassification": "modeling_lstm.LstmForSequenceClassification",
    }
    card = ModelCard.load(tmp_path / "README.md")
    assert 'model="tester/tiny", trust_remote_code=True' in card.text and str(folder) not in card.text
    assert set(card_metadata(tmp_path).values()) == {"not given"}


def test_card_gets_an_example_for_the_widget_unless_it_has_one(folder, tmp_path):
    assemble_repository(str(folder), "tester/tiny", tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data["widget"] == [{"text": EXAMPLE_TEXT}] and "widget" not in (folder / "README.md").read_text()
    card.data["widget"] = [{"text": "Mine."}]
    card.save(tmp_path / "README.md")
    before = (tmp_path / "README.md").read_text()
    add_widget(tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == before


def test_metadata_of_a_space(tmp_path):
    card = "---\ntitle: Reviews\nsdk: gradio\nsdk_version: 6.1.0\npython_version: '3.11'\nlicense: mit\n---\n"
    (tmp_path / "README.md").write_text(card)
    assert card_metadata(tmp_path) == {
        "license": "mit",
        "title": "Reviews",
        "sdk": "gradio",
        "sdk_version": "6.1.0",
        "python_version": "3.11",
        "app_file": "not given",
    }


def test_invalid_repository_id_raises_before_anything_is_written(folder, tmp_path):
    with pytest.raises(ValueError, match="is not a valid repository id"):
        assemble_repository(str(folder), "tester/rev iews", tmp_path)
    assert not list(tmp_path.iterdir())


def test_links_out_of_the_folder_are_removed(folder, tmp_path):
    card = tmp_path / "README.md"
    card.write_text('pipeline("text-classification", model="runs/x") [results](../README.md) ![plot](plot.png)')
    locate_card(card, "tester/tiny")
    assert card.read_text() == 'pipeline("text-classification", model="tester/tiny") results ![plot](plot.png)'


@pytest.mark.slow
def test_push_sends_one_commit_and_downloads_it_once(hub, pushed):
    assert set(hub.repositories["tester/tiny"]) == FILES
    assert sum(request.endswith("/commit/main") for request in hub.requests) == 1
    assert sum(request.startswith("GET") and request.endswith("/model.safetensors") for request in hub.requests) == 1


LOAD_WITHOUT_PACKAGE = """
import json, sys
sys.modules["hf_lstm"] = None  # importing it raises an ImportError
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer, pipeline

name, texts = sys.argv[1], json.load(sys.stdin)
classify = pipeline("text-classification", model=name, trust_remote_code=True, top_k=None, batch_size=3)
scores = [{row["label"]: row["score"] for row in rows} for rows in classify(texts)]
config = AutoConfig.from_pretrained(name, trust_remote_code=True)
model = AutoModel.from_pretrained(name, trust_remote_code=True)
json.dump({"scores": scores, "classes": [type(config).__name__, type(model).__name__]}, sys.stdout)
"""


@pytest.mark.slow
def test_pipeline_without_the_package_gives_the_same_scores(hub, pushed, folder, tmp_path):
    done = run(["-c", LOAD_WITHOUT_PACKAGE, "tester/tiny"], hub, tmp_path, stdin=json.dumps(PROBE_TEXTS))
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    model, tokenizer = load_model_and_tokenizer(str(folder))
    expected = probabilities(predict_texts(model, tokenizer, PROBE_TEXTS), "single_label_classification")
    got = [[scores["bad"], scores["good"]] for scores in loaded["scores"]]
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert loaded["classes"] == ["LstmConfig", "LstmModel"]


FINE_TUNE_WITHOUT_PACKAGE = """
import sys
sys.modules["hf_lstm"] = None
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments, pipeline,
)

names = ["no", "maybe", "yes"]
tokenizer = AutoTokenizer.from_pretrained("tester/tiny", trust_remote_code=True)
model = AutoModelForSequenceClassification.from_pretrained(
    "tester/tiny", trust_remote_code=True, ignore_mismatched_sizes=True,
    id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
)
rows = Dataset.from_dict({"text": ["a good film", "a bad film", "film"] * 4, "labels": [2, 0, 1] * 4})
rows = rows.map(lambda row: tokenizer(row["text"]), remove_columns="text")
args = TrainingArguments(
    "out", max_steps=2, per_device_train_batch_size=4, report_to=[], use_cpu=True, disable_tqdm=True,
    hub_model_id="tester/tuned", save_strategy="no",
)
trainer = Trainer(model=model, args=args, train_dataset=rows, processing_class=tokenizer,
                  data_collator=DataCollatorWithPadding(tokenizer))
trainer.train()
trainer.push_to_hub()
model.push_to_hub("tester/by-model")
classify = pipeline("text-classification", model="tester/tuned", trust_remote_code=True)
assert classify("a good film")[0]["label"] in names
"""


@pytest.mark.slow
def test_model_fine_tuned_without_the_package_can_be_pushed_again(hub, pushed, tmp_path):
    done = run(["-c", FINE_TUNE_WITHOUT_PACKAGE], hub, tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("tester/tuned", "tester/by-model"):
        files = hub.repositories[name]
        assert {"config.json", "model.safetensors"} | CODE <= set(files)
        config = json.loads(files["config.json"])
        assert config["id2label"] == {"0": "no", "1": "maybe", "2": "yes"}
        # The code is in the new repository and is not loaded from the original one.
        assert not any("--" in reference for reference in config["auto_map"].values())


@pytest.mark.slow
def test_training_with_push_to_hub_pushes_the_finished_folder_once(hub, tmp_path):
    rows = [f"{opinion} film {i},{opinion}" for i in range(20) for opinion in ("good", "bad")]
    (tmp_path / "opinions.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    commits = hub.commits
    arguments = ["--dataset", "opinions.csv", "--num_train_epochs", 1, "--embedding_size", 4, "--hidden_size", 4]
    arguments += ["--push_to_hub", "--hub_model_id", "trained", "--hub_private_repo", "true", "--language", "de"]
    arguments += ["--hub_token", WRITE_TOKEN]
    done = run([ROOT / "scripts" / "train.py", *arguments], hub, tmp_path, token=None)
    assert done.returncode == 0 and "Pushed to tester/trained." in done.stdout, done.stderr
    assert hub.commits == commits + 1 and "tester/trained" in hub.private
    files = hub.repositories["tester/trained"]
    assert set(files) == FILES | {"metrics.json", "learning_curve.png", "predictions.png", "calibration.png"}
    card = ModelCard(files["README.md"].decode())
    assert (card.data.language, card.data.license) == ("de", "apache-2.0") and "accuracy" in card.data.metrics
    assert 'model="tester/trained"' in card.text and card.data.eval_results  # the owner of the token was added
    assert not any(WRITE_TOKEN.encode() in content for content in files.values())


@pytest.mark.slow
def test_errors_of_the_hub_are_one_sentence(hub, pushed, folder, tmp_path):
    cases = [
        ("tester/new", None, "There is no Hugging Face token"),
        ("tester/new", "hf_wrong", "The Hub rejects the token (Invalid username or password)"),
        ("tester/new", READ_TOKEN, "The token has no write access to tester/new"),
        ("tester/taboo", WRITE_TOKEN, "The Hub rejects tester/taboo (This name is reserved)"),
        ("not a name", WRITE_TOKEN, "'not a name' is not a valid repository id"),
        ("tiny", WRITE_TOKEN, "pushed tester/tiny"),
    ]
    commits = hub.commits
    stdin = json.dumps([case[:2] for case in cases])
    done = run(["-c", PUSH_AND_PRINT_ERRORS, folder], hub, tmp_path, token=None, stdin=stdin)
    lines = done.stdout.splitlines()
    assert len(lines) == len(cases), done.stdout + done.stderr
    for line, (_, _, expected) in zip(lines, cases, strict=True):
        assert line.startswith(expected)
    assert 'model="tester/tiny"' in hub.repositories["tester/tiny"]["README.md"].decode()
    assert "tester/new" not in hub.repositories and "tester/taboo" not in hub.repositories
    assert hub.commits == commits + 1


@pytest.mark.slow
def test_failed_commit_leaves_the_repository_unchanged(hub, pushed, folder, tmp_path):
    before = dict(hub.repositories["tester/tiny"])
    hub.fails_to_commit = True
    try:
        stdin = json.dumps([("tester/tiny", WRITE_TOKEN), ("tester/fresh", WRITE_TOKEN)])
        done = run(["-c", PUSH_AND_PRINT_ERRORS, folder], hub, tmp_path, token=None, stdin=stdin)
    finally:
        hub.fails_to_commit = False
    assert [line.startswith("The Hub failed (500: Internal error)") for line in done.stdout.splitlines()] == [
        True,
        True,
    ]
    assert hub.repositories["tester/tiny"] == before and "tester/fresh" not in hub.repositories


@pytest.mark.slow
def test_damaged_download_is_reported(hub, pushed, folder, tmp_path):
    hub.damages_downloads = True
    try:
        stdin = json.dumps([("tester/tiny", WRITE_TOKEN)])
        done = run(["-c", PUSH_AND_PRINT_ERRORS, folder], hub, tmp_path, token=None, stdin=stdin)
    finally:
        hub.damages_downloads = False
    assert done.stdout.startswith("tester/tiny was pushed, but the logits of the downloaded model differ by")


SCORE_BY_LENGTH = """
import json, os, sys
assert sys.argv[1] == os.environ["FOLDER"]
json.dump([[len(text)] for text in json.load(sys.stdin)], sys.stdout)
"""


def test_a_program_scores_the_probe_texts_or_gives_the_reason(tmp_path):
    scores = score_probe_texts(SCORE_BY_LENGTH, tmp_path, "It does not run", FOLDER=str(tmp_path))
    assert scores.tolist() == [[len(text)] for text in PROBE_TEXTS]
    with pytest.raises(ValueError, match=r"^It does not run \(TypeError: no model\)\.$"):
        score_probe_texts("raise TypeError('no model.')", tmp_path, "It does not run")


@pytest.mark.slow
def test_unreachable_hub_is_one_sentence(folder, tmp_path):
    with running_hub() as stopped:
        pass
    done = run([ROOT / "scripts" / "push.py", folder, "tester/tiny"], stopped, tmp_path)
    assert done.returncode == 1 and "cannot be reached" in done.stderr and "Traceback" not in done.stderr


def test_interrupted_upload_is_one_sentence(folder, monkeypatch):
    def upload(*args, **kwargs):
        raise RuntimeError("Error while uploading 'model.safetensors'\nto the Hub.")

    monkeypatch.setattr("hf_lstm.hub.push._create_repository", lambda *args: ("tester/tiny", False))
    monkeypatch.setattr("huggingface_hub.HfApi.upload_folder", upload)
    with pytest.raises(ConnectionError, match=r"^The upload to tester/tiny failed \(Error while .* to the Hub\)"):
        push_repository(str(folder), "tester/tiny", token=WRITE_TOKEN)


@pytest.mark.slow
def test_dry_run_lists_every_file_and_sends_nothing(hub, folder, tmp_path):
    requests = len(hub.requests)
    done = run([ROOT / "scripts" / "push.py", folder, "tester/dry", "--dry_run"], hub, tmp_path, token=None)
    assert done.returncode == 0, done.stderr
    listed = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if len(line.split()) == 2}
    assert set(listed) == FILES and len(hub.requests) == requests
    weights = load_file(folder / "model.safetensors")
    assert int(listed["model.safetensors"].replace(",", "")) > sum(4 * tensor.numel() for tensor in weights.values())
