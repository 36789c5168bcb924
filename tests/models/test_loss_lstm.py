import math

import pytest
import torch
from hypothesis import given, settings, strategies as st
from transformers.loss.loss_utils import ForSequenceClassificationLoss

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.models.loss_lstm import infer_problem_type, sequence_classification_loss

LOG3, LOG4 = math.log(3), math.log(4)


def loss_of(labels, logits, problem_type=None, **fields) -> torch.Tensor:
    logits = torch.as_tensor(logits, dtype=torch.float)
    config = LstmConfig(num_labels=logits.shape[1], problem_type=problem_type, **fields)
    return sequence_classification_loss(torch.as_tensor(labels), logits, config)


@pytest.mark.parametrize(
    ("labels", "num_labels", "expected"),
    [
        (torch.tensor([0.5, 1.0]), 1, "regression"),
        (torch.tensor([0, 1]), 1, "regression"),
        (torch.tensor([0, 2]), 3, "single_label_classification"),
        (torch.tensor([0, 2], dtype=torch.int32), 3, "single_label_classification"),
        (torch.tensor([[0.0, 1.0, 1.0]]), 3, "multi_label_classification"),
    ],
)
def test_problem_type_is_inferred_as_transformers_does(labels, num_labels, expected):
    assert infer_problem_type(labels, num_labels) == expected
    config, reference = LstmConfig(num_labels=num_labels), LstmConfig(num_labels=num_labels)
    logits = torch.randn(len(labels), num_labels)
    loss = sequence_classification_loss(labels, logits, config)
    assert config.problem_type == expected
    torch.testing.assert_close(
        loss,
        ForSequenceClassificationLoss(
            labels.long() if expected.startswith("single") else labels,
            logits,
            reference,
        ),
    )
    assert reference.problem_type == expected


def test_single_label_loss_by_hand():
    # Probabilities (1/4, 3/4) and (1/2, 1/2).
    logits, labels = [[0.0, LOG3], [0.0, 0.0]], [0, 1]
    assert loss_of(labels, logits).item() == pytest.approx((LOG4 + math.log(2)) / 2)
    weighted = (2 * LOG4 + 5 * math.log(2)) / 7
    assert loss_of(labels, logits, class_weights=[2.0, 5.0]).item() == pytest.approx(weighted)


def test_labels_are_smoothed_before_they_are_weighted():
    # Smoothed targets (0.9, 0.1) and (0.1, 0.9), each text with the weight of its own class.
    first = 0.9 * LOG4 + 0.1 * (LOG4 - LOG3)
    second = math.log(2)
    fields = {"class_weights": [1.0, 50.0], "label_smoothing": 0.2}
    expected = (1 * first + 50 * second) / 51
    for labels in ([0, 1], [[1.0, 0.0], [0.0, 1.0]]):
        loss = loss_of(labels, [[0.0, LOG3], [0.0, 0.0]], "single_label_classification", **fields)
        assert loss.item() == pytest.approx(expected)


def test_rare_class_with_a_large_weight_is_not_preferred_for_other_texts():
    # The minimum of the loss of one text is at the smoothed target, for any weights of the other classes.
    logits = torch.zeros(1, 3, requires_grad=True)
    config = LstmConfig(num_labels=3, class_weights=[0.35, 8.0, 33.0], label_smoothing=0.1)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = sequence_classification_loss(torch.tensor([0]), logits, config)
        loss.backward()
        return loss

    optimizer.step(closure)
    expected = torch.tensor([[0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3]])
    torch.testing.assert_close(logits.detach().softmax(1), expected, atol=1e-3, rtol=0)


def test_loss_of_soft_labels_follows_its_formula():
    weights = torch.tensor([1.0, 2.0, 4.0])
    logits, labels = torch.randn(2, 3), torch.tensor([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])
    fields = {"class_weights": weights.tolist(), "label_smoothing": 0.3}
    loss = loss_of(labels, logits, "single_label_classification", **fields)
    smoothed = 0.7 * labels + 0.3 / 3
    losses = -(smoothed * logits.log_softmax(1)).sum(1)
    texts = torch.tensor([0.2 * 1 + 0.5 * 2 + 0.3 * 4, 1.0])
    torch.testing.assert_close(loss, (texts * losses).sum() / texts.sum())
    plain = loss_of(labels, logits, "single_label_classification")
    torch.testing.assert_close(plain, -(labels * logits.log_softmax(1)).sum() / 2)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    weights=st.none() | st.lists(st.floats(0.1, 50), min_size=3, max_size=3),
    smoothing=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 99),
)
def test_one_hot_soft_labels_equal_class_ids(weights, smoothing, seed):
    torch.manual_seed(seed)
    logits, labels = torch.randn(6, 3), torch.tensor([0, 2, 2, 1, 2, 2])
    fields = {"class_weights": weights, "label_smoothing": smoothing, "problem_type": "single_label_classification"}
    by_id = loss_of(labels, logits, **fields)
    torch.testing.assert_close(loss_of(torch.eye(3)[labels], logits, **fields), by_id)
    torch.testing.assert_close(loss_of(labels.int(), logits, **fields), by_id)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 4.0]])
def test_without_smoothing_the_loss_is_that_of_torch(weights):
    logits, labels = torch.randn(7, 3), torch.tensor([0, 2, -100, 1, 2, -100, 1])
    expected = torch.nn.functional.cross_entropy(logits, labels, None if weights is None else torch.tensor(weights))
    torch.testing.assert_close(loss_of(labels, logits, class_weights=weights), expected)


def test_multi_label_loss_follows_its_formula():
    logits, labels = torch.randn(2, 3), torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    loss = loss_of(labels, logits, class_weights=[1.0, 2.0, 4.0], label_smoothing=0.2)
    targets = torch.tensor([[0.9, 0.1, 0.9], [0.1, 0.1, 0.1]])
    weights = torch.tensor([[1.0, 1.0, 4.0], [1.0, 1.0, 1.0]])  # of the positive labels only
    p = logits.sigmoid()
    expected = -(weights * (targets * p.log() + (1 - targets) * (1 - p).log())).mean()
    torch.testing.assert_close(loss, expected)


def test_multi_label_loss_without_smoothing_is_that_of_torch():
    logits, labels, weights = torch.randn(4, 3), torch.randint(0, 2, (4, 3)).float(), torch.tensor([1.0, 2.0, 4.0])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=weights)
    torch.testing.assert_close(loss_of(labels, logits, class_weights=weights.tolist()), expected)
    as_integers = loss_of(labels.long(), logits, "multi_label_classification", class_weights=weights.tolist())
    torch.testing.assert_close(as_integers, expected)


def test_regression_loss_follows_its_formula():
    logits, labels = torch.tensor([[1.0], [4.0]]), torch.tensor([0.5, 2.0])
    assert loss_of(labels, logits).item() == pytest.approx((0.5**2 + 2**2) / 2)
    assert loss_of([[0.0, 1.0]], [[1.0, 3.0]], "regression").item() == pytest.approx((1 + 4) / 2)


def test_model_computes_the_loss_of_its_logits_and_sets_the_problem_type(tiny_config):
    model = LstmForSequenceClassification(tiny_config(num_labels=3, label_smoothing=0.3)).eval()
    ids, labels = torch.randint(0, 40, (4, 5)), torch.tensor([0, 2, 2, 1])
    output = model(ids, labels=labels)
    expected = torch.nn.functional.cross_entropy(output.logits, labels, label_smoothing=0.3)
    torch.testing.assert_close(output.loss, expected)
    assert model.config.problem_type == "single_label_classification"


@pytest.mark.parametrize("row", [[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.5, 0.4, 0.0]])
def test_soft_labels_that_do_not_sum_to_one_raise(row):
    expected = f"sum of {sum(row):g}.*set problem_type='multi_label_classification'"
    with pytest.raises(ValueError, match=expected):
        loss_of([[0.2, 0.5, 0.3], row], torch.zeros(2, 3), "single_label_classification")


def test_rounded_soft_labels_are_accepted():
    for labels in (
        [[0.333, 0.333, 0.333]],
        [[0.33, 0.34, 0.34]],
        torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.bfloat16),
    ):
        assert loss_of(labels, torch.zeros(1, 3), "single_label_classification").isfinite()
    many = torch.full((1, 200), 0.01)  # a sum of 2 is not explained by rounding
    with pytest.raises(ValueError, match="sum of 2"):
        loss_of(many, torch.zeros(1, 200), "single_label_classification")


@pytest.mark.parametrize("labels", [[0.0, 1.0], [[0.5, 0.5], [0.5, 0.5]]])
def test_soft_labels_of_a_wrong_shape_raise(labels):
    with pytest.raises(ValueError, match=r"probabilities of shape \(2, 3\), got torch.float32"):
        loss_of(labels, torch.zeros(2, 3), "single_label_classification")
