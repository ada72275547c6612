"""JSON and TOML of unknown origin."""

import pytest

from rnnhw.files import read_json, read_toml

JSON = {
    "deep arrays": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "digits": "9" * 5_000,
    "twice": '{"a": 1, "b": 2, "a": 3}',
    "NaN": '{"a": NaN}',
    "infinite": '{"a": 1e999}',
    "half": '{"a": ',
    "nothing": "",
}


@pytest.mark.parametrize("text", JSON.values(), ids=JSON)
def test_hostile_json_is_an_error_in_one_line(text):
    with pytest.raises(ValueError, match=r"\S") as caught:
        read_json(text.encode())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


TOML = {
    "deep arrays": "a = " + "[" * 100_000,
    "deep tables": "a = " + "{b = " * 100_000,
    "digits": "a = " + "9" * 5_000,
    "twice": "a = 1\na = 2",
    "half": "a = ",
}


@pytest.mark.parametrize("text", TOML.values(), ids=TOML)
def test_hostile_toml_is_an_error_in_one_line(text):
    with pytest.raises(ValueError, match=r"\S") as caught:
        read_toml(text.encode())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_plain_texts_are_read():
    assert read_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert read_toml(b"[a]\nb = 1") == {"a": {"b": 1}}


@pytest.mark.parametrize("read", [read_json, read_toml])
def test_bytes_that_are_no_text_are_an_error(read):
    with pytest.raises(ValueError, match="utf-8"):
        read(b"a = \xff")
