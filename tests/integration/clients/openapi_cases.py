"""Requests that schemathesis makes from /openapi.json, right ones and wrong ones: none may end in a
server's error, and each answer must be one that the description allows."""

import argparse
import atexit
import collections

import schemathesis
import schemathesis.cli

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]
# What a request without a limit of its own generates, times the choices it may ask for, is too much.
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
FEW_TOKENS = 4
FEW_CHOICES = 2
STATUSES = collections.Counter()


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if not isinstance(body, dict):
        return
    # Most names are of no model here, which hides what else a request says.
    if isinstance(body.get("model"), str) and len(body["model"]) % 4 != 3:
        del body["model"]
    for name in LIMITS:
        if isinstance(body.get(name), int) and body[name] > FEW_TOKENS:
            body[name] = FEW_TOKENS
    if case.path == "/v1/chat/completions" and body.get("max_tokens") is None:
        body.setdefault("max_completion_tokens", FEW_TOKENS)
    if case.path == "/v1/responses":
        body.setdefault("max_output_tokens", FEW_TOKENS)
    for name in ("n", "best_of"):
        if isinstance(body.get(name), int) and body[name] > FEW_CHOICES:
            body[name] = FEW_CHOICES


@schemathesis.hook
def after_call(context, case, response):
    STATUSES[case.path, response.status_code] += 1


def print_statuses():
    for (path, status), count in sorted(STATUSES.items()):
        print(f"{count:6} {status} {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", default="http://127.0.0.1:8000")
    parser.add_argument("--cases", type=int, default=50, help="for each operation and phase")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    atexit.register(print_statuses)
    schemathesis.cli.schemathesis(
        [
            "run",
            arguments.base_url + "/openapi.json",
            "--checks",
            ",".join(CHECKS),
            "--phases",
            "examples,coverage,fuzzing",
            "--mode",
            "all",
            "--max-examples",
            str(arguments.cases),
            "--seed",
            str(arguments.seed),
            "--continue-on-failure",
            "--request-timeout",
            "60",
            "--no-color",
        ]
    )


if __name__ == "__main__":
    main()
