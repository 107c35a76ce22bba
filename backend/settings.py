"""Process-wide settings. The environment is read here, once, and passed down as a ``Settings``.

    settings = Settings.from_env()          # SCVI_STUDIO_* variables over the defaults
    settings = Settings(workspace=tmp_path) # in a test

Creating one touches no disk.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import BadInput

PROJECT = Path(__file__).resolve().parent.parent
GIGABYTE = 1e9  # as disks and file managers count


@dataclass(frozen=True, slots=True)
class Settings:
    workspace: Path
    data_dirs: tuple[Path, ...] = ()  # folders on the server whose files may be opened; empty: workspace/data
    max_upload_bytes: int = int(20 * GIGABYTE)
    threads: int | None = None  # for torch; None: what torch chooses
    checkpoint_seconds: float = 30.0  # a running run is checkpointed at least this often, at an epoch's end

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read ``SCVI_STUDIO_WORKSPACE``, ``_DATA_DIRS``, ``_MAX_UPLOAD_GB``, ``_THREADS``, ``_CHECKPOINT_SECONDS``."""
        env = os.environ if env is None else env
        threads = _number(env, "SCVI_STUDIO_THREADS", 0)
        return cls(
            workspace=Path(env.get("SCVI_STUDIO_WORKSPACE") or _usual_workspace()).expanduser().absolute(),
            data_dirs=tuple(
                Path(part).expanduser().absolute()
                for part in env.get("SCVI_STUDIO_DATA_DIRS", "").split(os.pathsep)
                if part
            ),
            max_upload_bytes=int(_number(env, "SCVI_STUDIO_MAX_UPLOAD_GB", 20) * GIGABYTE),
            threads=int(threads) or None,
            checkpoint_seconds=_number(env, "SCVI_STUDIO_CHECKPOINT_SECONDS", 30),
        )

    def environment(self) -> dict[str, str]:
        """This process's environment for one that is to use the same workspace."""
        return {**os.environ, "SCVI_STUDIO_WORKSPACE": str(self.workspace)}

    @property
    def allowed_dirs(self) -> tuple[Path, ...]:
        return self.data_dirs or (self.workspace / "data",)

    @property
    def uploads_dir(self) -> Path:
        return self.workspace / "uploads"

    @property
    def sources_dir(self) -> Path:
        return self.workspace / "sources"

    @property
    def prepared_dir(self) -> Path:
        return self.workspace / "prepared"

    @property
    def runs_dir(self) -> Path:
        return self.workspace / "runs"

    @property
    def cache_dir(self) -> Path:
        return self.workspace / "cache"

    @property
    def registry_path(self) -> Path:
        return self.workspace / "registry.sqlite3"

    @property
    def lock_path(self) -> Path:
        return self.workspace / "server.lock"


def _usual_workspace() -> Path:
    """Beside ``app.py`` in a checkout; in the home folder where this is installed among other packages."""
    in_checkout = (PROJECT / "requirements.txt").exists()
    return PROJECT / "workspace" if in_checkout else Path("~/scvi-studio")


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise BadInput(f"{name} must be a number, and is {text!r}.") from None
    if not value >= 0:
        raise BadInput(f"{name} must not be negative, and is {text!r}.")
    return value
