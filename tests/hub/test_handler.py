import json
import subprocess
import sys

import pytest
import torch

from hf_lstm import LstmConfig, LstmForSequenceClassification, train_tokenizer
from hf_lstm.hub.handler import BATCH_SIZE, EndpointHandler
from hf_lstm.hub.push import assemble_repository

TEXTS = ["a good film", "", "a bad book " * 50] * 20


@pytest.fixture(scope="module", params=["single_label_classification", "multi_label_classification", "regression"])
def repository(request, tmp_path_factory) -> str:
    folder, destination = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("pushed")
    tokenizer = train_tokenizer(["a good film", "a bad book"] * 4, "word", 100, True)
    torch.manual_seed(0)
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 6, "hidden_size": 5, "initializer_range": 1.0}
    config = LstmConfig(**sizes, problem_type=request.param, num_labels=3)
    LstmForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assemble_repository(str(folder), "owner/name", destination)
    return str(destination)


PREDICT_WITHOUT_PACKAGE = """
import json, sys
sys.modules["hf_lstm"] = None  # importing it raises an ImportError
from handler import EndpointHandler
from transformers import pipeline

folder, requests = sys.argv[1], json.load(sys.stdin)
handler = EndpointHandler(folder)
classify = pipeline("text-classification", model=folder, trust_remote_code=True)
answers = [[handler(request), classify(request["inputs"], **request.get("parameters", {}))] for request in requests]
json.dump(answers, sys.stdout)
"""


def test_output_is_that_of_the_pipeline_without_the_package(repository, tmp_path):
    assert len(TEXTS) > BATCH_SIZE
    requests = [
        {"inputs": TEXTS[0]},
        {"inputs": TEXTS},
        {"inputs": TEXTS[0], "parameters": {"top_k": 2}},
        {"inputs": TEXTS, "parameters": {"top_k": None, "function_to_apply": "none"}},
    ]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT_WITHOUT_PACKAGE, repository],
        input=json.dumps(requests), capture_output=True, text=True, cwd=repository, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for answer, expected in json.loads(done.stdout):
        assert flat(answer) == pytest.approx(flat(expected), abs=1e-5)


def flat(answer) -> dict:
    """Return scores by their place and label."""
    if isinstance(answer, dict):
        return {answer["label"]: answer["score"]}
    return {(i, *([key] if isinstance(key, str) else key)): score
            for i, item in enumerate(answer) for key, score in flat(item).items()}  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "`inputs` must be a text or a list of texts"),
        ({"inputs": ["a", 1]}, "`inputs` must be"),
        ({"inputs": "a", "parameters": {"topk": 1}}, "Unknown parameters: topk; choose from function_to_apply, top_k"),
        ({"inputs": "a", "parameters": ["top_k"]}, "`parameters` must be an object"),
        ({"inputs": "a", "parameters": {"top_k": "all"}}, "`top_k` must be a whole number of at least 1, or null"),
        ({"inputs": "a", "parameters": {"top_k": 0}}, "`top_k` must be .*, got 0"),
        (
            {"inputs": "a", "parameters": {"function_to_apply": "relu"}},
            "Unknown function_to_apply 'relu'; choose from sigmoid, softmax, none",
        ),
    ],
)
def test_bad_request_is_one_sentence(repository, request_, message):
    handler = EndpointHandler(repository)
    assert handler({"inputs": []}) == []
    with pytest.raises(ValueError, match=message):
        handler(request_)


def test_surrogates_of_json_escapes_are_joined_or_replaced(repository):
    handler = EndpointHandler(repository)
    assert handler(json.loads(r'{"inputs": ["a \ud83d\ude00", "a \ud83d"]}')) == handler(
        {"inputs": ["a 😀", "a \ufffd"]}
    )
