#!/usr/bin/env python3
"""Validates what random walks through the masks of JSON schemas spell, with python3-jsonschema.

    ./dev bench grammar.masks      # builds write_samples too
    bench/grammar/validate_samples.py --suite JSON-Schema-Test-Suite/tests --samples 20

The schemas are those of the test suite and some of the kind that clients send.
"""

import argparse
import glob
import json
import subprocess
import sys

import jsonschema

# What JSON Schema, whose expressions are ECMA's, means for ASCII, Python means for all of Unicode.
OTHER_IN_PYTHON = [r"\\W", r"\\s"]

CLIENTS = [
    {"type": "object", "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{2,5}$"},
                 "minItems": 1, "maxItems": 3}},
     "required": ["name", "tags"], "additionalProperties": False},
    {"$defs": {"node": {"type": "object", "properties": {
        "value": {"type": "number", "exclusiveMinimum": -0.5, "maximum": 2.25},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
        "required": ["value", "next"], "additionalProperties": False}},
     "$ref": "#/$defs/node"},
    {"oneOf": [
        {"type": "object", "properties": {"kind": {"const": "circle"},
                                          "radius": {"type": "number", "minimum": 0}},
         "required": ["kind", "radius"], "additionalProperties": False},
        {"type": "object", "properties": {"kind": {"const": "note"}, "text": {"type": "string"}},
         "required": ["kind"], "additionalProperties": {"type": "integer"}}]},
    {"type": "object", "properties": {
        key: {"type": "string", "format": key}
        for key in ["date", "time", "date-time", "uuid", "ipv4", "ipv6", "email", "hostname", "uri",
                    "duration"]},
     "required": ["date", "ipv6", "uuid"]},
    {"type": "object", "properties": {"a": {"type": "boolean"}, "ab": {"type": "null"}},
     "additionalProperties": {"type": "string"}},
    {"type": "array", "items": {"type": "integer", "exclusiveMinimum": -1234, "maximum": 56789},
     "minItems": 5},
    {"type": "array", "items": {"type": "number", "minimum": -1.05, "exclusiveMaximum": 0.3},
     "minItems": 5},
    {"type": "array", "items": {"type": "number", "exclusiveMaximum": -12.75}, "minItems": 5},
    {"type": "array", "items": {"type": "number", "exclusiveMinimum": 99.5, "maximum": 100},
     "minItems": 5},
    {"type": ["string", "null"], "pattern": "a[^b]+\\\\?\"$"},
    {"allOf": [{"properties": {"a": {"type": "integer"}}},
               {"properties": {"a": {"minimum": 5}, "b": {"type": "array"}}, "required": ["a"]}],
     "type": "object", "maxProperties": 2},
    {"type": "object"},
]


def suite_schemas(folder):
    for path in sorted(glob.glob(folder + "/**/*.json", recursive=True)):
        if path.endswith("content.json"):
            continue
        draft7 = "draft7" in path
        with open(path, encoding="utf-8") as file:
            for group in json.load(file):
                if not any(part in json.dumps(group["schema"]) for part in OTHER_IN_PYTHON):
                    yield group["schema"], draft7


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="build/release/bin/write_samples")
    parser.add_argument("--model", default="configs/models/baton-tiny")
    parser.add_argument("--suite", help="folder of the JSON Schema Test Suite's tests")
    parser.add_argument("--samples", type=int, default=10)
    args = parser.parse_args()

    schemas = [(schema, False) for schema in CLIENTS]
    if args.suite:
        schemas += suite_schemas(args.suite)
    lines = "".join(json.dumps(schema) + "\n" for schema, _ in schemas)
    done = subprocess.run([args.program, args.model, str(args.samples)], input=lines.encode(),
                          stdout=subprocess.PIPE, check=True)
    answers = done.stdout.decode().rstrip("\n").split("\n")
    refused = samples = wrong = 0
    for (schema, draft7), answer in zip(schemas, answers, strict=True):
        answer = json.loads(answer)
        if "error" in answer:
            refused += 1
            if schema in CLIENTS:
                print("refused:", answer["error"])
            continue
        kind = jsonschema.Draft7Validator if draft7 else jsonschema.Draft202012Validator
        validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
        for text in answer["samples"]:
            samples += 1
            try:
                value = json.loads(text)
                error = next(validator.iter_errors(value), None)
            except ValueError as not_json:
                error = not_json
            if error is not None:
                wrong += 1
                print("schema", json.dumps(schema), "\n  text", text, "\n  error", error)
    print(f"{len(schemas)} schemas, {refused} refused; {samples} samples, {wrong} of them invalid")
    return 1 if wrong or not samples else 0


if __name__ == "__main__":
    sys.exit(main())
