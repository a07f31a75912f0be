"""Where objects lie: one way to speak to a cloud's store and to a folder. Everything here blocks."""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, cast
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from ideal_async import redact_url

try:
    import obstore
    from obstore.store import from_url
except ImportError as error:
    raise ImportError("buckets need obstore: pip install 'ideal-async[buckets]'") from error

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
#: Where a store is said to be, by the environment.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_RETRY: Any = {"max_retries": 5, "retry_timeout": timedelta(seconds=120)}


class StoreFailed(OSError):
    """What a store said, on one line and without signatures."""


class Store(Protocol):
    """A place for objects."""

    def holds(self, name: str, mark: str | None = None) -> bool:
        """Tell whether an object is there; with *mark*, whether it bears that."""
        ...

    def put(self, name: str, content: bytes | Path, media_type: str, mark: str | None = None) -> None:
        """Store an object, whole or not at all."""
        ...

    def sign(self, name: str, lifetime: float) -> str:
        """Make a URL under which anybody can fetch it for *lifetime* seconds."""
        ...


def _failed(error: Exception) -> StoreFailed:
    """Tell what an error of a store says: its first paragraph, and of URLs no more than where they lead."""
    text = " ".join(str(error).partition("\n\nDebug source")[0].split()) or type(error).__name__
    return StoreFailed(re.sub(r"\w+://[^\s,)]+", lambda found: redact_url(found[0]), text)[:500])


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
        try:
            found = obstore.get(store, name, options={"head": True})
        except FileNotFoundError:
            return False
        except Exception as error:
            raise _failed(error) from error
        return mark is None or found.attributes.get(_MARK) == mark

    def put(self, name: str, content: bytes | Path, media_type: str, mark: str | None = None) -> None:
        """Put it in one piece, or in parts that are seen when they are all there."""
        attributes = {"Content-Type": media_type} | ({} if mark is None else {_MARK: mark})
        store = self._open()
        try:
            obstore.put(store, name, content, attributes=attributes, chunk_size=_CHUNK, max_concurrency=4)
        except Exception as error:
            raise _failed(error) from error

    def sign(self, name: str, lifetime: float) -> str:
        """Sign on this machine; keys that end too soon are renewed once.

        Raises:
            ValueError: The keys end before the URL should.
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
        try:
            return obstore.sign(store, "GET", name, timedelta(seconds=lifetime))
        except Exception as error:
            raise _failed(error) from error

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
                try:
                    self._store = self._connect()
                except Exception as error:
                    raise _failed(error) from error
            return self._store

    def _connect(self) -> Any:
        options: dict[str, Any] = {"client_options": dict(_CLIENT), "retry_config": _RETRY}
        endpoints = [*self._config.values(), *(os.environ.get(name, "") for name in _ENDPOINTS)]
        if any(urlsplit(endpoint).hostname in _LOOPBACK for endpoint in endpoints):
            options["client_options"]["allow_http"] = True  # nobody listens in
        if self._place.startswith("s3"):
            self._session_keys, provider = _aws_keys(self._profile)
            if provider is not None:
                options["credential_provider"] = provider
        return from_url(self._place, config=cast("Any", self._config or None), **options)


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


class Folder:
    """A folder that some web server shows under a URL.

    Args:
        place: Such as `file:///srv/photos`.
        url: Of that folder.
    """

    def __init__(self, place: str, *, url: str) -> None:
        self._folder = Path(url2pathname(urlsplit(place).path))
        self._url = url.rstrip("/")

    def holds(self, name: str, mark: str | None = None) -> bool:
        """Look for the file, and for the note beside it."""
        if mark is None:
            return (self._folder / name).is_file()
        try:
            return (self._folder / name).is_file() and self._note(name).read_text("utf-8") == mark
        except OSError:
            return False

    def put(self, name: str, content: bytes | Path, media_type: str, mark: str | None = None) -> None:
        """Write it beside its place, then rename it; a web server tells media types from names."""
        del media_type
        try:
            store = from_url(self._folder.as_uri(), mkdir=True)
            self._note(name).unlink(missing_ok=True)  # a note outlives no file: a crash may come between the two
            obstore.put(store, name, content, use_multipart=False)
            if mark is not None:
                self._note(name).write_text(mark, "utf-8")
        except Exception as error:
            raise _failed(error) from error

    def sign(self, name: str, lifetime: float) -> str:
        """Give the URL as it is: how long the server shows it is the server's affair."""
        del lifetime
        return f"{self._url}/{quote(name)}"

    def _note(self, name: str) -> Path:
        path = self._folder / name
        return path.with_name(f".{path.name}.task")
