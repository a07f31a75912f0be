"""What the sandbox takes as a request, and what it refuses with which code."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async.sandbox._codes import CODES, Refused
from ideal_async.sandbox._openapi import EXAMPLES
from ideal_async.sandbox._orders import Order, read_order, read_task_id

ROOM = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p"}


def read(**fields: Any) -> Order:
    return read_order(json.dumps(ROOM | fields).encode())


def code_of(body: bytes) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        read_order(body)
    return refused.value.code.number, refused.value.message


def test_defaults_are_the_pages() -> None:
    """ModelType defaults to Flash, generateAudio to false."""
    assert read() == Order("https://example.com/room.jpg", 5, "720p", "Flash", generate_audio=False)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ROOM | {"modelType": "Flash"}),
        ({"generateAudio": False}, ROOM | {"modelType": "Flash"}),
        ({"modelType": "Base"}, ROOM | {"modelType": "Base", "generateAudio": False}),
        (
            {"modelType": "Base", "generateAudio": True, "prompt": ""},
            ROOM | {"modelType": "Base", "generateAudio": True, "prompt": ""},
        ),
        ({"extra": [1]}, ROOM | {"modelType": "Flash"}),
    ],
)
def test_input_is_echoed_as_in_the_pages_examples(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    """The default model is shown, audio only for Base, and optional fields only where they were given."""
    assert read(**fields).echo() == shown


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_vendors_examples_are_taken_and_echoed_in_order(name: str) -> None:
    """Field for field, in the order of the page's answers."""
    example = EXAMPLES[name]
    echo = read_order(json.dumps(example).encode()).echo()
    assert echo == example
    if name == "first-last frame":
        assert list(echo) == ["imageUrl", "lastImageUrl", "duration", "resolution", "modelType", "prompt"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"duration": 7}, "duration"),
        ({"duration": "5"}, "duration"),
        ({"duration": True}, "duration"),
        ({"duration": 5.0}, "duration"),
        ({"duration": None}, "duration"),
        ({"resolution": "4k"}, "resolution"),
        ({"resolution": 720}, "resolution"),
        ({"resolution": []}, "resolution"),
        ({"modelType": "flash"}, "modelType"),
        ({"modelType": None}, "modelType"),
        ({"generateAudio": "true", "modelType": "Base"}, "generateAudio"),
        ({"generateAudio": 1, "modelType": "Base"}, "generateAudio"),
        ({"generateAudio": True}, "generateAudio"),
        ({"generateAudio": True, "modelType": "Flash"}, "generateAudio"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"imageUrl": ""}, "imageUrl"),
        ({"imageUrl": "room.jpg"}, "imageUrl"),
        ({"imageUrl": "/home/me/room.jpg"}, "imageUrl"),
        ({"imageUrl": "ftp://example.com/room.jpg"}, "imageUrl"),
        ({"imageUrl": "file:///etc/passwd"}, "imageUrl"),
        ({"imageUrl": "data:image/png;base64,AAAA"}, "imageUrl"),
        ({"imageUrl": "https://"}, "imageUrl"),
        ({"imageUrl": "https://example.com:x/room.jpg"}, "imageUrl"),
        ({"imageUrl": "https://[::1/room.jpg"}, "imageUrl"),
        ({"imageUrl": "https://example.com/my room.jpg"}, "imageUrl"),
        ({"imageUrl": "https://example.com/\ud800.jpg"}, "imageUrl"),
        ({"imageUrl": "https://example.com/" + "a" * 2048}, "imageUrl"),
        ({"imageUrl": 1}, "imageUrl"),
        ({"lastImageUrl": None}, "lastImageUrl"),
        ({"lastImageUrl": "x"}, "lastImageUrl"),
    ],
)
def test_a_bad_field_is_1011_and_named(fields: dict[str, Any], named: str) -> None:
    """PARAM_ERROR, and the message says which parameter."""
    number, message = code_of(json.dumps(ROOM | fields).encode())
    assert number == 1011
    assert message.startswith(f"Request parameter error: {named}")


def test_a_json_true_is_no_integer() -> None:
    """Python thinks it is; Java, and the page, do not."""
    assert code_of(json.dumps(ROOM | {"duration": True}).encode())[1].endswith("duration must be an integer")


@pytest.mark.parametrize("missing", ROOM)
def test_required_fields_are_required(missing: str) -> None:
    """Each of the three, by name."""
    body = json.dumps({name: value for name, value in ROOM.items() if name != missing}).encode()
    assert code_of(body) == (1011, f"Request parameter error: {missing} is required")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\xfa", b"[" * 100_000, b"null", b"[]", b'"x"', b"5"])
def test_a_body_that_is_no_object_is_1011(body: bytes) -> None:
    """Missing, broken, absurdly nested, or JSON of another kind."""
    assert code_of(body)[0] == 1011


@pytest.mark.parametrize("prompt", ["nude", "A NUDE figure", "guns, weapon!", "nsfw"])
def test_a_reviewed_word_is_9010(prompt: str) -> None:
    """Text review looks for whole words, in any case."""
    assert code_of(json.dumps(ROOM | {"prompt": prompt}).encode())[0] == 9010


@pytest.mark.parametrize("prompt", ["denuded hills", "weaponless", "prohibited"])
def test_other_words_pass_review(prompt: str) -> None:
    """Parts of words do not count, and what makes the *output* prohibited is not a matter of the text."""
    assert read(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    ("query", "task_id"),
    [
        (b"taskId=1234567890123456789", 1234567890123456789),
        (b"x=1&taskId=0", 0),
        (b"taskId=9223372036854775807", 2**63 - 1),
    ],
)
def test_task_ids_are_longs(query: bytes, task_id: int) -> None:
    """All 64 bits of them."""
    assert read_task_id(query) == task_id


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"taskid=1",
        b"taskId=",
        b"taskId=x",
        b"taskId=-1",
        b"taskId=1.0",
        b"taskId=1e3",
        b"taskId=9223372036854775808",
        b"taskId=" + b"9" * 5000,
        b"taskId=1&taskId=2",
        b"taskId=%D9%A1",
        b"taskId=1n",
    ],
)
def test_anything_else_is_1011(query: bytes) -> None:
    """Missing, twice, not decimal, too large."""
    with pytest.raises(Refused) as refused:
        read_task_id(query)
    assert refused.value.code.number == 1011


def answer_to(body: bytes) -> int | Order:
    try:
        return read_order(body)
    except Refused as refused:
        return refused.code.number


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Every body that is no order is a documented refusal."""
    assert answer_to(body) in CODES


VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([5, "480p", "Base", "https://a.test/"])


@given(st.dictionaries(st.sampled_from([*ROOM, "modelType", "generateAudio", "prompt", "lastImageUrl"]), VALUES))
def test_no_field_breaks_the_reader(fields: dict[str, Any]) -> None:
    """Right names with any values, too; what is taken is echoed unchanged."""
    answer = answer_to(json.dumps(ROOM | fields).encode())
    if isinstance(answer, Order):
        echo = answer.echo()
        assert {name: echo[name] for name in echo if name in fields} == {
            name: fields[name] for name in echo if name in fields
        }
    else:
        assert answer in {1011, 9010}
