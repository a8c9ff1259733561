"""What is wrong with a value, in words for people: pydantic's own are written for programmers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# By pydantic's types of errors (Pydantic documentation, "Validation Errors"), with the members of their context.
_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a JSON object",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be a JSON object",
    "string_pattern_mismatch": "does not have the right form",
    "string_too_long": "has more than {max_length} characters",
    "string_too_short": "has fewer than {min_length} characters",
    "string_type": "must be a text",
    "string_unicode": "must be valid Unicode",
    "too_long": "has more than {max_length} entries",
    "too_short": "has too few entries; at least {min_length} must be given",
    "tuple_type": "must be a list",
}


def in_plain_words(error: "ErrorDetails") -> str:
    """What pydantic says of one value, so that it can stand behind the name of its field."""
    words = _WORDS.get(error["type"])
    if words is None:  # what our own validators say is in plain words
        return error["msg"].removeprefix("Value error, ")
    return words.format(**error.get("ctx", {}))
