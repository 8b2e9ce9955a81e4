"""Reads the log of `baton serve` after all kinds of requests: each line is one event, as JSON where
that is asked for, says which request it is about, and has nothing of what clients wrote.

    check_logs.py BATON
"""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TREE = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TREE / "tests/support"))

from free_port import free_port  # noqa: E402

PATIENCE_S = 300
# Of no log's own words, in what is asked and in what may come of it.
SECRET = "xylophonist"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def post(url, body, headers=None):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json",
                                                 **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def await_ready(url):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url + "/readyz", timeout=10):
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
    raise AssertionError("the server is not ready")


def await_ends(log, ids):
    """A client has its last token before the router knows that the worker's call has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        lines = [line for line in log.read_text().splitlines() if "finished after" in line]
        if all(any(one in line for line in lines) for one in ids):
            return
        time.sleep(0.05)
    raise AssertionError(f"not all of {ids} finished:\n{log.read_text()}")


def pid_of(worker):
    """The process of a worker that this server started, by its command line."""
    out = subprocess.run(["pgrep", "-f", f"baton worker .*--name {worker} .*{FOLDER}"],
                         capture_output=True, text=True, check=False)
    return int(out.stdout.split()[0])


def ask_in_every_way(url):
    """Requests that are served, refused and wrong. Returns the ids of those that were served."""
    text = f"The {SECRET} said to the"
    served = [post(url + "/v1/completions", {"prompt": text, "max_tokens": 4, "baton": {
        "timings": True}}, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}),
              post(url + "/v1/chat/completions", {"max_tokens": 4, "messages": [
                  {"role": "system", "content": text}, {"role": "user", "content": text}]})]
    for body in ({"prompt": text, "max_tokens": SECRET}, {"prompt": {SECRET: text}},
                 {"prompt": text, "max_tokens": 4, "stop": [SECRET], "unheard_of": SECRET},
                 {"prompt": text, "guided_regex": f"({SECRET}"},
                 {"prompt": text, "guided_json": {"type": SECRET}},
                 {"prompt": text, "model": "no-such-model"},
                 f'{{"prompt": "{SECRET}'.encode()):
        post(url + "/v1/completions", body)
    post(url + "/tokenize", {"prompt": text})
    return [json.loads(answer)["id"] for answer in served]


def lose_a_worker(url):
    """Kills the decode worker under a request, which goes on elsewhere."""
    stream = urllib.request.urlopen(urllib.request.Request(
        url + "/v1/completions", json.dumps({
            "prompt": SECRET, "max_tokens": 400, "ignore_eos": True, "stream": True}).encode(),
        {"content-type": "application/json"}), timeout=PATIENCE_S)
    first = json.loads(stream.readline().decode().removeprefix("data: "))
    subprocess.run(["kill", "-9", str(pid_of("d0"))], check=True)
    for _ in stream:
        pass
    return first["id"]


def log_of(baton, log_format):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    group = "{count: 1, threads: 1, kv_memory: 64MiB}"
    config = FOLDER / f"{log_format}.yaml"
    config.write_text(
        f"model: {TREE}/configs/models/baton-tiny\nlog_level: debug\n"
        f"workers: {{prefill: {group}, decode: {group}}}\n"
        f"router: {{host: 127.0.0.1, port: {port}, policy: least_loaded}}\n"
        f"telemetry: {{log_format: {log_format}}}\n")
    log = FOLDER / f"{log_format}.log"
    with open(log, "wb") as err:
        server = subprocess.Popen([baton, "serve", "--config", str(config)],
                                  env=os.environ | {"BATON_LOG_LEVL": "debug"},
                                  stdout=subprocess.DEVNULL, stderr=err)
    try:
        await_ready(url)
        ids = ask_in_every_way(url) + [lose_a_worker(url)]
        await_ends(log, ids)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=PATIENCE_S)
    return log.read_text(), ids


def check_secret(log):
    assert SECRET not in log, [line for line in log.splitlines() if SECRET in line]


def check_json(log, ids):
    events = []
    for line in log.splitlines():
        if not line:  # Before the count of lines that nobody took.
            continue
        event = json.loads(line)
        assert {"time", "level", "process", "message"} <= event.keys(), line
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"]), line
        assert event["level"] in ("debug", "info", "warning", "error"), line
        events.append(event)
    assert {event["process"] for event in events} >= {"serve", "router", "p0", "d0"}
    assert any("BATON_LOG_LEVL names no key" in event["message"] for event in events)
    for one in ids:
        about = [event["message"] for event in events if event.get("request") == one + "-0"]
        assert any(message.startswith("finished") for message in about), (one, about)
    traced = {event["request"] for event in events if event.get("trace_id") == TRACE}
    assert traced == {ids[0] + "-0"}, traced
    assert not any("trace_id" in event for event in events if event.get("trace_id") != TRACE)
    resumed = [event for event in events if "goes on after" in event["message"]]
    assert resumed and resumed[0]["request"] == ids[-1] + "-0", resumed
    return f"{len(events)} events"


def check_text(log, ids):
    for line in log.splitlines():
        assert re.match(r"\[(serve |router|p0    |d0    )\] ", line), line
    assert f"request {ids[0]}-0 trace_id={TRACE}: finished" in log
    for one in ids[1:]:
        assert f"request {one}-0: finished" in log, one


def main(baton):
    log, ids = log_of(baton, "json")
    check_secret(log)
    print("json:", check_json(log, ids))
    log, ids = log_of(baton, "text")
    check_secret(log)
    check_text(log, ids)
    print("text: each line is an event")
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        FOLDER = pathlib.Path(name)
        sys.exit(main(sys.argv[1]))
