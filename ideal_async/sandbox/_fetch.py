"""Fetching a customer's image, within limits."""

import httpx

from ._studio import CannotFetch


def fetch_image(url: str) -> bytes:
    """The bytes behind *url*."""
    try:
        answer = httpx.get(url, timeout=10, follow_redirects=True).raise_for_status()
    except httpx.HTTPError as error:
        raise CannotFetch(str(error)) from error
    return answer.content
