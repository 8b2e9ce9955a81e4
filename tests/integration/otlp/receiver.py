"""A receiver of OTLP over HTTP that takes nothing but what its own schema does."""

import base64
import gzip
import http.server
import json
import ssl
import threading
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.trace.v1 import trace_pb2

PATIENCE_S = 60


class Span:
    """One span with its resource's and its own attributes as dictionaries."""

    def __init__(self, span, resource):
        self.name = span.name
        # json_format takes ids for base64, which the mapping of OTLP excepts.
        self.trace, self.id, self.parent = span.trace_id, span.span_id, span.parent_span_id
        self.state = span.trace_state
        self.begin, self.end = span.start_time_unix_nano, span.end_time_unix_nano
        self.kind = trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
        self.failed = span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
        self.error = span.status.message
        self.attributes = values(span.attributes)
        self.resource = resource
        self.service = resource["service.name"]
        self.process = resource["service.instance.id"]

    def __repr__(self):
        return f"{self.service}/{self.name} [{self.begin}, {self.end}]"


def values(pairs):
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        assert kind is not None and pair.key not in found, pair
        value = getattr(pair.value, kind)
        found[pair.key] = ([item.string_value for item in value.values]
                           if kind == "array_value" else value)
    return found


class Receiver:
    """Keeps the spans of all that is posted. Answers with the statuses in `refusals`, one after the other, and
    then takes all. With `certificate`, the file of one and its key, by https."""

    def __init__(self, certificate=None):
        self.lock = threading.Condition()
        self.spans = []
        self.problems = []
        self.posts = []
        self.refusals = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.take(self.path, self.headers, body)
                self.send_response(status)
                if status == 503:
                    self.send_header("retry-after", "1")
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, headers, body):
        with self.lock:
            self.posts.append((path, dict(headers.items())))
            if self.refusals:
                return self.refusals.pop(0)
            try:
                if headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                assert headers["content-type"] == "application/json", headers
                self.spans += parse(body.decode())
            except Exception as problem:  # whatever it is, the test says so
                self.problems.append(repr(problem))
                return 400
            self.lock.notify_all()
            return 200

    def trace(self, trace, requests=1, entry="POST"):
        """All spans of a trace, once those of its entry and so many requests are there: each of these is sent after
        all within it. The entry: what the first span's name begins with."""
        deadline = time.monotonic() + PATIENCE_S
        with self.lock:
            while True:
                spans = [span for span in self.spans if span.trace == trace]
                names = [span.name.split()[0] for span in spans]
                assert not self.problems, self.problems
                if entry in names and names.count("request") >= requests:
                    return spans
                left = deadline - time.monotonic()
                assert left > 0, f"spans did not come; there are {self.spans}"
                self.lock.wait(left)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def hexadecimal(batch):
    """Has json_format read ids as what they are: bytes in hexadecimal, of the right length."""
    for resource in batch["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name, size in (("traceId", 16), ("spanId", 8), ("parentSpanId", 8)):
                    if name not in span:
                        assert name == "parentSpanId", span
                        continue
                    raw = bytes.fromhex(span[name])
                    assert len(raw) == size and any(raw), span
                    assert span[name] == span[name].lower(), span
                    span[name] = base64.b64encode(raw).decode()
                for name in ("startTimeUnixNano", "endTimeUnixNano"):
                    assert isinstance(span[name], str), span  # A fixed64 in JSON.
                assert isinstance(span["kind"], int), span  # Names of enumerations are refused.
    return batch


def parse(text):
    # Unknown fields are errors.
    request = json_format.ParseDict(hexadecimal(json.loads(text)),
                                    service.ExportTraceServiceRequest())
    spans = []
    for resource in request.resource_spans:
        attributes = values(resource.resource.attributes)
        for scope in resource.scope_spans:
            assert scope.scope.name == "baton", scope.scope
            spans += [Span(span, attributes) for span in scope.spans]
    for span in spans:
        assert span.begin <= span.end, span
        assert abs(span.end / 1e9 - time.time()) < 600, (span, time.time())
    return spans
