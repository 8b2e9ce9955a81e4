"""Visits the live page of a Baton that is served: visit.py FACT URL. Each fact is a function below.

Exit code 77: there is no Chromium here. BATON_SERVE_PID is the process of `baton serve`.
"""

import json
import os
import pathlib
import shutil
import signal
import sys

from chromium import Chromium

READY = "document.querySelector('#state').dataset.state === 'ready'"
ANSWERED = "document.querySelector('#outcome').textContent.includes('tokens')"


def names(browser, role):
    return browser.value("[...document.querySelectorAll('.lane.%s .name')].map((n) => n.textContent)" % role)


def ask(browser, prompt):
    browser.value("document.querySelector('#prompt').value = %s" % json.dumps(prompt))
    browser.value("document.querySelector('#send').click()")


def it_draws_the_workers_light_and_dark_wide_and_narrow(browser, url):
    browser.open(url)
    browser.wait(READY)
    assert names(browser, "prefill") == ["p0"], names(browser, "prefill")
    assert names(browser, "decode") == ["d0"], names(browser, "decode")
    browser.wait("document.querySelector('#lanes .lane-track') !== null")  # They are joined.
    pictures = {}
    for scheme in ("light", "dark"):
        for width in (1360, 390):
            browser.size(width, 900)
            browser.prefer(prefers_color_scheme=scheme)
            picture = browser.screenshot()
            assert len(picture) > 20000, "an empty picture has less"
            pictures[scheme, width] = picture
            wider = browser.value("document.documentElement.scrollWidth - innerWidth")
            assert wider <= 0, "it is %d pixels too wide at %d" % (wider, width)
    assert len(set(pictures.values())) == 4
    assert not browser.problems, browser.problems


def it_streams_an_answer_with_its_route_and_times(browser, url):
    browser.open(url)
    browser.wait(READY)
    browser.value("""new MutationObserver(() => window.pieces = (window.pieces ?? 0) + 1)
        .observe(document.querySelector('#text'), {childList: true})""")
    ask(browser, "Who are you?")
    browser.wait(ANSWERED)
    assert "baton-tiny" in browser.value("document.querySelector('#text').textContent")
    assert browser.value("window.pieces") > 1, "the answer came at once"
    stops = browser.value("[...document.querySelectorAll('#route .stop')].map((s) => s.textContent)")
    assert stops == ["p0", "d0"], stops
    stages = browser.value("document.querySelector('#stages').textContent")
    assert "prefill" in stages and "transfer" in stages and "ms" in stages, stages
    browser.wait("document.querySelector('#why').textContent.includes('Handed over')")
    browser.wait("document.querySelector('.vital.ttft .figure').textContent.includes('ms')")
    assert not browser.problems, browser.problems


def router():
    serve = os.environ["BATON_SERVE_PID"]
    for child in pathlib.Path("/proc", serve, "task", serve, "children").read_text().split():
        if b"router" in pathlib.Path("/proc", child, "cmdline").read_bytes().split(b"\0"):
            return int(child)
    return None


def it_says_that_the_router_is_gone_and_goes_on_when_it_is_back(browser, url):
    browser.open(url)
    browser.wait(READY)
    frozen = router()
    os.kill(frozen, signal.SIGSTOP)
    browser.wait("document.querySelector('#state').dataset.state === 'gone'")
    assert "cannot be reached" in browser.value("document.querySelector('#notice').innerText")
    os.kill(frozen, signal.SIGKILL)  # The supervisor starts another.
    browser.wait(READY)
    assert router() != frozen
    assert browser.value("document.querySelector('#notice').hidden")
    ask(browser, "Who are you?")
    browser.wait(ANSWERED)


def it_asks_for_a_key_where_the_server_does(browser, url):
    browser.open(url)
    browser.wait("document.querySelector('#state').dataset.state === 'locked'")
    assert names(browser, "prefill") == []
    browser.value("""document.querySelector('#key').value = 'one';
        document.querySelector('#key').dispatchEvent(new Event('change'))""")
    browser.wait(READY)
    assert names(browser, "prefill") == ["p0"]
    ask(browser, "Who are you?")
    browser.wait(ANSWERED)


def it_shows_what_it_is_told_as_text(browser, url):
    evil = "<img src=x onerror=alert(1)>"
    browser.call("Page.addScriptToEvaluateOnNewDocument", {"source": """
        const evil = %s, real = window.fetch;
        window.fetch = async (path, ...more) => {
          const response = await real(path, ...more);
          if (path !== 'fleet') return response;
          const answer = await response.json();
          answer.model = evil;
          answer.fleet.decisions = [{where: evil, reason: evil, count: 1}];
          for (const worker of answer.fleet.workers) {
            worker.name = evil + worker.name;
            if (worker.role === 'decode') worker.join_problems = [{peer: evil + 'p0', problem: evil}];
          }
          return new Response(JSON.stringify(answer));
        };""" % json.dumps(evil)})
    browser.open(url)
    browser.wait(READY)
    assert names(browser, "prefill") == [evil + "p0"]
    browser.wait("document.querySelector('#problems').textContent.includes('onerror')")
    assert browser.value("document.querySelectorAll('img').length") == 1, "the mark alone"
    assert not browser.problems, browser.problems


def main():
    fact, url = sys.argv[1:]
    if shutil.which("chromium") is None:
        sys.exit(77)
    browser = Chromium()
    try:
        globals()[fact](browser, url)
    finally:
        browser.close()


if __name__ == "__main__":
    main()
