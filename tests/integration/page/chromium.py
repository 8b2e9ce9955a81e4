"""A headless Chromium, driven through pipes by its DevTools protocol. Needs nothing but Python."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


class Chromium:
    """One browser with one tab. Every wait ends, with TimeoutError, after `patience_s`."""

    def __init__(self, patience_s=60):
        self.patience_s = patience_s
        self.problems = []  # What the page complained of.
        self._folder = tempfile.mkdtemp(prefix="chromium-")
        self._next = 0
        self._answers = {}
        self._buffer = b""
        self._start()
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def _start(self):
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        # A shell moves the pipes to where Chromium wants them.
        command = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                 "--no-first-run", "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
                 "--user-data-dir=" + self._folder]
        self._process = subprocess.Popen(
            ["bash", "-c", command, "bash", str(theirs_in), str(theirs_out), "chromium", *flags],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)

    def close(self):
        try:
            self._call("Browser.close")
            self._process.wait(10)
        except (TimeoutError, OSError, RuntimeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._folder, ignore_errors=True)

    # The protocol: JSON texts, each ended by a NUL.

    def call(self, method, parameters=None):
        return self._call(method, parameters, self._session)

    def _call(self, method, parameters=None, session=None):
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + self.patience_s
        while self._next not in self._answers:
            self._read(deadline)
        answer = self._answers.pop(self._next)
        if "error" in answer:
            raise RuntimeError(method + ": " + answer["error"]["message"])
        return answer["result"]

    def _read(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._in], [], [], left)[0]:
            raise TimeoutError("Chromium does not answer")
        piece = os.read(self._in, 1 << 20)
        if not piece:
            raise RuntimeError("Chromium has ended")
        *messages, self._buffer = (self._buffer + piece).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._note(message["method"], message["params"])

    def _note(self, method, event):
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self.problems.append(event["entry"]["text"] + " " + event["entry"].get("url", ""))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "assert"):
            self.problems.append(json.dumps(event["args"]))

    # What a visitor does and sees.

    def open(self, url):
        self.call("Page.navigate", {"url": url})
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600})

    def prefer(self, **features):
        """E.g. prefers_color_scheme="dark"."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", {"features": named})

    def value(self, expression):
        result = self.call("Runtime.evaluate", {
            "expression": expression, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in result:
            raise RuntimeError(expression + ": " + json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def wait(self, expression):
        """Until a JavaScript expression holds; its value."""
        deadline = time.monotonic() + self.patience_s
        while True:
            value = self.value(expression)
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(expression + " did not come to hold; the page says: " +
                                   self.value("document.body.innerText"))
            self._idle(0.05)

    def _idle(self, seconds):
        """Lets events come in meanwhile."""
        if select.select([self._in], [], [], seconds)[0]:
            self._read(time.monotonic() + self.patience_s)

    def screenshot(self, whole_page=False):
        """A PNG."""
        parameters = {"format": "png", "captureBeyondViewport": whole_page}
        if whole_page:
            content = self.call("Page.getLayoutMetrics")["cssContentSize"]
            parameters["clip"] = {"x": 0, "y": 0, "width": content["width"],
                                  "height": content["height"], "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", parameters)["data"])
