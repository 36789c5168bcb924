import socket

import pytest


def test_folder_that_is_missing_is_one_sentence(command):
    pytest.importorskip("gradio", reason="Gradio is not installed")
    done = command("demo", "./absent")
    assert done.returncode == 1 and "There is no folder ./absent" in done.stderr


def test_address_is_passed_to_the_server(command, streaming_folder, trained, monkeypatch):
    demo = pytest.importorskip("hf_lstm.demo", reason="Gradio is not installed")
    started = []
    monkeypatch.setattr(demo, "launch", lambda page, **options: started.append(options))
    done = command("demo", streaming_folder, trained[0], "--port", 8123, "--host", "0.0.0.0")
    assert done.returncode == 0, done.stderr
    assert started == [{"server_name": "0.0.0.0", "server_port": 8123}]
    assert done.stdout.startswith("opinions: the whole text is scored after each change.")


def test_port_that_does_not_exist_is_refused(command, streaming_folder):
    done = command("demo", streaming_folder, "--port", 99_999)
    assert done.returncode == 2 and "--port must be between 1 and 65535, got 99999" in done.stderr


def test_port_that_is_in_use_is_one_sentence(command, streaming_folder):
    pytest.importorskip("gradio", reason="Gradio is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = command("demo", streaming_folder, "--port", port)
    message = f"error: The server cannot listen on port {port} of 127.0.0.1; choose another --port or --host."
    assert done.returncode == 1 and message in done.stderr
