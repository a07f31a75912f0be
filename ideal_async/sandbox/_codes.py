"""The envelope every JSON answer wears, and the vendor's error codes."""

import json
from typing import Any

import attrs


@attrs.frozen
class Code:
    """One row of the vendor's "Error Code Reference"."""

    number: int
    name: str
    message: str
    #: What `Sandbox(http_errors=True)` answers with instead of 200; the page names no HTTP status.
    http_status: int


FAILED = Code(1001, "FAILED", "Request failed", 400)
INTERNAL_ERROR = Code(1003, "INTERNAL_ERROR", "Internal server error", 500)
PARAM_ERROR = Code(1011, "PARAM_ERROR", "Request parameter error", 400)
API_KEY_INVALID = Code(5002, "API_KEY_INVALID", "Invalid API Key", 401)
SCAN_TEXT_ERROR = Code(9010, "SCAN_TEXT_ERROR", "Text prompt failed content review", 422)
PROHIBITED_CONTENT = Code(9038, "PROHIBITED_CONTENT", "Generated output image contains prohibited content", 422)
COINS_NOT_ENOUGH = Code(9051, "COINS_NOT_ENOUGH", "Insufficient coins / credits", 402)

#: Every documented code, by number.
CODES = {
    code.number: code
    for code in (
        FAILED,
        INTERNAL_ERROR,
        PARAM_ERROR,
        API_KEY_INVALID,
        SCAN_TEXT_ERROR,
        PROHIBITED_CONTENT,
        COINS_NOT_ENOUGH,
    )
}


class Refused(Exception):
    """The service says no: becomes an error envelope.

    *detail* replaces the page's general message where a better one helps ("Check the message field for specific
    error details"), and *http_status* the code's own.
    """

    def __init__(self, code: Code, detail: str | None = None, *, http_status: int | None = None) -> None:
        super().__init__(code, detail)
        self.code = code
        self.http_status = code.http_status if http_status is None else http_status
        self.message = code.message if detail is None else f"{code.message}: {detail}"


def write_json(value: object) -> bytes:
    """*value* as compact UTF-8 JSON.

    >>> write_json({"code": 0})
    b'{"code":0}'
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def success(data: Any) -> dict[str, Any]:
    """The envelope of an answer.

    >>> success(1234567890123456789)
    {'code': 0, 'message': 'success', 'data': 1234567890123456789}
    """
    return {"code": 0, "message": "success", "data": data}


def failure(number: int, message: str) -> dict[str, Any]:
    """The envelope of an error: "all error responses share the same JSON structure".

    >>> failure(5002, "Invalid API Key")
    {'code': 5002, 'message': 'Invalid API Key', 'data': None}
    """
    return {"code": number, "message": message, "data": None}
