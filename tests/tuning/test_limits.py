from types import SimpleNamespace

import pytest

from hf_lstm.tuning.limits import PROBE_STEPS, Budget, Cost, Limits, TooSlow, Watch


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def state(step: int, epochs: int = 10, max_steps: int = 200) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, num_train_epochs=epochs, max_steps=max_steps)


def start(seconds: float, must_finish: bool = False):
    clock, reports, control = Clock(), [], SimpleNamespace(should_training_stop=False)
    watch = Watch(lambda share, metrics: reports.append((share, metrics)), seconds, clock, must_finish)
    watch.on_train_begin(None, None, None)
    return watch, clock, reports, control


def test_limits_name_what_is_exceeded():
    limits = Limits(megabytes=2.0, latency_ms=1.0)
    assert limits.exceeded(Cost(2.0, 1.0)) == ""
    assert limits.exceeded(Cost(2.1, 5.0)) == "too large"
    assert limits.exceeded(Cost(1.0, 1.1)) == "too slow to predict"
    assert Limits().exceeded(Cost(1e9, 1e9)) == ""


def test_half_precision_is_needed_above_the_limit():
    assert Limits(megabytes=2.0).needs_half_weights(500_001) and not Limits(megabytes=2.0).needs_half_weights(500_000)
    assert not Limits().needs_half_weights(10**9)


def test_budget_counts_from_its_start():
    clock = Clock()
    budget = Budget(60, clock, reserved=10)
    clock.now += 20
    assert (budget.spent, budget.left) == (20, 30)


def test_a_training_that_does_not_fit_is_ended_after_the_probe():
    # 20 of 200 steps in 10 s: 100 s in total, 10 s for each of the 10 epochs.
    watch, clock, _, control = start(seconds=85)
    clock.now += 10
    watch.on_step_end(None, state(PROBE_STEPS - 1), control)
    with pytest.raises(TooSlow) as raised:
        watch.on_step_end(None, state(PROBE_STEPS), control)
    assert (raised.value.epochs, raised.value.wanted) == (7, 10)  # 75 s are left


def test_a_training_may_take_one_epoch_more_than_its_time():
    watch, clock, reports, control = start(seconds=91)
    clock.now += 10
    watch.on_step_end(None, state(PROBE_STEPS), control)
    clock.now += 10
    watch.on_evaluate(None, state(2 * PROBE_STEPS), control, metrics={"eval_accuracy": 0.5})
    assert reports == [(0.2, {"eval_accuracy": 0.5})] and not control.should_training_stop


def test_a_training_that_must_finish_stops_after_the_epoch():
    watch, clock, _, control = start(seconds=15, must_finish=True)
    clock.now += 10
    watch.on_step_end(None, state(PROBE_STEPS), control)
    watch.on_evaluate(None, state(PROBE_STEPS), control, metrics={})
    assert not control.should_training_stop
    clock.now += 10
    watch.on_evaluate(None, state(2 * PROBE_STEPS), control, metrics={})
    assert control.should_training_stop and watch.was_stopped


def test_time_before_the_first_step_counts():
    clock = Clock()
    watch = Watch(lambda *_: None, 30, clock, False)
    clock.now += 12
    watch.on_train_begin(None, None, None)
    assert watch.seconds == 18
