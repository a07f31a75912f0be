"""What the README shows is what runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_python_blocks_run(number: int, tmp_path: Path) -> None:
    """Each Python block is a program that runs offline as it stands, in an empty folder and without a key."""
    script = tmp_path / "example.py"
    script.write_text(BLOCKS[number], "utf-8")
    result = subprocess.run(  # noqa: S603 - our own README
        [sys.executable, "-W", "error", script.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_there_are_examples() -> None:
    """The README shows the main job in Python."""
    assert BLOCKS
