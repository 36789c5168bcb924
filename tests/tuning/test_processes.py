import os
import time
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch

from hf_lstm.training import ClassifierTrainingArguments, DataArguments, ModelArguments
from hf_lstm.tuning.processes import MAX_PROCESSES, count_processes, run_in_processes
from hf_lstm.tuning.search_space import Groups


def test_one_trial_for_each_thread_and_one_on_a_gpu(monkeypatch):
    given, cpu = Groups(DataArguments(), ModelArguments(), ClassifierTrainingArguments("")), torch.device("cpu")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert count_processes(given, cpu) == 4 and count_processes(given, torch.device("cuda")) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert count_processes(given, cpu) == MAX_PROCESSES
    assert count_processes(given.changed({"teacher": ["linear"], "vectors": "runs/vectors"}), cpu) == MAX_PROCESSES
    assert count_processes(given.changed({"teacher": ["linear", len]}), cpu) == 1


def test_one_process_is_this_one():
    calls = []
    assert list(run_in_processes(lambda x: calls.append(x) or x * x, range(3), 1)) == [0, 1, 4]
    assert calls == [0, 1, 2]


@pytest.mark.slow
def test_each_process_keeps_its_copy_and_has_one_thread():
    calls = []

    def work(number):
        calls.append(number)
        return number, os.getpid(), len(calls), torch.get_num_threads()

    results = list(run_in_processes(work, range(6), 2))
    assert sorted(result[0] for result in results) == [0, 1, 2, 3, 4, 5] and calls == []
    ids = {result[1] for result in results}
    assert os.getpid() not in ids and {result[3] for result in results} == {1}
    # The calls of each process are counted from 1.
    assert sorted(result[2] for result in results) == sorted(
        number for process in ids for number in range(1, 1 + sum(result[1] == process for result in results))
    )


@pytest.mark.slow
def test_arguments_are_read_when_a_process_is_free():
    read = []

    def work(number):
        time.sleep(0.3)
        return number

    results = run_in_processes(work, (read.append(x) or x for x in range(8)), 2)
    next(results)
    assert len(read) <= 6  # two are running, two wait, and a slow machine may have finished more
    assert len(list(results)) == 7 and read == list(range(8))


@pytest.mark.slow
def test_errors_and_dead_processes_are_reported():
    with pytest.raises(ValueError, match="not 1"):
        list(run_in_processes(lambda x: int("not 1"), range(3), 2))
    with pytest.raises(BrokenProcessPool):
        list(run_in_processes(lambda x: os._exit(1), range(3), 2))
