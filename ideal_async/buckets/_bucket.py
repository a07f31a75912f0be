"""`Bucket`: gives photographs a URL, and takes videos in."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote

import anyio
import attrs

from ideal_async import UploadFailed

from ._arguments import check_kinds, open_store
from ._photos import Fit, media_type_of, suffix_of
from ._store import Store, StoreFailed

#: Bytes of a photograph, at most; it is read as a whole.
LARGEST_PHOTO = 64 << 20
#: Photographs published at once by `Bucket.publish`.
_AT_ONCE = 4
#: The same photograph is not put twice at the same time; others rarely wait for it.
_LOCKS = 64


class Bucket:
    """A folder in a store of yours: photographs go in and get a URL, videos are delivered.

    Everything is stored under its name once and visible as a whole. Credentials are found as the store's own tools find
    them: the environment, a service's own identity, and for S3, where boto3 is installed, its profiles.

    Args:
        place: `s3://bucket/folder` (S3, R2, MinIO...), `gs://bucket/folder`, `az://container/folder`, or
            `file:///folder` with *url*.
        lifetime: Seconds that the URL of a photograph is good for. The service fetches it when the task starts, so it
            has to outlast the queue. S3 and Google sign for a week at most.
        prepare: `True` or a `Fit`: make photographs upright, not too large, JPEG, free of EXIF.
        url: Of a `file:` folder, where the service can fetch from it.
        profile: Of AWS, read by boto3.
        config: Further settings, as obstore names them: `{"endpoint": "https://…"}` for MinIO or R2, `{"allow_http":
            "true"}` where that is plain http in a network of yours.
        scratch: A folder of this machine for videos on their way into the bucket, kept when a delivery breaks off;
            by default one in the system's temporary folder.

    Raises:
        TypeError: A setting is of another kind.
        ValueError: The place cannot be used, or the store gives no such lifetime.
        ImportError: *prepare* needs the extra `photos`.

    Example:
        >>> bucket = Bucket("s3://photos/tour", lifetime=3600)
        >>> str(bucket / "videos/order-42.mp4")
        's3://photos/tour/videos/order-42.mp4'
    """

    def __init__(
        self,
        place: str,
        *,
        lifetime: float = 86_400.0,
        prepare: Fit | bool | None = None,
        url: str | None = None,
        profile: str | None = None,
        config: Mapping[str, str] | None = None,
        scratch: str | os.PathLike[str] | None = None,
    ) -> None:
        check_kinds(place=place, lifetime=lifetime, prepare=prepare, url=url, profile=profile, config=config)
        self._store: Store = open_store(place, lifetime=lifetime, url=url, profile=profile, config=config or {})
        self._settings = lifetime, prepare, url, profile, config, scratch
        self._place = place.rstrip("/")
        self._lifetime = lifetime
        self._fit = Fit() if prepare is True else prepare or None
        self._scratch = None if scratch is None else Path(scratch)
        self._locks = [Lock() for _ in range(_LOCKS)]
        self._slots: anyio.CapacityLimiter | None = None
        self._folder: str | None = None  # its URL

    def __str__(self) -> str:
        return self._place

    def __repr__(self) -> str:
        return f"Bucket({self._place!r}, lifetime={self._lifetime:g}, prepare={self._fit})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._place, *self._settings)  # an outcome holds one, and may go to another process

    def __truediv__(self, name: str) -> "BucketPath":
        return BucketPath(self, "") / name

    async def publish(self, path: str | os.PathLike[str]) -> str:
        """Make a photograph fetchable, and return the URL, signed for `lifetime` seconds from now.

        It is named by what is in it (SHA-256, and how it is prepared), so the same photograph is stored once.

        Raises:
            ValueError: It is no picture, or the store cannot give that lifetime.
            OSError: It cannot be read.
            UploadFailed: The store said no.
        """
        if self._slots is None:
            self._slots = anyio.CapacityLimiter(_AT_ONCE)
        return await anyio.to_thread.run_sync(self._publish, Path(path), limiter=self._slots)

    def _publish(self, path: Path) -> str:
        address = self.address(path)
        self.put(path, address)
        return self.sign(address)

    def name_of(self, path: str | os.PathLike[str]) -> str:
        """Tell the name that a photograph has here, by what is in it. Blocking; asks nobody.

        Raises:
            ValueError: It is no picture.
            OSError: It cannot be read.
        """
        return self._name(_read(Path(path)), Path(path))

    # What `AsyncClient(uploads=bucket)` calls, in threads.

    def address(self, path: Path) -> str:
        """Tell the URL that a photograph will have, without a signature: the same for the same content. Blocking.

        Raises:
            ValueError: It is no picture.
            OSError: It cannot be read.
            UploadFailed: The store said no.
        """
        name = self.name_of(path)
        try:
            return self._address(name)
        except StoreFailed as error:
            raise self._failed(path, error) from error

    def put(self, path: Path, address: str) -> None:
        """Store a photograph, unless it is there. Blocking.

        Raises:
            UploadFailed: The store said no.
            ValueError: It is another one by now.
        """
        name = _name_in(address)
        try:
            with self._locks[int(name[:8], 16) % _LOCKS]:
                if self._store.holds(name):
                    return
                content = _read(path)
                if self._name(content, path) != name:
                    raise ValueError(f"{path} was changed while it was being published: submit it again")
                if self._fit is not None:
                    content = _prepare(self._fit, content, path)
                self._store.put(name, content, media_type_of(Path(name).suffix))
        except StoreFailed as error:
            raise self._failed(path, error) from error

    def sign(self, address: str) -> str:
        """Sign the URL of what is stored here, for `lifetime` seconds from now. Blocking.

        Raises:
            ValueError: It lies elsewhere.
            UploadFailed: The store cannot sign.
        """
        folder = self.address_of("")
        if not address.startswith(folder):
            raise ValueError(f"{address} does not lie in {self}, {folder}: pass uploads= the bucket in which it does")
        try:
            return self._store.sign(unquote(address[len(folder) :]), self._lifetime)
        except StoreFailed as error:
            raise self._failed(None, error) from error

    def address_of(self, name: str) -> str:
        """Tell the URL of a name, without a signature. Blocking; asks nobody but for keys.

        Raises:
            UploadFailed: The store cannot sign.
        """
        try:
            return self._address(name)
        except StoreFailed as error:
            raise self._failed(None, error) from error

    def _address(self, name: str) -> str:
        if self._folder is None:  # once: where a machine's identity signs, each signature is a request to Google
            self._folder = self._store.sign("x", self._lifetime).partition("?")[0][:-1]
        return self._folder + quote(name)

    def _name(self, content: bytes, path: Path) -> str:
        suffix = suffix_of(content)
        if suffix is None:
            raise ValueError(f"{path} is no picture (JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC): its first bytes say so")
        digest = hashlib.sha256(content).hexdigest()
        if self._fit is not None:
            return f"{digest}-{self._fit.version}.jpg"
        if suffix == ".heic":
            raise ValueError(f"{path} is HEIC, which few services read: pass prepare=True to publish it as JPEG")
        return digest + suffix

    def _failed(self, path: Path | None, error: StoreFailed) -> UploadFailed:
        what = "a photograph" if path is None else str(path)
        return UploadFailed(
            f"{what} could not be published in {self}: {error}; nothing was sent",
            path=None if path is None else str(path),
        )

    @property
    def scratch(self) -> Path:
        """A folder of ours alone, made when there is none. Blocking."""
        if self._scratch is not None:
            self._scratch.mkdir(parents=True, exist_ok=True)
            return self._scratch
        uid = os.getuid() if hasattr(os, "getuid") else 0
        folder = Path(tempfile.gettempdir()) / f"ideal-async-{uid}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != uid):
            raise PermissionError(f"{folder} belongs to somebody else: pass scratch=")
        return folder


def _again(place: str, *settings: Any) -> Bucket:
    names = ("lifetime", "prepare", "url", "profile", "config", "scratch")
    return Bucket(place, **dict(zip(names, settings, strict=True)))


def _read(path: Path) -> bytes:
    found = path.stat()
    if not S_ISREG(found.st_mode):  # to read a pipe may take for ever
        raise ValueError(f"{path} is no file that can be read again: copy the picture into one")
    size = found.st_size
    if size > LARGEST_PHOTO:
        raise ValueError(f"{path} has {size} bytes, which is no photograph: {LARGEST_PHOTO} at most")
    return path.read_bytes()


def _prepare(fit: Fit, content: bytes, path: Path) -> bytes:
    try:
        return fit.prepare(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _name_in(address: str) -> str:
    return address.rpartition("/")[2]


@attrs.frozen
class BucketPath:
    """A name in a bucket: where `AsyncClient.download` delivers to, or a folder for `batch(..., save=)`.

    Attributes:
        bucket: In which it is.
        name: Words between single slashes.

    Example:
        >>> str(BucketPath(Bucket("s3://photos/tour"), "videos") / "order-42.mp4")
        's3://photos/tour/videos/order-42.mp4'
    """

    bucket: Bucket = attrs.field(eq=str)
    name: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.name}"

    def __truediv__(self, name: str) -> "BucketPath":
        words = name.split("/")
        if any(word in ("", ".", "..") or not word.isprintable() for word in words):
            raise ValueError(f"{name!r} is no name in a bucket: words between single slashes, none of them . or ..")
        return attrs.evolve(self, name="/".join(filter(None, (self.name, *words))))

    @property
    def address(self) -> str:
        """Its URL, without a signature: what `ImageToVideo(bucket / "room.jpg", ...)` remembers. May read the keys."""
        return self.bucket.address_of(self.name)

    # What `AsyncClient.download` calls, in threads.

    def holds(self, mark: str) -> bool:
        """Tell whether the object is there, delivered with that mark. Blocking."""
        return self._store.holds(self.name, mark)

    def local(self, mark: str) -> Path:
        """Tell where the object is collected before it is delivered. Blocking."""
        digest = hashlib.sha256(f"{self}\n{mark}".encode()).hexdigest()[:32]
        return self.bucket.scratch / digest

    def deliver(self, file: Path, media_type: str, mark: str) -> None:
        """Put a file, whole or not at all, and remove it here. Blocking."""
        self._store.put(self.name, file, media_type, mark)
        file.unlink(missing_ok=True)

    @property
    def _store(self) -> Store:
        return self.bucket._store  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - two faces of one thing
