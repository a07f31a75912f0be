"""Photographs in, videos out: a bucket of yours at both ends (extra `buckets`; for `prepare=` also `photos`).

Example:
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> bucket = Bucket(f"file://{folder}", url="https://photos.example/tour")
    >>> str(bucket / "videos" / "order-42.mp4") == f"file://{folder}/videos/order-42.mp4"
    True
"""

from ._bucket import Bucket, BucketPath
from ._photos import Fit

__all__ = ["Bucket", "BucketPath", "Fit"]
