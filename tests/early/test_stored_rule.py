import json
from dataclasses import asdict

import numpy as np

from hf_lstm import load_classifier
from hf_lstm.early.stop_rules import StopTarget, alarm_tokens
from hf_lstm.early.stored_rule import fit_and_store_rule
from hf_lstm.inference import stored_stop_rule


def test_only_the_rule_is_written_to_the_config(stream, tmp_path):
    stream.model.save_pretrained(tmp_path)
    stream.tokenizer.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["film", "book", "good", "twice", "word"], size=8)) for _ in range(60)]
    labels = np.arange(60) % 3
    fitted, scores = fit_and_store_rule(tmp_path, stream, texts, labels, StopTarget("LABEL_1", 0.1))
    others = [part for part, label in zip(scores.watched, labels, strict=True) if label != 1]
    # floor(0.1 * 41) - 1 = 3 of 40 texts without the label.
    assert (alarm_tokens(others, fitted.rule) > 0).sum() == fitted.record["false_alarms"] <= 3
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"config.json"} and before.keys() == after.keys()
    old, new = (json.loads(files["config.json"]) for files in (before, after))
    assert new == old | {"stop_rule": asdict(fitted.rule)}
    loaded = load_classifier(tmp_path)
    assert loaded.stop_rule == fitted.rule == stored_stop_rule(stream.model.config)


def test_without_enough_texts_nothing_is_written(stream, tmp_path):
    fitted, _ = fit_and_store_rule(tmp_path, stream, ["a", "b"], np.array([0, 1]), StopTarget("LABEL_1", 0.01))
    assert fitted.rule is None and not list(tmp_path.iterdir()) and stream.model.config.stop_rule is None
