"""Which devices are there, and what is said about one that is not."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from backend.devices import Devices, _accelerators, _machine, cuda_cards, environment, resolve_accelerator
from backend.devices._accelerators import Platform, TorchBuild, cuda, mps
from backend.errors import BadInput, DeviceUnavailable
from backend.settings import Settings
from backend.types import Accelerator, notice

MAC = Platform("Darwin", "arm64", "14.5")
LINUX = Platform("Linux", "x86_64")
CPU_BUILD = TorchBuild("2.13.0+cpu")
CUDA_BUILD = TorchBuild("2.13.0+cu126", cuda_version="12.6")
METAL = TorchBuild("2.13.0", mps_built=True, mps_available=True)


@pytest.fixture
def devices(tmp_path: Path) -> Devices:
    return Devices(Settings(workspace=tmp_path))


def pretend(monkeypatch: pytest.MonkeyPatch, here: Platform, build: TorchBuild) -> None:
    monkeypatch.setattr(_accelerators, "_found", None)
    monkeypatch.setattr(_accelerators, "probe_platform", lambda: here)
    monkeypatch.setattr(_accelerators, "probe_torch", lambda: build)


def test_this_machine_lists_all_three_and_explains_what_is_missing(devices: Devices) -> None:
    found = devices.accelerators()
    assert [a.name for a in found] == ["cpu", "mps", "cuda"]
    assert found[0].available
    assert found[0].device_name
    for accelerator in found:
        assert accelerator.available == (accelerator.reason == "")
        assert bool(accelerator.device_name) == accelerator.available


@pytest.mark.parametrize(
    ("here", "build", "reason", "remedy"),
    [
        (LINUX, CPU_BUILD, "Apple silicon", ""),
        (Platform("Darwin", "x86_64", "14.5"), CPU_BUILD, "Intel processor", ""),
        (Platform("Darwin", "x86_64", "14.5", rosetta=True), CPU_BUILD, "Intel build", "arm64 Python"),
        (MAC, TorchBuild("2.13.0"), "without MPS", "pip install"),
        (Platform("Darwin", "arm64", "13.6"), TorchBuild("2.13.0", mps_built=True), "13.6", "Update macOS"),
        (MAC, TorchBuild("2.13.0", mps_built=True), "Metal", "Mac itself"),
    ],
)
def test_a_missing_apple_gpu_is_explained(
    here: Platform, build: TorchBuild, reason: str, remedy: str
) -> None:
    verdict = mps(here, build)
    assert not verdict.available
    assert reason in verdict.reason
    assert remedy in verdict.remedy


@pytest.mark.parametrize(
    ("here", "build", "reason", "remedy"),
    [
        (MAC, METAL, "macOS", ""),
        (LINUX, CPU_BUILD, "No NVIDIA GPU", "--gpus all"),
        (Platform("Linux", "x86_64", nvidia_gpu=True), CPU_BUILD, "no driver", "Install the NVIDIA driver"),
        (
            Platform("Linux", "x86_64", nvidia_driver=True),
            CPU_BUILD,
            "CPU-only build",
            "--index-url https://",
        ),
        (Platform("Linux", "x86_64", nvidia_driver=True), CUDA_BUILD, "CUDA 12.6", "nvidia-smi"),
        (Platform("Linux", "x86_64", nvidia_driver=True, hidden=True), CUDA_BUILD, "CUDA_VISIBLE", "Unset"),
    ],
)
def test_a_missing_nvidia_gpu_is_explained(
    here: Platform, build: TorchBuild, reason: str, remedy: str
) -> None:
    verdict = cuda(here, build)
    assert not verdict.available
    assert reason in verdict.reason
    assert remedy in verdict.remedy


def card(capability: tuple[int, int], *architectures: str) -> TorchBuild:
    return TorchBuild(
        "2.13.0+cu126",
        cuda_version="12.6",
        cuda_available=True,
        cuda_name="NVIDIA A100",
        cuda_memory=40 * 1024**3,
        cuda_capability=capability,
        cuda_architectures=architectures,
    )


def test_an_nvidia_gpu_is_usable_where_torch_has_code_for_it() -> None:
    here = Platform("Linux", "x86_64", nvidia_driver=True)
    for build in (card((8, 0), "sm_75", "sm_80"), card((8, 6), "sm_80"), card((12, 0), "compute_90")):
        verdict = cuda(here, build)
        assert (verdict.available, verdict.device_name) == (True, "NVIDIA A100")
        assert verdict.memory_bytes == 40 * 1024**3
    too_old = cuda(here, card((5, 0), "sm_75", "sm_80", "compute_90"))
    assert not too_old.available
    assert "not supported by PyTorch 2.13.0+cu126" in too_old.reason
    assert not cuda(here, card((9, 0), "sm_75", "sm_80")).available  # binary code of another generation
    assert not cuda(here, card((8, 0), "sm_75", "sm_86")).available


def test_auto_prefers_cuda_and_never_takes_the_apple_gpu_on_its_own(
    monkeypatch: pytest.MonkeyPatch, devices: Devices
) -> None:
    pretend(monkeypatch, Platform("Linux", "x86_64", nvidia_driver=True), card((8, 0), "sm_80"))
    assert resolve_accelerator("auto")[0].name == "cuda"
    pretend(monkeypatch, MAC, METAL)
    chosen, notices = resolve_accelerator("auto")
    assert chosen.name == "cpu"
    assert notices == (notice("gpu_only_by_hand"),)
    by_hand, notices = resolve_accelerator("mps")
    assert by_hand.available
    assert notices == ()  # what is to be said of it depends on its self-check
    pretend(monkeypatch, LINUX, CPU_BUILD)
    assert devices.resolve("auto").name == "cpu"
    assert resolve_accelerator("auto")[1] == (notice("no_gpu"),)
    assert resolve_accelerator("cpu")[1] == ()


def test_what_is_not_there_is_refused_with_reason_and_remedy(
    monkeypatch: pytest.MonkeyPatch, devices: Devices
) -> None:
    pretend(monkeypatch, Platform("Linux", "x86_64", nvidia_driver=True), CPU_BUILD)
    with pytest.raises(DeviceUnavailable, match="CPU-only build") as caught:
        devices.resolve("cuda")
    assert "pip install" in str(caught.value)
    assert caught.value.remedies[0].changes == {"accelerator": "cpu"}
    with pytest.raises(BadInput, match="abacus"):
        devices.resolve("abacus")


def test_the_machine_is_probed_once(monkeypatch: pytest.MonkeyPatch, devices: Devices) -> None:
    pretend(monkeypatch, LINUX, CPU_BUILD)
    first: list[Accelerator] = devices.accelerators()
    monkeypatch.setattr(_accelerators, "probe_torch", lambda: pytest.fail("probed again"))
    assert devices.accelerators() == first


def test_machine_facts_are_text_and_the_environment_names_versions(devices: Devices) -> None:
    facts = devices.machine()
    assert {"Processor", "Cores", "Memory", "System", "Python", "PyTorch"} <= set(facts)
    assert all(isinstance(value, str) and value for value in facts.values())
    assert environment()["scvi-tools"] != "not installed"


def test_memory_is_plausible_and_knows_a_containers_limit(
    monkeypatch: pytest.MonkeyPatch, devices: Devices, tmp_path: Path
) -> None:
    used, available, total = devices.memory()
    assert 0 < used < total
    assert 0 < available <= total
    (tmp_path / "memory.max").write_text("1000000000\n")
    (tmp_path / "memory.current").write_text("700000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000000\nactive_file 200000000\n")
    monkeypatch.setattr(_machine, "_CGROUP", tmp_path)
    assert devices.memory()[1:] == (600_000_000, 1_000_000_000)
    (tmp_path / "memory.stat").write_text("anon 1\n")  # what is only cached is not told
    assert devices.memory()[1] == 300_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert devices.memory()[2] == total


def test_bfloat16_is_not_for_an_old_gpu_or_an_old_macos(
    monkeypatch: pytest.MonkeyPatch, devices: Devices
) -> None:
    import torch

    for able, card_says, mac_says in ((True, "", ""), (False, "too old for bfloat16", "needs macOS 14")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda able=able, **_: able)
        monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_, able=able: able)
        _accelerators.bfloat16_obstacle.cache_clear()
        assert card_says in devices.bfloat16_obstacle("cuda")
        assert mac_says in devices.bfloat16_obstacle("mps")
        assert bool(devices.bfloat16_obstacle("cuda")) is bool(devices.bfloat16_obstacle("mps")) is not able
    _accelerators.bfloat16_obstacle.cache_clear()


@pytest.mark.parametrize(("plugged", "text"), [(True, "mains"), (False, "battery")])
def test_power_is_told_where_there_is_a_battery(
    monkeypatch: pytest.MonkeyPatch, devices: Devices, plugged: bool, text: str
) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(
        psutil, "sensors_battery", lambda: SimpleNamespace(power_plugged=plugged), raising=False
    )
    assert text in devices.machine()["Power"]
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    assert "Power" not in devices.machine()


def test_a_command_that_is_missing_or_fails_says_nothing() -> None:
    assert _machine.run("no-such-command") == ""
    assert _machine.run("false") == ""
    assert _machine.run("echo", "hello") == "hello"


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Linux computer without any trace of NVIDIA."""
    monkeypatch.setattr(_accelerators.platform, "system", lambda: "Linux")
    monkeypatch.setattr(_accelerators.Path, "exists", lambda path: False)
    monkeypatch.setattr(_accelerators.shutil, "which", lambda name: None)
    monkeypatch.setattr(_accelerators, "run", lambda *command: "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    "trace", ["/proc/driver/nvidia/version", "/usr/lib/wsl/lib/nvidia-smi", "nvidia-smi"]
)
def test_any_trace_of_an_nvidia_driver_is_one(linux: pytest.MonkeyPatch, trace: str) -> None:
    assert not _accelerators.probe_platform().nvidia_driver
    linux.setattr(_accelerators.Path, "exists", lambda path: str(path) == trace)
    linux.setattr(_accelerators.shutil, "which", lambda name: name if name == trace else None)
    assert _accelerators.probe_platform().nvidia_driver is (trace != "nvidia-smi")  # a tool without a card
    linux.setattr(_accelerators, "run", lambda *command: "GPU 0: A100" if command[0] == "nvidia-smi" else "")
    assert _accelerators.probe_platform().nvidia_driver


@pytest.mark.parametrize(("value", "hidden"), [("", True), ("-1", True), ("NoDevFiles", True), ("0", False)])
def test_cards_that_the_environment_hides_are_hidden(
    linux: pytest.MonkeyPatch, value: str, hidden: bool
) -> None:
    assert not _accelerators.probe_platform().hidden
    linux.setenv("CUDA_VISIBLE_DEVICES", value)
    assert _accelerators.probe_platform().hidden is hidden


@pytest.mark.parametrize(
    ("info", "able"),
    [
        ("flags\t: fpu avx512f avx512_bf16", True),
        ("flags : amx_bf16", True),
        ("Features : fp asimd bf16", True),
        ("flags : avx2 avx512f", False),
        ("model name : bf16", False),
        ("", False),
    ],
)
def test_a_processor_says_whether_it_has_bfloat16(
    linux: pytest.MonkeyPatch, devices: Devices, tmp_path: Path, info: str, able: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{info}\n")
    linux.setattr(_accelerators, "_CPU_INFO", tmp_path / "cpuinfo")
    _accelerators.bfloat16_obstacle.cache_clear()
    try:
        obstacle = devices.bfloat16_obstacle("cpu")
    finally:
        _accelerators.bfloat16_obstacle.cache_clear()
    assert (obstacle == "") is able
    assert able or "no instructions for bfloat16" in obstacle


@pytest.mark.parametrize(("answer", "able"), [("1", True), ("0", False), ("", False)])
def test_a_mac_is_asked_for_bfloat16(
    monkeypatch: pytest.MonkeyPatch, devices: Devices, answer: str, able: bool
) -> None:
    monkeypatch.setattr(_accelerators.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(_accelerators, "run", lambda *command: answer if command[-1].endswith("BF16") else "")
    _accelerators.bfloat16_obstacle.cache_clear()
    try:
        assert (devices.bfloat16_obstacle("cpu") == "") is able
    finally:
        _accelerators.bfloat16_obstacle.cache_clear()


def test_a_processor_is_called_what_the_system_calls_it(linux: pytest.MonkeyPatch) -> None:
    told = "processor : 0\nmodel : 7\nmodel name : AMD EPYC 7B13\nmodel name : another\n"
    for text, name in ((told, "AMD EPYC 7B13"), ("model name : \n", "riscv64 processor")):
        linux.setattr(_machine.Path, "read_text", lambda path, text=text, **_: text)
        linux.setattr(_machine.platform, "machine", lambda: "riscv64")
        _machine.cpu_name.cache_clear()
        try:
            assert _machine.cpu_name() == name
        finally:
            _machine.cpu_name.cache_clear()


def test_a_mac_that_translates_for_another_processor_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accelerators.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(_accelerators.platform, "mac_ver", lambda: ("14.5", (), ""))
    for answer, translated in (("1", True), ("0", False), ("", False)):
        monkeypatch.setattr(_accelerators, "run", lambda *command, answer=answer: answer)
        here = _accelerators.probe_platform()
        assert (here.rosetta, here.macos) == (translated, "14.5")


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        (None, ("0", "1")),
        ("1", ("1",)),
        ("GPU-a,0", ("GPU-a", "0")),
        ("0,-1,1", ("0",)),
        ("", ()),
        ("-1", ()),
    ],
)
def test_cards_are_counted_as_cuda_would(tmp_path: Path, visible: str | None, cards: tuple[str, ...]) -> None:
    for address in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / address).mkdir(parents=True)
    env = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert cuda_cards(env, tmp_path) == cards


def test_without_a_driver_there_is_no_card(tmp_path: Path) -> None:
    assert cuda_cards({"CUDA_VISIBLE_DEVICES": "0,1"}, tmp_path) == ()
