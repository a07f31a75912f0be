"""Photographs in, videos out: a bucket of yours at both ends (extra `buckets`; for `prepare=` also `photos`).

Example:
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> bucket = Bucket(f"file://{folder}", url="https://photos.example/tour")
    >>> str(bucket / "videos" / "order-42.mp4") == f"file://{folder}/videos/order-42.mp4"
    True
"""

try:
    from ._bucket import Bucket, BucketPath
except ModuleNotFoundError as error:
    if error.name != "obstore":
        raise
    raise ImportError("buckets need obstore: pip install 'ideal-async[buckets]'") from error
from ._photos import Fit

__all__ = ["Bucket", "BucketPath", "Fit"]
