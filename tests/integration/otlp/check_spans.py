"""Runs `baton serve` with a receiver of OTLP: what requests leave there as spans, however they go. The executable
is in BATON, the tree in BATON_TREE."""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import grpc

from receiver import PATIENCE_S, Receiver

BATON = os.environ["BATON"]
TREE = os.environ["BATON_TREE"]
sys.path.insert(0, f"{TREE}/tests/support")

from free_port import free_port  # noqa: E402

# What clients write and get is in no span.
SECRET = "xylophonist"
STAGES_TO_FIRST_TOKEN = ["queue", "route", "first token"]


class Server:
    def __init__(self, folder, case):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = pathlib.Path(folder) / "log"
        config = pathlib.Path(folder) / "baton.yaml"
        group = "threads: 1, kv_memory: 64MiB"
        config.write_text(
            f"model: {TREE}/configs/models/baton-tiny\n"
            f"workers: {{prefill: {{count: 1, {group}}}, decode: {{count: 2, {group}}}}}\n"
            "engine: {step_tokens: 32, running_sequences: 4}\n"
            f"router: {{host: 127.0.0.1, port: {self.port}, {case.more}policy: least_loaded}}\n"
            f"telemetry: {{otlp: {{{case.telemetry}}}}}\n")
        self.config = str(config)
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("OTEL_")}
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"{case.scheme}://127.0.0.1:{case.receiver.port}"
        with open(self.log, "wb") as err:
            self.process = subprocess.Popen([BATON, "serve", "--config", self.config],
                                            env=environment | case.variables,
                                            stdout=subprocess.DEVNULL, stderr=err)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urllib.request.urlopen(self.url + "/readyz", timeout=10):
                    return
            except (OSError, http.client.HTTPException) as problem:
                if time.monotonic() > deadline:
                    raise AssertionError(self.log.read_text()) from problem
                time.sleep(0.1)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=PATIENCE_S)

    def ask(self, body, traceparent="", path="/v1/completions", **more):
        headers = {"content-type": "application/json", **more}
        if traceparent:
            headers["traceparent"] = traceparent
        return urllib.request.urlopen(urllib.request.Request(
            self.url + path, json.dumps(body).encode(), headers), timeout=PATIENCE_S)

    def pid_of(self, worker):
        found = subprocess.run(["pgrep", "-f", f"baton worker .*--name {worker} .*{self.config}"],
                               capture_output=True, text=True, check=False)
        return int(found.stdout.split()[0])


class Traced(unittest.TestCase):
    telemetry = "interval: 50ms"
    more = ""
    scheme = "http"
    variables = {"OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b",
                 "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,k8s.pod.name=r"}

    def setUp(self):
        self.traces = 0
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.start()
        self.addCleanup(self.receiver.close)
        self.server = Server(self.folder, self)
        self.addCleanup(self.server.stop)

    def start(self):
        self.receiver = Receiver()

    def parent(self, sampled=True):
        """Of a client: the trace's id and its header."""
        self.traces += 1
        trace = bytes([7] * 15 + [self.traces])
        return trace, f"00-{trace.hex()}-00f067aa0ba902b7-0{int(sampled)}"

    def lose_worker(self, header):
        """Has a stream answered whose decode worker is killed after its first line; which one that was."""
        stream = self.server.ask({"prompt": SECRET, "max_tokens": 300, "ignore_eos": True,
                                  "stream": True}, header)
        worker = stream.headers["x-baton-route"].split("decode=")[1].split()[0]
        stream.readline()
        os.kill(self.server.pid_of(worker), signal.SIGKILL)
        for _ in stream:
            pass
        return worker

    def one(self, spans, name, service="baton"):
        found = [span for span in spans if span.name == name and span.service == service]
        self.assertEqual(len(found), 1, (name, service, spans))
        return found[0]

    def assert_sound(self, spans, remote=bytes.fromhex("00f067aa0ba902b7")):
        """Every parent is there, and holds its children; nothing says what clients said."""
        ids = {span.id: span for span in spans}
        self.assertEqual(len(ids), len(spans), "ids repeat")
        for span in spans:
            self.assertNotIn(SECRET, str(span.attributes) + span.name + span.error)
            if span.parent == remote:
                continue
            self.assertIn(span.parent, ids, span)
            parent = ids[span.parent]
            self.assertLessEqual(parent.begin, span.begin, (parent, span))
            self.assertLessEqual(span.end, parent.end, (parent, span))

    def assert_contiguous(self, stages):
        for before, after in zip(stages, stages[1:]):
            self.assertEqual(before.end, after.begin, (before, after))

    def stages_of(self, spans, parent):
        return sorted((span for span in spans if span.parent == parent.id
                       and span.name not in ("generate", "hand-off", "chunk", "put")),
                      key=lambda span: (span.begin, span.end))


class Spans(Traced):
    def test_a_split_request_is_one_trace(self):
        trace, header = self.parent()
        prompt = [5 + i % 90 for i in range(128)]
        with self.server.ask({"prompt": prompt, "max_tokens": 6, "ignore_eos": True,
                              "temperature": 0.5, "seed": 3}, header) as answer:
            route = answer.headers["x-baton-route"]
            response = answer.headers["traceresponse"]
            body = json.loads(answer.read())
        spans = self.receiver.trace(trace)
        self.assert_sound(spans)

        http_span = self.one(spans, "POST /v1/completions")
        self.assertEqual(response, f"00-{trace.hex()}-{http_span.id.hex()}-01")
        self.assertEqual(http_span.kind, "SERVER")
        expected = {"http.request.method": "POST", "url.path": "/v1/completions",
                    "http.response.status_code": 200, "server.address": "127.0.0.1",
                    "server.port": self.server.port}
        self.assertEqual(http_span.attributes, http_span.attributes | expected)

        completion = self.one(spans, "text_completion baton-tiny")
        expected = {"gen_ai.operation.name": "text_completion",
                    "gen_ai.request.model": "baton-tiny", "gen_ai.response.id": body["id"],
                    "gen_ai.usage.input_tokens": 128, "gen_ai.usage.output_tokens": 6,
                    "gen_ai.response.finish_reasons": ["length"],
                    "gen_ai.request.max_tokens": 6, "gen_ai.request.temperature": 0.5}
        self.assertEqual(completion.attributes, completion.attributes | expected)
        self.assertEqual(completion.parent, http_span.id)

        request = self.one(spans, "request")
        self.assertEqual(request.parent, completion.id)
        stages = self.stages_of(spans, request)
        self.assertEqual([stage.name for stage in stages], STAGES_TO_FIRST_TOKEN + ["tokens"])
        self.assert_contiguous(stages)
        self.assertEqual((stages[0].begin, stages[-1].end), (request.begin, request.end))
        ttft = sum(stage.end - stage.begin for stage in stages[:3])
        self.assertEqual(round(request.attributes["gen_ai.server.time_to_first_token"] * 1e9), ttft)

        worker = request.attributes["baton.worker"]
        self.assertIn(f"decode={worker}", route)
        generate = self.one(spans, "generate", "baton-decode")
        self.assertEqual((generate.process, generate.parent), (worker, request.id))
        stages = self.stages_of(spans, generate)
        self.assertEqual([stage.name for stage in stages],
                         ["queued", "offer", "wait for commit", "check commit", "first token",
                          "decode"])
        self.assert_contiguous(stages)
        self.assertEqual(stages[-1].attributes["baton.tokens"], 5)

        handoff = self.one(spans, "hand-off", "baton-prefill")
        self.assertEqual((handoff.process, handoff.parent), ("p0", stages[2].id))
        prefill = self.stages_of(spans, handoff)
        self.assertEqual([stage.name for stage in prefill], ["queued", "prefill", "flush"])
        self.assert_contiguous(prefill)
        chunks = [span for span in spans if span.name == "chunk"]
        self.assertEqual({chunk.attributes["baton.to_token"] for chunk in chunks},
                         {32, 64, 96, 128})
        self.assertFalse([span for span in spans if span.failed])

        self.assertEqual(http_span.resource["k8s.pod.name"], "r")
        self.assertNotIn("k8s.pod.name", handoff.resource)
        self.assertEqual(handoff.resource["deployment.environment.name"], "test")
        path, headers = self.receiver.posts[-1]
        self.assertEqual(path, "/v1/traces")
        self.assertEqual({name.lower(): value for name, value in headers.items()}["x-key"], "a b")

    def test_what_other_tracers_say_is_in_every_span(self):
        trace, header = self.parent()
        state = "rojo=00f067aa0ba902b7, congo@x=t61rcWkgMzE"
        self.server.ask({"prompt": [5 + i % 90 for i in range(64)], "max_tokens": 2}, header,
                        tracestate=state).read()
        spans = self.receiver.trace(trace)
        self.assertLessEqual({"baton", "baton-decode", "baton-prefill"}, {span.service for span in spans})
        self.assertEqual({span.state for span in spans}, {state})
        trace, header = self.parent()
        self.server.ask({"prompt": SECRET, "max_tokens": 2}, header, tracestate="rojo").read()
        self.assertEqual({span.state for span in self.receiver.trace(trace)}, {""})

    def test_a_request_that_is_not_sampled_has_no_span(self):
        unsampled, header = self.parent(sampled=False)
        with self.server.ask({"prompt": SECRET, "max_tokens": 2}, header) as answer:
            self.assertIsNone(answer.headers["traceresponse"])
        trace, header = self.parent()
        self.server.ask({"prompt": SECRET, "max_tokens": 2}, header).read()
        self.assert_sound(self.receiver.trace(trace))
        self.assertFalse([span for span in self.receiver.spans if span.trace == unsampled])

    def test_a_request_without_a_trace_begins_one(self):
        with self.server.ask({"messages": [{"role": "user", "content": SECRET}], "max_tokens": 2,
                              "n": 2}, path="/v1/chat/completions") as answer:
            trace = bytes.fromhex(answer.headers["traceresponse"].split("-")[1])
        spans = self.receiver.trace(trace, requests=2)
        self.assert_sound(spans, remote=b"")
        self.assertEqual(self.one(spans, "POST /v1/chat/completions").parent, b"")
        self.one(spans, "chat baton-tiny")
        self.assertEqual(len([span for span in spans if span.name == "request"]), 2)

    def test_a_client_s_fault_is_no_error(self):
        trace, header = self.parent()
        with self.assertRaises(urllib.error.HTTPError):
            self.server.ask({"prompt": SECRET, "max_tokens": -1}, header)
        spans = self.receiver.trace(trace, requests=0)
        self.assertEqual(spans[0].attributes["http.response.status_code"], 400)
        self.assertEqual((len(spans), spans[0].failed), (1, False))

    def test_a_request_whose_worker_dies_goes_on_in_its_trace(self):
        trace, header = self.parent()
        worker = self.lose_worker(header)
        spans = self.receiver.trace(trace)
        self.assert_sound(spans)
        request = self.one(spans, "request")
        self.assertEqual(request.attributes["baton.attempts"], 2)
        self.assertFalse(request.failed)
        failed = self.one(spans, "failed attempt")
        self.assertTrue(failed.failed)
        self.assertEqual(failed.error, "lost")
        stages = self.stages_of(spans, request)
        self.assertEqual([stage.name for stage in stages],
                         STAGES_TO_FIRST_TOKEN + ["failed attempt", "wait", "tokens"])
        self.assert_contiguous(stages)
        again = [span for span in spans
                 if span.name == "generate" and span.attributes["baton.attempt"] == 2]
        self.assertEqual(len(again), 1)
        self.assertNotEqual(again[0].process, worker)

    def test_spans_wait_for_a_receiver_that_asks_to(self):
        self.receiver.refusals = [503, 429]
        trace, header = self.parent()
        self.server.ask({"prompt": SECRET, "max_tokens": 2}, header).read()
        self.assert_sound(self.receiver.trace(trace))
        log = self.server.log.read_text()
        self.assertIn("spans cannot be sent to", log)
        self.server.stop()
        self.assertIn("; 0 were lost", self.server.log.read_text())


class SpansAtTheEnd(Traced):
    """With gzip, and a batch that waits for others."""

    telemetry = "interval: 1h, compression: gzip"

    def test_go_when_the_router_ends(self):
        trace, header = self.parent()
        self.server.ask({"prompt": SECRET, "max_tokens": 2}, header).read()
        self.assertFalse(self.receiver.posts)
        self.server.stop()
        self.assert_sound(self.receiver.trace(trace))


class SpansByHttps(Traced):
    """To a receiver whose certificate is the authority that the variable names."""

    scheme = "https"

    def start(self):
        certificate = os.path.join(self.folder, "receiver.pem")
        subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-subj", "/CN=receiver", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", certificate + ".key", "-out",
                        certificate + ".crt"], check=True, capture_output=True)
        both = [pathlib.Path(certificate + end).read_text() for end in (".key", ".crt")]
        pathlib.Path(certificate).write_text("".join(both))
        self.receiver = Receiver(certificate)
        self.variables = self.variables | {"OTEL_EXPORTER_OTLP_CERTIFICATE": certificate + ".crt"}

    def test_arrive(self):
        trace, header = self.parent()
        self.server.ask({"prompt": SECRET, "max_tokens": 2}, header).read()
        self.assert_sound(self.receiver.trace(trace))


class SpansOfGrpc(Traced):
    """Of requests that come by gRPC."""

    def start(self):
        super().start()
        self.grpc_port = free_port()
        self.more = f"grpc_port: {self.grpc_port}, "

    def complete(self, request, metadata):
        """Completes a prompt; the messages of protobuf are given as what they are on the wire."""
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            method = channel.unary_unary("/baton.v1.Completion/Complete", bytes, bytes)
            return method.with_call(request, timeout=PATIENCE_S, metadata=metadata)

    def test_are_one_trace(self):
        trace, header = self.parent()
        words = SECRET.encode()
        # CompleteRequest: prompt is field 2, max_tokens 10.
        request = b"\x12" + bytes([len(words)]) + words + b"\x50\x03"
        _, call = self.complete(request, (("traceparent", header), ("tracestate", "a=1")))
        spans = self.receiver.trace(trace, entry="baton.v1.Completion/Complete")
        self.assert_sound(spans)
        entry = self.one(spans, "baton.v1.Completion/Complete")
        self.assertEqual(entry.kind, "SERVER")
        expected = {"rpc.system": "grpc", "rpc.service": "baton.v1.Completion", "rpc.method": "Complete",
                    "rpc.grpc.status_code": 0}
        self.assertEqual(entry.attributes, entry.attributes | expected)
        self.assertEqual(dict(call.initial_metadata())["traceresponse"],
                         f"00-{trace.hex()}-{entry.id.hex()}-01")
        completion = self.one(spans, "text_completion baton-tiny")
        self.assertEqual(completion.parent, entry.id)
        self.assertEqual(completion.attributes["gen_ai.usage.output_tokens"], 3)
        self.assertEqual(self.one(spans, "request").parent, completion.id)
        self.assertEqual({span.state for span in spans}, {"a=1"})
        with self.assertRaises(grpc.RpcError):
            self.complete(b"\x12\x01a\x50\x00", (("traceparent", self.parent()[1]),))
        spans = self.receiver.trace(bytes([7] * 15 + [self.traces]), requests=0,
                                    entry="baton.v1.Completion/Complete")
        self.assertEqual((len(spans), spans[0].attributes["rpc.grpc.status_code"], spans[0].failed), (1, 3, False))


class FailedRequest(Traced):
    """Where a request is given up with its first attempt."""

    more = "resume_attempts: 1, "

    def test_is_an_error_from_its_attempt_up(self):
        trace, header = self.parent()
        self.lose_worker(header)
        spans = self.receiver.trace(trace)
        self.assert_sound(spans)
        self.assertTrue(self.one(spans, "request").failed)
        self.assertEqual(self.one(spans, "request").error, "Unavailable")
        self.assertTrue(self.one(spans, "text_completion baton-tiny").failed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
