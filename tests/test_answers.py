"""What was said in answer to a request, and by whom."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async import (
    ApiError,
    ContentRejected,
    IdealError,
    InvalidRequest,
    NotTheApi,
    OutOfCredits,
    RateLimited,
    RequestFailed,
    ServerError,
    Task,
    TaskFailed,
    Unauthorized,
    UnexpectedAnswer,
)
from ideal_async._answers import Answer, read_look, read_retry_after, read_submit
from ideal_async._retry import Failure, Sent
from ideal_async._wire import LARGEST_ANSWER

ID = 1234567890123456789


def errors_of(http_status: int, content: bytes, **more: Any) -> list[IdealError]:
    """What a submit and a look are told."""
    answer = Answer(http_status, content, **more)
    errors = []
    for outcome in (read_submit(answer), read_look(answer, ID)):
        assert isinstance(outcome, Failure)
        errors.append(outcome.error)
    return errors


def wrap(code: Any, message: Any = "no", data: Any = None) -> bytes:
    return json.dumps({"code": code, "message": message, "data": data}).encode()


@pytest.mark.parametrize("http_status", [200, 201, 400, 500])
@pytest.mark.parametrize("code", [0, "0"])
def test_code_zero_is_success_whatever_the_http_status(code: Any, http_status: int) -> None:
    """The page: 0 indicates success."""
    assert read_submit(Answer(http_status, wrap(code, "success", ID))) == ID
    task = read_look(Answer(http_status, wrap(code, "success", {"id": ID, "status": "Processing"})), ID)
    assert isinstance(task, Task)


@pytest.mark.parametrize("http_status", [200, 400, 401, 402, 422, 500, 503])
@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (1001, RequestFailed),
        (1003, ServerError),
        (1011, InvalidRequest),
        (5002, Unauthorized),
        (9010, ContentRejected),
        (9051, OutOfCredits),
        (7777, ApiError),
        (-1, ApiError),
        (429, RateLimited),
    ],
)
def test_an_error_code_counts_with_any_http_status(code: int, cls: type[ApiError], http_status: int) -> None:
    """The page names seven and no HTTP status; a code it does not name survives as `ApiError`."""
    for written in (code, str(code)) if code > 0 else (code,):
        for error in errors_of(http_status, wrap(written, "Invalid API Key"), retry_after=3.0):
            assert type(error) is cls
            assert isinstance(error, ApiError)
            assert (error.code, error.message, error.http_status) == (code, "Invalid API Key", http_status)
            assert error.retry_after == 3.0


def test_prohibited_content_is_a_refusal_of_a_submit_and_the_end_of_a_task() -> None:
    """9038 comes in place of the task."""
    refused, ended = errors_of(200, wrap(9038, "prohibited"))
    assert type(refused) is ContentRejected
    assert isinstance(ended, TaskFailed)
    assert (ended.reason, ended.task_id) == ("prohibited", ID)


@pytest.mark.parametrize("content", [wrap(7777), b"slow down", b"", b"{}"])
def test_http_429_is_a_rate_limit_under_any_name(content: bytes) -> None:
    """With an envelope of an unknown code, or with none."""
    for error in errors_of(429, content, retry_after=9.0):
        assert isinstance(error, RateLimited)
        assert error.retry_after == 9.0


@pytest.mark.parametrize(
    ("http_status", "content"),
    [
        (500, b""),
        (502, b"<html><h1>502 Bad Gateway</h1></html>"),
        (503, b'{"error": "unavailable"}'),
        (504, b'{"code": 504, "message": "upstream timed out"}'),
        (200, b'{"code": 503, "message": "Service Unavailable"}'),
    ],
)
def test_a_gateway_in_trouble_is_a_server_error(http_status: int, content: bytes) -> None:
    """It speaks HTML, or JSON of its own; its codes are those of HTTP, not the vendor's four digits."""
    for error in errors_of(http_status, content):
        assert isinstance(error, ServerError)
        assert error.code in range(500, 600)


@pytest.mark.parametrize("http_status", [200, 302, 400, 404])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html><title>Sign in</title>",
        b'{"code": 0, "message": "success", "data": 12345678',
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"code"',
        b"17",
        b"{}",
        b'{"message": "success", "data": 5}',
        b'{"code": null}',
        b'{"code": true}',
        b'{"code": 0.0}',
        b'{"code": NaN}',
        b'{"code": "zero"}',
        b'{"code": [0]}',
        b'{"code": ' + b"9" * 10_000 + b"}",
        b"[" * 100_000,
    ],
    ids=lambda content: repr(content)[:30],
)
def test_what_is_no_envelope_is_not_the_api(content: bytes, http_status: int) -> None:
    """Never a bare `JSONDecodeError`, `KeyError` or `RecursionError`, and never a guess."""
    for error in errors_of(http_status, content, answered_by="nginx"):
        assert isinstance(error, NotTheApi)
        assert (error.http_status, error.answered_by) == (http_status, "nginx")
        assert len(error.excerpt) <= 200
        assert "check base_url, the proxy and the network" in str(error)


@pytest.mark.parametrize(
    ("content", "more", "excerpt"),
    [
        (b"<html>\n  <h1>Sign in</h1>\n</html>", {}, "<html> <h1>Sign in</h1> </html>"),
        (b"", {}, ""),
        (b"", {"location": "https://portal.example/?token=1"}, "Location: https://portal.example/"),
        (b"see https://me:secret@a.example/x?sig=1 .", {}, "see https://a.example/x ."),
        ("请登录".encode("gbk"), {"content_type": "text/html; charset=GBK"}, "请登录"),
        (b"abc " * 2000, {}, "abc " * 49 + "abc…"),
        (b"y " * LARGEST_ANSWER, {}, f"(more than {LARGEST_ANSWER} bytes) " + "y " * 86 + "y…"),
        (b"your key 0123456789abcdef0123456789abcdef is unknown", {}, "your key … is unknown"),
        (
            b"",
            {"location": f"https://sso.a-company.example/login/{'t' * 40}/x"},
            "Location: https://sso.a-company.example/login/…/x",
        ),
        (b"\x1b[31mno\x07", {}, "�[31mno�"),
        (b"", {"problem": "the body is packed as 'br'"}, "the body is packed as 'br'"),
    ],
)
def test_an_excerpt_shows_who_spoke_and_no_secret(content: bytes, more: Any, excerpt: str) -> None:
    """Enough to recognise a login page by."""
    for error in errors_of(404, content, **more):
        assert isinstance(error, NotTheApi)
        assert error.excerpt == excerpt
        assert error.excerpt in str(error)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("soon", "object expected @ $.data"),
        ({"title": "a page"}, "id, status and output missing @ $.data"),
        ({"id": 8, "status": "Processing"}, "another task's id @ $.data.id"),
        (
            {"id": 7, "status": "Success", "output": {"resultUrl": "v.mp4"}},
            "no absolute http(s) URL @ $.data.output.resultUrl",
        ),
    ],
)
def test_what_breaks_the_contract_is_named_and_shown(data: Any, problem: str) -> None:
    """Problems by their place, and the beginning of the answer without what may be secret, also of one not read."""
    more = {"data": data, "url": "https://me:secret@a.example/x?sig=secret", "token": "0123456789abcdef" * 2}
    look = read_look(Answer(200, json.dumps({"code": 0, "message": "success", **more}).encode()), 7)
    assert isinstance(look, Failure)
    assert isinstance(look.error, UnexpectedAnswer)
    assert (look.error.problems, look.error.task_id) == ([problem], 7)
    assert look.error.excerpt.startswith('{"code": 0, "message": "success", "data": ')
    assert not {"secret", "0123456789abcdef"} & set(re.findall(r"\w+", look.error.excerpt))
    submit = read_submit(Answer(200, json.dumps({"code": 0, **more}).encode()))
    assert isinstance(submit, Failure)
    assert isinstance(submit.error, UnexpectedAnswer)
    assert submit.error.excerpt.startswith('{"code": 0, "data": ')


def test_an_envelope_needs_no_more_than_its_code() -> None:
    """`data` may be left out, a byte order mark be there, and a message missing."""
    assert read_submit(Answer(200, b'\xef\xbb\xbf{"code": 0, "data": 7}')) == 7
    for error in errors_of(200, b'{"code": 1011}'):
        assert isinstance(error, InvalidRequest)
        assert error.message == "no message"


#: A message in other clothes, what its bytes are, and what the header says of them.
CLOTHES: list[tuple[bytes, str, str]] = [
    ("积分不足".encode("gbk"), "application/json;charset=GBK", "积分不足"),
    ("积分不足".encode("gbk"), "application/json", "积分不足"),
    ("誠品".encode("big5"), 'application/json; charset="Big5"', "誠品"),
    ("不足".encode("shift_jis"), "application/json; charset=Shift_JIS", "不足"),
    ("crédits".encode("latin-1"), "application/json; charset=ISO-8859-1", "crédits"),
    ("crédits €".encode("cp1252"), "application/json; charset=windows-1252", "crédits €"),
    ("crédit".encode()[:3], "application/json", "cr\ufffd"),
    (b"caf\xe9", "application/json; charset=utf-8", "caf\ufffd"),
    (b"caf\xe9", "application/json; charset=no-such-thing", "caf\ufffd"),
    (b"caf\xe9", "application/json; charset=punycode", "caf\ufffd"),
    (b"line 1\nline 2\ttab", "", "line 1\nline 2\ttab"),
    (rb"half \ud83d", "", "half ?"),
    (b"half \xed\xa0\xbd", "", "half \ufffd\ufffd\ufffd"),
]


@pytest.mark.parametrize(("message", "content_type", "words"), CLOTHES)
def test_the_code_counts_however_its_message_is_written(message: bytes, content_type: str, words: str) -> None:
    """Not in UTF-8, declared or not, a raw line break, half a surrogate pair; and it can be printed."""
    content = b'{"code":9051,"message":"' + message + b'","data":null}'
    for error in errors_of(200, content, content_type=content_type):
        assert isinstance(error, OutOfCredits)
        assert error.message == words
        assert str(error).encode()
    assert (
        read_submit(Answer(200, content.replace(b"9051", b"0").replace(b"null", b"7"), content_type=content_type)) == 7
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_an_envelope_in_another_unicode_is_read(encoding: str) -> None:
    """JSON's first bytes tell."""
    assert read_submit(Answer(200, '{"code":0,"message":"é","data":7}'.encode(encoding))) == 7


def test_a_message_is_cut_to_a_readable_length() -> None:
    """A page of text in a message is no message; and what is no text becomes one."""
    for message in ("x" * 100_000, ["x"] * 100_000, {"x": "x" * 100_000}):
        for error in errors_of(200, wrap(1001, message)):
            assert isinstance(error, RequestFailed)
            assert (len(error.message), error.message[-1]) == (500, "…")


NOON = datetime(2026, 10, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("0", None, 0.0),
        (" 7 ", None, 7.0),
        ("59.97", None, 59.97),
        ("60.", None, 60.0),
        ("Wed, 21 Oct 2026 12:01:00 GMT", "Wed, 21 Oct 2026 12:00:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 12:01:00 GMT", None, 60.0),
        ("Wed, 21 Oct 2026 12:01:00 GMT", "soon", 60.0),
        ("Wed, 21 Oct 2026 12:01:00 -0000", None, 60.0),
        ("Wednesday, 21-Oct-26 12:01:00 GMT", None, 60.0),
        ("Wed, 21 Oct 2026 11:00:00 GMT", None, 0.0),
        ("", None, None),
        ("soon", None, None),
        ("-5", None, None),
        ("1e3", None, None),
        ("nan", None, None),
        ("\u0667", None, None),
        ("9" * 5000, None, None),
        ("Wed, 99 Oct 2026 12:01:00 GMT", None, None),
        ("Mon, 01 Jan 0000 00:00:00 +2500", None, None),
        ("a" * 100_000, None, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(value: str, date: str | None, seconds: float | None) -> None:
    """Seconds, fractions of them, and dates, by the clock of whoever wrote them."""
    assert read_retry_after(value, date, NOON) == seconds


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([0, "0", 1001, 1003, 200, 429]) | json_values,
        "message": json_values,
        "data": json_values,
    },
)


@given(
    st.binary(max_size=60) | (json_values | envelopes).map(lambda value: json.dumps(value).encode()),
    st.integers(100, 599),
    st.booleans(),
)
def test_any_answer_has_a_verdict(content: bytes, http_status: int, complete: bool) -> None:
    """Whatever comes: an id only where there is one, a task, or one of our errors; and a refusal carries no id."""
    answer = Answer(http_status, content, complete=complete)
    submitted, looked = read_submit(answer), read_look(answer, ID)
    assert isinstance(looked, Task | Failure)
    if isinstance(submitted, int):
        assert answer.envelope is not None
        assert (answer.envelope.code, int(answer.envelope.data or 0)) == (0, submitted)
    elif submitted.sent is Sent.ANSWERED:
        assert complete or answer.envelope is not None
        assert (
            answer.envelope is None or not isinstance(answer.envelope.data, int) or answer.envelope.data in (0, False)
        )
