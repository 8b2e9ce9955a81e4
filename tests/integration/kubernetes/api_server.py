#!/usr/bin/env python3
"""What of a Kubernetes API server a watcher of EndpointSlices meets, from a file that a test rewrites.

    api_server.py ADDRESS:PORT CERTIFICATE KEY STATE

STATE is JSON, looked at twenty times a second:

    {"namespace": "test",              nothing is in another one
     "services": ["decode"],           of which a watcher asks for the slices, in its order
     "token": "t1",                    who shows another gets 401
     "forbidden": false,               true: everybody gets 403
     "oldest": 0,                      a watch from a version before it gets 410
     "generation": 0,                  when it changes all connections break off
     "slices": {"decode-1": {"service": "decode", "port": 7000,
                             "endpoints": [{"address": "10.0.0.7", "ready": true, "terminating": false}]}}}

Lists come a slice a page, all as they were with the first; watches with a bookmark twice a second.
"""

from __future__ import annotations

import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

PERIOD = 0.05
BOOKMARKS = 0.5
PATH = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


class Cluster:
    """The slices, and all that ever happened to them. Guarded by `changed`."""

    def __init__(self, file: Path):
        self.file = file
        self.changed = threading.Condition()
        self.version = 1000
        self.events: list[tuple[int, str, dict]] = []
        self.lists: dict[int, list[dict]] = {}  # By version, as a page was asked for.
        self.state: dict = {"slices": {}}
        self.take()

    def take(self) -> None:
        try:
            state = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return  # It is being written.
        with self.changed:
            # Whoever forgets what came before a version has reached it.
            self.version = max(self.version, state["oldest"])
            before, after = self.state["slices"], state["slices"]
            self.state = state
            for name in before | after:
                if before.get(name) == after.get(name):
                    continue
                self.version += 1
                kind = "DELETED" if name not in after else "MODIFIED" if name in before else "ADDED"
                self.events.append((self.version, kind, self.object(name, after.get(name, before.get(name)))))
            self.changed.notify_all()

    def object(self, name: str, made: dict) -> dict:
        endpoints = [{"addresses": [e["address"]],
                      "conditions": {"ready": e["ready"], "serving": e["ready"] or e["terminating"],
                                     "terminating": e["terminating"]},
                      "targetRef": {"kind": "Pod", "uid": e["address"]}} for e in made["endpoints"]]
        return {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
                "metadata": {"name": name, "namespace": self.state["namespace"], "resourceVersion": str(self.version),
                             "labels": {"kubernetes.io/service-name": made["service"]}},
                "endpoints": endpoints, "ports": [{"name": "grpc", "port": made["port"], "protocol": "TCP"}]}

    def list(self, version: int) -> list[dict]:
        if version not in self.lists:
            self.lists[version] = [self.object(name, made) for name, made in sorted(self.state["slices"].items())]
        return self.lists[version]

    def follow(self) -> None:
        while True:
            time.sleep(PERIOD)
            self.take()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, message: str) -> None:
        self.answer(status, {"kind": "Status", "status": "Failure", "code": status, "message": message})

    def do_GET(self) -> None:
        url = urlparse(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        state = self.cluster.state
        if self.headers["Authorization"] != f"Bearer {state['token']}":
            return self.refuse(401, "Unauthorized")
        if state["forbidden"]:
            return self.refuse(403, "endpointslices.discovery.k8s.io is forbidden")
        selector = f"kubernetes.io/service-name in ({','.join(state['services'])})"
        if url.path != PATH.format(**state) or query.get("labelSelector") != selector:
            return self.refuse(404, f"not found: {self.path}")
        self.watch(query) if query.get("watch") == "true" else self.list(query)

    def list(self, query: dict) -> None:
        with self.cluster.changed:
            version, at = map(int, query.get("continue", f"{self.cluster.version}/0").split("/"))
            items = self.cluster.list(version)
        more = {"continue": f"{version}/{at + 1}"} if at + 1 < len(items) else {}
        self.answer(200, {"kind": "EndpointSliceList", "metadata": {"resourceVersion": str(version), **more},
                          "items": items[at:at + 1]})

    def chunk(self, event: dict) -> None:
        data = json.dumps(event).encode() + b"\n"
        # A line may come in pieces.
        for part in (data[:7], data[7:]):
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.flush()

    def watch(self, query: dict) -> None:
        cluster = self.cluster
        seen = int(query["resourceVersion"])
        generation = cluster.state["generation"]
        if seen < cluster.state["oldest"]:
            return self.refuse(410, "too old resource version")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end = time.monotonic() + int(query["timeoutSeconds"])
        while time.monotonic() < end:
            with cluster.changed:
                cluster.changed.wait(min(BOOKMARKS, max(0.0, end - time.monotonic())))
                news = [event for event in cluster.events if event[0] > seen]
                version, broken = cluster.version, cluster.state["generation"] != generation
            if broken:
                self.close_connection = True
                return
            for _, kind, item in news:
                self.chunk({"type": kind, "object": item})
            if query.get("allowWatchBookmarks") == "true":
                self.chunk({"type": "BOOKMARK", "object": {"kind": "EndpointSlice",
                                                           "metadata": {"resourceVersion": str(version)}}})
            seen = version
        self.wfile.write(b"0\r\n\r\n")


def main() -> None:
    listen, certificate, key, state = sys.argv[1:]
    address, port = listen.split(":")
    Handler.cluster = Cluster(Path(state))
    threading.Thread(target=Handler.cluster.follow, daemon=True).start()
    server = ThreadingHTTPServer((address, int(port)), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    # Handshakes belong to the threads of connections, or one that says nothing holds up all.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
