"""A stand-in for Google Cloud Storage, over a real socket: as much of its XML API as a bucket needs.

No emulator that can be installed (gcp-storage-emulator, fake-gcs-server) takes an XML `PUT`, a HEAD and an upload of
several parts. This one holds to what Google documents of them, and checks every signature with the key's public half.

Source: Google's "XML API reference" and "V4 signing process with your own program".
"""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

EMAIL = "tests@project.iam.gserviceaccount.example"


class GoogleStore(ThreadingHTTPServer):
    """Buckets in memory, and the account that may use them."""

    def __init__(self, *buckets: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.buckets: dict[str, dict[str, tuple[bytes, dict[str, str]]]] = {name: {} for name in buckets}
        self.uploads: dict[str, tuple[dict[int, bytes], dict[str, str]]] = {}
        self.asked: list[str] = []
        #: Without the right to list, 404 would tell what is there: Google and Amazon say 403.
        self.may_list = True
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def account(self) -> str:
        """The JSON file of a service account, with a key that was made for this test."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        fields = {"client_email": EMAIL, "private_key_id": "1", "private_key": pem.decode(), "gcs_base_url": self.url}
        return json.dumps({"type": "service_account", **fields})

    def is_signed(self, text: bytes, signature: bytes) -> bool:
        """Tell whether the account has signed that."""
        try:
            self._key.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


@contextmanager
def open_google(*buckets: str) -> Iterator[GoogleStore]:
    """Serve for a while."""
    with GoogleStore(*buckets) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: GoogleStore

    def log_message(self, *_: object) -> None: ...

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        bucket, _, name = unquote(parts.path).lstrip("/").partition("/")
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(f"{self.command} {name}")
        if not (self._has_token() or self._has_signature(parts.path, query)):
            return self._refuse(403, "AccessDenied")
        objects = self.server.buckets.get(bucket)
        if objects is None:
            return self._refuse(404, "NoSuchBucket")
        if self.command in ("GET", "HEAD"):
            return self._give(objects.get(name))
        if self.command == "PUT" and "uploadId" in query:
            self.server.uploads[query["uploadId"]][0][int(query["partNumber"])] = content
        elif self.command == "PUT":
            objects[name] = content, self._kept()
        elif "uploads" in query:
            upload = f"upload-{len(self.server.uploads)}"
            self.server.uploads[upload] = {}, self._kept()
            fields = f"<Bucket>{bucket}</Bucket><Key>{name}</Key><UploadId>{upload}</UploadId>"
            return self._answer(
                200, f"<InitiateMultipartUploadResult>{fields}</InitiateMultipartUploadResult>".encode()
            )
        else:
            pieces, kept = self.server.uploads.pop(query["uploadId"])
            wanted = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", content)]
            content = b"".join(pieces[number] for number in wanted)
            objects[name] = content, kept
        said = f"<CompleteMultipartUploadResult><ETag>{_etag(content)}</ETag></CompleteMultipartUploadResult>"
        return self._answer(200, b"" if self.command == "PUT" else said.encode(), ETag=_etag(content))

    def _give(self, found: tuple[bytes, dict[str, str]] | None) -> None:
        if found is None:
            return self._refuse(404, "NoSuchKey") if self.server.may_list else self._refuse(403, "AccessDenied")
        return self._answer(200, found[0], ETag=_etag(found[0]), **found[1])

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - as its base calls them

    def _kept(self) -> dict[str, str]:
        """What an object has beside its content."""
        kept = re.compile(r"content-type|x-goog-meta-", re.IGNORECASE)
        return {name: value for name, value in self.headers.items() if kept.match(name)}

    def _has_token(self) -> bool:
        """A JWT that the account signed itself (RFC 7519; RS256)."""
        found = re.fullmatch(r"Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)", self.headers.get("Authorization", ""))
        if found is None:
            return False
        claims: dict[str, Any] = json.loads(_decode(found[2]))
        fresh = claims["exp"] > time.time() and claims["iss"] == EMAIL
        return fresh and self.server.is_signed(f"{found[1]}.{found[2]}".encode(), _decode(found[3]))

    def _has_signature(self, path: str, query: dict[str, str]) -> bool:
        """A URL that the account signed, and that has not expired."""
        query = dict(query)
        signature = query.pop("X-Goog-Signature", None)
        if signature is None:
            return False
        at = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if (datetime.now(UTC) - at).total_seconds() > int(query["X-Goog-Expires"]):
            return False
        words = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))
        signed = query["X-Goog-SignedHeaders"].split(";")
        given = {**self.headers, "host": "storage.googleapis.com"}  # whose place this takes
        headers = "".join(f"{name}:{given[name]}\n" for name in signed)
        request = "\n".join([self.command, path, words, headers, ";".join(signed), "UNSIGNED-PAYLOAD"])
        scope = query["X-Goog-Credential"].partition("/")[2]
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join(["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest])
        return self.server.is_signed(text.encode(), bytes.fromhex(signature))

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode())

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(HTTPStatus(status))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
