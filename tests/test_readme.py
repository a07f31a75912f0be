"""What the README shows is what runs."""

import email
import re
import subprocess
import sys
import tomllib
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


@pytest.mark.slow
@pytest.mark.checkout
def test_nothing_is_dead_on_the_package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page is the README, each link and picture of which leads to the one repository that the project names."""
    from hatchling import build

    monkeypatch.chdir(README.parent)
    folder = tmp_path / build.prepare_metadata_for_build_wheel(str(tmp_path))
    metadata = email.message_from_string((folder / "METADATA").read_text("utf-8"))
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = metadata.get_payload()
    assert isinstance(page, str)
    targets = re.findall(r"\]\(([^)]*)\)", page)
    assert targets
    assert not [target for target in targets if not target.startswith("https://")]
    urls = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]["urls"]
    within = [path for path in re.findall(r"\]\(([^)]*)\)", README.read_text("utf-8")) if not path.startswith("http")]
    for path in within:
        assert Path(path.partition("#")[0]).exists(), f"the README links {path}, which is not there"
        assert any(target.startswith(urls["Source"]) and target.endswith(f"/main/{path}") for target in targets)
    assert all(url.startswith(urls["Source"]) for url in urls.values())
