#!/usr/bin/env python3
"""Checks JSON files against a schema of the OCI specifications, by Debian's python3-jsonschema.

    validate.py SCHEMA FILE...     prints what does not fit; exit status 1 if anything does not
"""
import json
import os
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # of RefResolver, from version 4.18 on

import jsonschema  # noqa: E402


class Resolver(jsonschema.RefResolver):
    """Finds what a schema refers to in the schema's own directory, and never on the network."""

    def __init__(self, path, schema):
        super().__init__("file://" + os.path.abspath(path), schema)
        self.directory = os.path.dirname(path)

    def resolve_remote(self, uri):
        with open(os.path.join(self.directory, os.path.basename(uri)), encoding="utf-8") as f:
            return json.load(f)


def problems(schema_path, path):
    with open(schema_path, encoding="utf-8") as f:
        schema = json.load(f)
    try:
        with open(path, encoding="utf-8") as f:
            document = json.load(f)
    except ValueError as error:
        return [f"not JSON: {error}"]
    validator = jsonschema.Draft4Validator(schema, resolver=Resolver(schema_path, schema))
    return [f"{'.'.join(map(str, e.absolute_path)) or 'top'}: {e.message}" for e in validator.iter_errors(document)]


def main():
    bad = 0
    for path in sys.argv[2:]:
        for problem in problems(sys.argv[1], path):
            print(f"{path}: {problem}")
            bad = 1
    sys.exit(bad)


if __name__ == "__main__":
    main()
