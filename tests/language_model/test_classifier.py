import time

import numpy as np
import pytest
import torch

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.language_model import FineTuningSettings, LabelledTexts, TokenTexts, fine_tune, predict_probabilities
from hf_lstm.language_model.classifier import LAYER_DECAY, FineTuner, accuracy, layer_groups, phases

SETTINGS = FineTuningSettings(batch_tokens=64, evaluation_tokens=50, final_epochs=3)


def make_classifier(**fields) -> LstmForSequenceClassification:
    torch.manual_seed(0)
    sizes = {"vocab_size": 40, "embedding_size": 8, "hidden_size": 12, "bidirectional": False, "num_hidden_layers": 2}
    fields = {"problem_type": "single_label_classification", "num_labels": 2} | fields
    return LstmForSequenceClassification(LstmConfig(**sizes | fields))


def labelled(count: int, seed: int) -> LabelledTexts:
    """Texts whose label is whether token 7 occurs."""
    generator = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(count):
        ids = generator.integers(10, 16, generator.integers(1, 12))
        if i % 2:
            ids[generator.integers(len(ids))] = 7
        texts.append([2, *ids])
        labels.append(i % 2)
    return LabelledTexts(TokenTexts.of(texts), np.array(labels))


@pytest.mark.parametrize("fields", [{}, {"bidirectional": True}, {"pooling": "concat"}])
def test_groups_hold_every_parameter_once_from_head_to_embeddings(fields):
    model = make_classifier(**fields)
    groups = layer_groups(model)
    assert sorted(id(p) for group in groups for p in group) == sorted(map(id, model.parameters()))
    assert groups[0][0] is model.classifier.weight and groups[-1][0] is model.model.embed_tokens.weight
    assert groups[1][0] is next(model.model.layers[1].parameters())


def test_phases_unfreeze_one_layer_after_the_other():
    assert [(depth, epochs) for depth, epochs, _ in phases(3, 4)] == [(1, 1), (2, 1), (3, 1), (5, 4)]
    assert [(depth, epochs) for depth, epochs, _ in phases(1, 2)] == [(1, 1), (3, 2)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_unfrozen_groups_learn_and_lower_ones_slower(dtype):
    model, train = make_classifier(), labelled(40, 0)
    before = [[p.detach().clone() for p in group] for group in layer_groups(model)]
    tuner = FineTuner(model, train, labelled(10, 1), SETTINGS, dtype)
    tuner.run_phase(depth=2, epochs=1, learning_rate=1e-2, may_go_on=lambda: True)
    changed = [
        max((p - old).abs().max().item() for p, old in zip(group, olds, strict=True))
        for group, olds in zip(layer_groups(model), before, strict=True)
    ]
    assert changed[0] > 0 and changed[1] > 0 and changed[2:] == [0, 0]
    # An AdamW step is about as long as the learning rate.
    assert changed[1] < changed[0] and pytest.approx(0.385, abs=1e-3) == LAYER_DECAY


@pytest.mark.parametrize("reverse", [False, True])
def test_fine_tuning_learns_and_keeps_the_best_weights(reverse):
    # Random embeddings that are large, as a pretrained backbone's are: what is needed is to read them.
    dropouts = {"embedding_dropout": 0, "input_dropout": 0, "hidden_dropout": 0, "classifier_dropout": 0}
    model = make_classifier(reverse=reverse, hidden_size=32, num_hidden_layers=1, initializer_range=1.0, **dropouts)
    lines = []
    train, validation = labelled(300, 0), labelled(60, 1)
    settings = FineTuningSettings(batch_tokens=64, evaluation_tokens=500, final_epochs=8)
    done = fine_tune(model, train, validation, settings, report=lines.append)
    found = predict_probabilities(model, validation.texts, 500)
    assert accuracy(found, validation.labels) == done.validation_accuracy == max(done.accuracies)
    assert done.validation_accuracy > 0.8
    assert len(done.accuracies) == 9 and len(lines) == 2 and not done.stopped_early
    assert all(parameter.requires_grad for parameter in model.parameters()) and not model.training


def test_deadline_leaves_one_epoch():
    done = fine_tune(
        make_classifier(),
        labelled(40, 0),
        labelled(10, 1),
        SETTINGS,
        deadline=time.monotonic(),
        report=lambda line: None,
    )
    assert done.stopped_early and len(done.accuracies) == 1


def test_probabilities_are_those_of_each_text_alone():
    model, texts = make_classifier(num_labels=3, initializer_range=1.0).eval(), labelled(20, 0).texts
    found = predict_probabilities(model, texts, batch_tokens=40)
    assert found.shape == (20, 3)
    for i in range(20):
        with torch.no_grad():
            expected = model(torch.from_numpy(texts[i]).long()[None]).logits.softmax(1)
        np.testing.assert_allclose(found[i], expected[0], atol=1e-5)


def test_long_texts_are_cut_in_training_alone():
    model, train = make_classifier(), labelled(20, 0)
    read = []
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append((module.training, kwargs["input_ids"].shape[1])), with_kwargs=True
    )
    settings = FineTuningSettings(batch_tokens=64, evaluation_tokens=50, max_length=4, final_epochs=1)
    FineTuner(model, train, train, settings, torch.float32).run_phase(4, 1, 1e-3, lambda: True)
    assert max(length for training, length in read if training) == 4
    assert max(length for training, length in read if not training) == train.texts.lengths.max()
