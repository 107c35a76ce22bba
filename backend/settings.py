"""Process-wide settings. The environment is read here, once, and passed down as a ``Settings``.

    settings = Settings.from_env()          # SCVI_STUDIO_* variables over the defaults
    settings = Settings(workspace=tmp_path) # in a test

Creating one touches no disk.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import BadInput

PROJECT = Path(__file__).resolve().parent.parent
MOST_WORKERS = 64
GIGABYTE = 1e9  # as disks and file managers count


@dataclass(frozen=True, slots=True)
class Network:
    """The way out of an institution's network, by the variables that every program there reads."""

    https_proxy: str = ""
    http_proxy: str = ""
    no_proxy: str = ""  # names that are reached without
    certificates: tuple[
        tuple[str, str], ...
    ] = ()  # variable and path of certificates to be trusted besides the usual

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Network:
        def read(name: str) -> str:
            return (env.get(name.lower()) or env.get(name) or "").strip()

        bundles = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        return cls(
            https_proxy=read("HTTPS_PROXY") or read("ALL_PROXY"),
            http_proxy=read("HTTP_PROXY") or read("ALL_PROXY"),
            no_proxy=read("NO_PROXY"),
            certificates=tuple((name, env[name]) for name in bundles if env.get(name)),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    workspace: Path
    data_dirs: tuple[Path, ...] = ()  # folders on the server whose files may be opened; empty: workspace/data
    max_upload_bytes: int = int(20 * GIGABYTE)
    threads: int | None = None  # for torch; None: what torch chooses
    workers: int | None = (
        None  # processes that train at once; None: one a card where there are several, else none
    )
    checkpoint_seconds: float = 30.0  # a running run is checkpointed at least this often, at an epoch's end
    token: str = ""  # what the log-in asks for; empty: one kept in the workspace, where a log-in is needed
    allowed_hosts: tuple[str, ...] = ()  # names besides its own that the server answers to: a proxy's
    network: Network = Network()

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, *, workspace: str = "") -> Settings:
        """Read ``SCVI_STUDIO_WORKSPACE``, ``_DATA_DIRS``, ``_MAX_UPLOAD_GB``, ``_THREADS`` and the others below.

        Parameters
        ----------
        workspace
            Wins over the variable.

        Raises
        ------
        BadInput
            A value that cannot be used; the sentence names its variable.
        """
        env = os.environ if env is None else env
        threads = env.get("SCVI_STUDIO_THREADS", "").strip()
        given = workspace or env.get("SCVI_STUDIO_WORKSPACE") or _usual_workspace()
        dirs = env.get("SCVI_STUDIO_DATA_DIRS", "").split(os.pathsep)
        gigabytes = _number(env, "SCVI_STUDIO_MAX_UPLOAD_GB", 20, "a number", 0.001, 1_000_000)
        return cls(
            workspace=_path(given, "The workspace"),
            data_dirs=tuple(_folder(part, "SCVI_STUDIO_DATA_DIRS") for part in dirs if part),
            max_upload_bytes=int(gigabytes * GIGABYTE),
            threads=int(_number(env, "SCVI_STUDIO_THREADS", 1, "a whole number", 1, 4096))
            if threads
            else None,
            workers=int(_number(env, "SCVI_STUDIO_WORKERS", 1, "a whole number", 1, MOST_WORKERS))
            if env.get("SCVI_STUDIO_WORKERS", "").strip()
            else None,
            checkpoint_seconds=_number(env, "SCVI_STUDIO_CHECKPOINT_SECONDS", 30, "a number", 0, 86_400),
            token=_token(env, "SCVI_STUDIO_TOKEN"),
            allowed_hosts=tuple(
                filter(None, map(str.strip, env.get("SCVI_STUDIO_ALLOWED_HOSTS", "").split(",")))
            ),
            network=Network.from_env(env),
        )

    def environment(self) -> dict[str, str]:
        """This process's environment for one that is to use the same workspace."""
        workers = {} if self.workers is None else {"SCVI_STUDIO_WORKERS": str(self.workers)}
        return {**os.environ, "SCVI_STUDIO_WORKSPACE": str(self.workspace), **workers}

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


def _usual_workspace() -> str:
    """Beside ``app.py`` in a checkout; in the home folder where this is installed among other packages."""
    in_checkout = (PROJECT / "requirements.txt").exists()
    return str(PROJECT / "workspace") if in_checkout else "~/scvi-studio"


def _token(env: Mapping[str, str], name: str) -> str:
    token = env.get(name, "").strip()
    if token and not (6 <= len(token) <= 200 and token.isprintable() and " " not in token):
        raise BadInput(
            f"{name} must have 6 to 200 characters and no spaces, and has {len(token):,}. Leave it out to have "
            "one made."
        )
    return token


def _path(text: str, what: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, ValueError):
        raise BadInput(f"{what} cannot be {text!r}: there is no such home folder.") from None


def _folder(text: str, name: str) -> Path:
    folder = _path(text, name)
    if not os.path.isdir(folder):  # never raises, whatever the path
        raise BadInput(f"{name} names {text!r}, and there is no such folder.")
    return folder


def _number(env: Mapping[str, str], name: str, default: float, kind: str, low: float, high: float) -> float:
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or (kind == "a whole number" and not value.is_integer()):
        raise BadInput(f"{name} must be {kind} between {low:g} and {high:,g}, and is {text[:60]!r}.")
    return value
