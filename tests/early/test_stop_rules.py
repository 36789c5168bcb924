import numpy as np
import pytest
from scipy.stats import binom

from hf_lstm.early.stop_rules import (
    StopTarget,
    alarm_tokens,
    describe_rule,
    fit_stop_rule,
    lowest_in_windows,
    shares_read,
    stop_target,
)
from hf_lstm.early.token_scores import read_token_scores
from hf_lstm.inference import StopRule


def texts_of(*rows) -> list[np.ndarray]:
    return [np.array(row, dtype=np.float32) for row in rows]


def test_lowest_in_windows():
    values = np.array([0.1, 0.9, 0.8, 0.7], dtype=np.float32)
    np.testing.assert_array_equal(lowest_in_windows(values, 2), values[[0, 2, 3]])
    np.testing.assert_array_equal(lowest_in_windows(values, 4), values[[0]])
    assert len(lowest_in_windows(values, 5)) == 0


def test_alarm_is_after_the_last_of_the_consecutive_tokens():
    watched = texts_of([0.9, 0.1, 0.9, 0.9, 0.9], [0.9, 0.1, 0.9], [], [0.9, 0.9])
    assert alarm_tokens(watched, StopRule("a", 0.9, 2)).tolist() == [4, 0, 0, 2]
    assert alarm_tokens(watched, StopRule("a", 0.9, 1)).tolist() == [1, 1, 0, 1]
    assert alarm_tokens(watched, StopRule("a", 0.95, 1)).tolist() == [0, 0, 0, 0]
    assert shares_read(watched, np.array([4, 0, 0, 2])).tolist() == [0.8, 1, 1, 1]


def test_alarms_are_where_the_stream_stops(stream):
    texts = ["film book good twice", "so naïve book, don't you think", "A film", "word " * 9]
    watched = read_token_scores(stream, texts, "LABEL_1").watched
    rule = StopRule("LABEL_1", float(np.median(np.concatenate(watched))), 2)
    stopping = stream.stop_when(rule.label, rule.probability, rule.for_tokens)
    alarms = alarm_tokens(watched, rule)
    assert (alarms > 0).sum() > 0
    for text, alarm in zip(texts, alarms, strict=True):
        _, state = stopping.feed(stopping.start(), text, each_token=True)
        result = stopping.finish(state)
        first, state = stream.feed(stream.start(), text, each_token=True)
        spans = first.token_spans + stream.finish(state, each_token=True).token_spans
        assert result.stopped_at == (spans[alarm - 1][1] if alarm else None)


def test_threshold_is_that_of_the_conformal_quantile():
    # 199 texts without the label reach 0.001, 0.002, ... 0.199. floor(0.05 * 200) - 1 = 9 may cause an alarm, so that
    # the threshold is half-way between the 10th highest, 0.190, and the 9th highest, 0.191.
    others = [[i / 1000] for i in range(1, 200)]
    watched = texts_of(*others, [0.5], [0.1905], [0.1904], [0.3])
    has_label = np.arange(len(watched)) >= 199
    fitted = fit_stop_rule(watched, has_label, StopTarget("a", 0.05))
    assert fitted.rule.probability == pytest.approx(0.1905, abs=1e-6) and fitted.rule.for_tokens == 1
    record = fitted.record
    assert (record["false_alarms"], record["texts_without_label"], record["texts_with_label"]) == (9, 199, 4)
    # At the upper bound, at most 9 false alarms of 199 have a probability of 5 %.
    assert binom.cdf(9, 199, record["upper_bound"]) == pytest.approx(0.05)
    assert record["recall"] == (alarm_tokens(watched[199:], fitted.rule) > 0).mean()
    assert "9 of 199 texts without the label" in fitted.note and "'a' has a probability of at least" in fitted.note


def test_rate_on_new_texts_is_the_wanted_one_on_average():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(300):
        others = rng.random(150).astype(np.float32)
        watched = [*others[:, None], np.ones(1, dtype=np.float32)]
        rule = fit_stop_rule(watched, np.arange(151) == 150, StopTarget("a", 0.1)).rule
        rates.append(1 - rule.probability)  # uniform scores
    # floor(0.1 * 151) / 151 = 0.0993; half-way to the next score is 0.5 / 151 less. The standard error is 0.0014.
    assert np.mean(rates) == pytest.approx(14.5 / 151, abs=5 * 0.0014)


def test_equal_scores_cause_no_alarm_together():
    watched = texts_of(*[[0.5]] * 200, [0.5], [0.6])
    fitted = fit_stop_rule(watched, np.arange(202) >= 200, StopTarget("a", 0.1))
    assert fitted.rule.probability > 0.5 and fitted.record["false_alarms"] == 0 and fitted.record["recall"] == 0.5


def test_number_of_tokens_with_the_highest_recall_is_chosen():
    # Texts without the label have single high scores, texts with it lower but lasting ones.
    spike = [0.1] * 4 + [0.99] + [0.1] * 7
    lasting = [0.2] * 2 + [0.9] * 10
    watched = texts_of(*[spike] * 100, *[lasting] * 3)
    fitted = fit_stop_rule(watched, np.arange(103) >= 100, StopTarget("a", 0.01))
    # With 2, 5 and 10 tokens, all texts with the label cause an alarm; with 2 tokens, it is the first.
    # floor(0.01 * 101) - 1 = 0 of the others may, so that the threshold is half-way between their 0.1 and 1.
    assert fitted.rule.for_tokens == 2 and fitted.record["recall"] == 1
    assert fitted.rule.probability == pytest.approx(0.55)
    assert fitted.record["median_share_read"] == pytest.approx(4 / 12)


def test_a_rule_without_an_alarm_is_reported():
    watched = texts_of(*[[0.9]] * 100, [0.1], [0.2])
    fitted = fit_stop_rule(watched, np.arange(102) >= 100, StopTarget("a", 0.05))
    assert fitted.rule is not None and "Warning: it stops none of 2 texts with the label; allow" in fitted.note


def test_length_alone_is_no_rule():
    # Texts without the label have 3 tokens, so that none of them could meet a rule for 5.
    watched = texts_of(*[[0.5] * 3] * 100, *[[0.4] * 60] * 5)
    fitted = fit_stop_rule(watched, np.arange(105) >= 100, StopTarget("a", 0.05))
    assert fitted.rule.for_tokens <= 3 and fitted.record["recall"] == 0


def test_rate_needs_enough_texts():
    watched = texts_of(*[[0.5]] * 98, [0.9])
    fitted = fit_stop_rule(watched, np.arange(99) == 98, StopTarget("a", 0.01))
    assert fitted.rule is None and fitted.record == {}
    assert "a rate of 0.01 requires at least 99 texts without it" in fitted.note and "98 without it" in fitted.note
    assert fit_stop_rule([*watched, watched[0]], np.arange(100) == 98, StopTarget("a", 0.01)).rule is not None
    none = fit_stop_rule(texts_of(*[[0.5]] * 200), np.zeros(200, dtype=bool), StopTarget("a", 0.01))
    assert none.rule is None and "requires texts with it" in none.note
    certain = fit_stop_rule(texts_of(*[[1.0]] * 201), np.arange(201) == 200, StopTarget("a", 0.01))
    assert certain.rule is None and "reach a probability of 1" in certain.note


def test_option_names_a_label_and_a_rate():
    names, single = ["neg", "a=b"], "single_label_classification"
    assert stop_target(None, names, single) is None
    assert stop_target("neg=0.01", names, single) == ("neg", 0.01)
    assert stop_target("a=b=0.5", names, single) == ("a=b", 0.5)
    for wrong in ("0.01", "neg", "other=0.01", "neg=1", "neg=0", "neg=x", "neg=nan"):
        with pytest.raises(ValueError, match="`stop_false_alarms` must be LABEL=0.01, .* labels neg, a=b, got"):
            stop_target(wrong, names, single)
    with pytest.raises(ValueError, match="a regression does not have"):
        stop_target("neg=0.01", ["neg"], "regression")


def test_description():
    assert describe_rule(StopRule("a", 0.95, 1)) == "'a' has a probability of at least 0.95 for 1 token"
    assert describe_rule(StopRule("a", 0.99997, 5)) == "'a' has a probability of at least 0.99997 for 5 tokens"  # not 1
