"""File names made of the names that people give."""

import re
import unicodedata

#: Bytes of the part of a file name that comes from a key. File systems take 255, and `-ID.mp4` needs 25.
LONGEST_NAME = 120
#: Names that Windows keeps for itself, whatever their suffix.
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def safe_name(text: str) -> str:
    """Make a file name of any text: one part of a path, on any system.

    Example:
        >>> safe_name("../../etc/passwd"), safe_name("Küche 3"), safe_name("con"), safe_name("")
        ('etc_passwd', 'Küche 3', '_con', 'job')
    """
    name = re.sub(r"[^\w .-]+", "_", unicodedata.normalize("NFC", text))
    name = re.sub(r"_*(?:\.{2,}_*)+", "_", name).strip("._ -")
    while len(name.encode()) > LONGEST_NAME:
        name = name[:-1]
    name = name.rstrip("._ -") or "job"
    # Windows leaves out blanks before the point, and takes the superscript one for a one.
    device = unicodedata.normalize("NFKC", name.partition(".")[0]).strip().lower()
    return f"_{name}" if device in DEVICES else name


def name_of_video(key: str | None, task_id: int) -> str:
    """Name the file of a task: by its key for people, by its id so that no two can meet.

    Example:
        >>> name_of_video("kitchen/2", 77), name_of_video(None, 77)
        ('kitchen_2-77.mp4', '77.mp4')
    """
    return f"{task_id}.mp4" if key is None else f"{safe_name(key)}-{task_id}.mp4"
