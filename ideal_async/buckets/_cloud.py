"""A bucket in a cloud: S3 and its kin, Google, Azure. Everything here blocks."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import PermissionDeniedError
from obstore.store import from_url

from ._store import speaking

#: Seconds that a presigned URL may live: AWS Signature Version 4, and Google's V4 signing process.
_WEEK = 7 * 86_400
LONGEST_LIFETIMES = {"s3": _WEEK, "s3a": _WEEK, "gs": _WEEK}
CLOUDS = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
#: Seconds that temporary keys without a known end are trusted for: what a role's session lasts by default.
_SESSION = 3600.0
#: The metadata that says which task an object came from; Azure takes letters only.
_MARK = "idealtask"
#: Bytes a part, of which a put sends four at a time; seconds for each request, and for all its repetitions.
_CHUNK = 8 << 20
_CLIENT = {"timeout": "120s", "connect_timeout": "10s"}
#: Settings of the line and not of the store, as obstore names them.
_LINE = ("allow_http", "allow_invalid_certificates", "connect_timeout", "proxy_url", "root_certificate", "timeout")
#: Where a store is said to be, by the environment; and that it may be spoken to without encryption.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL")
_PLAIN = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_RETRY: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=120)}


class Cloud:
    """A bucket of S3 and its kin, Google, or Azure, opened at its first use.

    Args:
        place: Such as `s3://photos/tour`.
        profile: Of AWS.
        config: Further settings, as obstore names them.
    """

    def __init__(self, place: str, *, profile: str | None, config: Mapping[str, str]) -> None:
        self._place = place
        self._profile = profile
        self._config = dict(config)
        self._lock = Lock()
        self._store: Any = None
        self._session_keys: Any = None

    def holds(self, name: str, mark: str | None = None) -> bool:
        """Ask with a HEAD."""
        store = self._open()
        with speaking():
            try:
                found = obstore.get(store, name, options={"head": True})
            except (FileNotFoundError, PermissionDeniedError):
                return False  # who may not list gets 403 for what is not there; a put shows whether nothing is allowed
        return mark is None or found.attributes.get(_MARK) == mark

    def put(self, name: str, content: bytes | Path, media_type: str, mark: str | None = None) -> None:
        """Put it in one piece, or in parts that are seen when they are all there."""
        attributes = {"Content-Type": media_type} | ({} if mark is None else {_MARK: mark})
        store = self._open()
        with speaking():
            obstore.put(store, name, content, attributes=attributes, chunk_size=_CHUNK, max_concurrency=4)

    def sign(self, name: str, lifetime: float) -> str:
        """Sign on this machine; keys that end too soon are renewed once.

        Raises:
            ValueError: The keys end before the URL should; or Azure would not know the name.
        """
        url = self._sign(name, lifetime)
        if self._ends_before(url, lifetime):
            with self._lock:
                self._store = None  # a new session with a role lasts longer than a used one
            url = self._sign(name, lifetime)
            if self._ends_before(url, lifetime):
                raise ValueError(
                    f"lifetime={lifetime:g} seconds is beyond what these temporary credentials are known to last: "
                    "pass a shorter lifetime=, lasting keys, or AWS_CREDENTIAL_EXPIRATION beside AWS_SESSION_TOKEN"
                )
        return url

    def _sign(self, name: str, lifetime: float) -> str:
        store = self._open()
        with speaking():
            url = obstore.sign(store, "GET", name, timedelta(seconds=lifetime))
        # obstore signs what is written in the URL, and Azure checks what it stands for.
        if not self._place.startswith(("s3", "gs")) and "%" in urlsplit(url).path:
            raise ValueError(f"Azure would refuse the URL of {name!r} in {self._place}: only ASCII, and no blanks or %")
        return url

    def _ends_before(self, url: str, lifetime: float) -> bool:
        """Tell whether a URL dies early, with the session that signed it."""
        if "x-amz-security-token=" not in url.lower():
            return False
        if hasattr(self._session_keys, "refresh_needed"):  # botocore's, of a role or a login
            return cast("bool", self._session_keys.refresh_needed(lifetime))
        try:
            end = datetime.fromisoformat(os.environ.get("AWS_CREDENTIAL_EXPIRATION", ""))
        except ValueError:
            return lifetime > _SESSION
        end = end if end.tzinfo else end.replace(tzinfo=UTC)
        return end < datetime.now(UTC) + timedelta(seconds=lifetime)

    def _open(self) -> Any:
        with self._lock:
            if self._store is None:
                with speaking():
                    self._store = self._connect()
            return self._store

    def _connect(self) -> Any:
        line: dict[str, Any] = dict(_CLIENT)
        endpoints = [*self._config.values(), *(os.environ.get(name, "") for name in _ENDPOINTS)]
        plain = any(os.environ.get(name, "").lower() in ("1", "true") for name in _PLAIN)
        if plain or any(urlsplit(endpoint).hostname in _LOOPBACK for endpoint in endpoints):  # there nobody listens in
            line["allow_http"] = "true"
        line |= {name: value for name, value in self._config.items() if name in _LINE}
        config = {name: value for name, value in self._config.items() if name not in _LINE}
        options: dict[str, Any] = {"client_options": line, "retry_config": _RETRY}
        given = self._profile is None and any(name.lower().endswith("access_key_id") for name in config)
        if self._place.startswith("s3") and not given:  # keys among the settings are nearer than any profile's
            self._session_keys, provider = _aws_keys(self._profile)
            if provider is not None:
                options["credential_provider"] = provider
        return from_url(self._place, config=cast("Any", config or None), **options)


def _aws_keys(profile: str | None) -> tuple[Any, Any]:
    """Find the keys of a profile, as boto3 does: these keys, and what gives them to obstore; without boto3 neither.

    Raises:
        ValueError: A profile is named, and there is no boto3 to read it, or it holds no keys.
    """
    if profile is None and "AWS_ACCESS_KEY_ID" in os.environ:
        return None, None  # obstore reads them itself
    if find_spec("boto3") is None:
        if profile is not None:
            raise ValueError(f"the profile {profile!r} is read by boto3: pip install boto3")
        return None, None
    import boto3  # pyright: ignore[reportMissingTypeStubs]
    from obstore.auth.boto3 import Boto3CredentialProvider

    session = boto3.Session(profile_name=profile)
    if session.get_credentials() is None:
        if profile is not None:
            raise ValueError(f"the profile {profile!r} holds no keys")
        return None, None  # a service's own identity, which obstore asks for
    provider = Boto3CredentialProvider(session)
    return provider.credentials, provider
