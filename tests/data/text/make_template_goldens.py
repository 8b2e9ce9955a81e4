#!/usr/bin/env python3
"""Writes template_goldens.json with Python's jinja2 (3.1.6 was used), set up as transformers does.

usage: make_template_goldens.py [folder with chat_templates.json and contexts.json]
"""
import datetime
import json
import pathlib
import sys

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from template_cases import CONTEXT, TEMPLATES

HERE = pathlib.Path(__file__).resolve().parent
NOW = 1700000000


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    def strftime_now(form):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime(form)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def render(env, template, context):
    try:
        return {"text": env.from_string(template).render(**context)}
    except Exception as error:  # what it says differs, that it fails does not
        return {"error": type(error).__name__}


def main():
    env = environment()
    cases = [{"template": t, **render(env, t, CONTEXT)} for t in TEMPLATES]
    models = []
    if len(sys.argv) > 1:
        folder = pathlib.Path(sys.argv[1])
        templates = json.loads((folder / "chat_templates.json").read_text())
        for name, context in json.loads((folder / "contexts.json").read_text()).items():
            for model, template in templates.items():
                models.append({"model": model, "context": name, **render(env, template, context)})
    goldens = {"unix_seconds": NOW, "context": CONTEXT, "cases": cases, "models": models}
    text = json.dumps(goldens, ensure_ascii=True, separators=(",", ":"))
    text = text.replace('{"template"', '\n{"template"').replace('{"model"', '\n{"model"')
    (HERE / "template_goldens.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
