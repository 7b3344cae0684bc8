"""The pages that are made of the table of problems are the committed ones, and their links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

from hyperkms.problem_table import PROBLEMS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_committed_pages_are_what_the_table_makes() -> None:
    words = [sys.executable, str(ROOT / "scripts" / "make_docs.py"), "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_code_has_an_entry_in_both_pages() -> None:
    errors = (DOCS / "errors.md").read_text()
    troubleshooting = (DOCS / "troubleshooting.md").read_text()
    for code in PROBLEMS:
        assert f"(troubleshooting.md#{code})" in errors
        assert f"\n### {code}\n" in troubleshooting


def test_every_link_to_a_file_or_heading_of_the_documents_leads_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if "://" in target:
                continue
            name, _, heading = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            assert path.exists(), f"{page.name}: {target}"
            if heading:
                assert heading in _anchors(path), f"{page.name}: {target}"


def _anchors(page: Path) -> set[str]:
    """As GitHub makes them: lower case, spaces as hyphens, other signs dropped."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
