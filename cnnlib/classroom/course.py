"""A course's folder, opened by nbgrader."""

import os
import sys
from pathlib import Path

from nbgrader.apps import NbGraderAPI
from traitlets.config.loader import PyFileConfigLoader


def open_course(course: Path) -> NbGraderAPI:
    """nbgrader for the course in this folder.

    Raises:
        FileNotFoundError: if the folder is no course.
    """
    if not (course / "nbgrader_config.py").is_file():
        raise FileNotFoundError(f"{course}: no course (there is no nbgrader_config.py)")
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    root = course.resolve()
    config.CourseDirectory.root = str(root)
    if "db_url" not in config.CourseDirectory:  # nbgrader's own, but several may write by turns
        config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}?timeout=60"
    own = str(Path(sys.executable).parent)  # nbgrader calls the program alembic of our environment
    if own not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([own, os.environ["PATH"]])
    return NbGraderAPI(config=config)


def release(course: Path) -> None:
    """Write the students' notebooks of all assignments into ``release``.

    Raises:
        RuntimeError: with nbgrader's reason, if it cannot.
    """
    api = open_course(course)
    for assignment in sorted(api.get_source_assignments()):
        said = api.generate_assignment(assignment, force=True)
        if not said["success"]:
            raise RuntimeError(f"{assignment}: {reason_of(said)}")


def reason_of(said: dict) -> str:
    """Why nbgrader could not do a thing, in one line."""
    text = f"{said.get('log') or ''}\n{said.get('error') or ''}"
    lines = [line.strip() for line in text.splitlines() if "Error" in line or "Exception" in line]
    return lines[0] if lines else "nbgrader gave no reason"
