"""JSON against a schema that is itself checked once."""

from functools import cache

import jsonschema

__all__ = ["valid"]


def valid(value, schema) -> None:
    """Assert that ``value`` is valid against what the function ``schema`` returns."""
    _validator(schema).validate(value)


@cache
def _validator(schema):
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())
