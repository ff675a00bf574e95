"""Sensors of the hil-agent program, read from /proc and /sys trees as real boards show them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hil.rig.calls import Timing
from hil.rig.rig import Rig
from hil.wire.messages import Health, Hello, Rail, Reading, Sensors

from .test_process_board import Pipes, piped, tree

__all__ = ["piped"]  # a fixture

MakePiped = Callable[..., tuple[Rig, Pipes]]
OFF = "\0off"
"""A zone that is switched off: reading it fails, as reading a folder does, which stands for it."""
CPUFREQ = "sys/devices/system/cpu/cpufreq"


def zones(*named: tuple[str, str]) -> dict[str, str]:
    files = {}
    for i, (type_, temp) in enumerate(named):
        files[f"sys/class/thermal/thermal_zone{i}/type"] = f"{type_}\n"
        files[f"sys/class/thermal/thermal_zone{i}/temp"] = temp if temp == OFF else f"{temp}\n"
    return files


def ina3221(hwmon: int, *channels: tuple[str, int, int]) -> dict[str, str]:
    """Three channels, the shunts' own voltages and their sum, as the kernel's driver shows them."""
    base = f"sys/class/hwmon/hwmon{hwmon}"
    files = {f"{base}/name": "ina3221\n"}
    for i, (label, mv, ma) in enumerate(channels, 1):
        files[f"{base}/in{i}_label"] = f"{label}\n"
        files[f"{base}/in{i}_input"] = f"{mv}\n"
        files[f"{base}/curr{i}_input"] = f"{ma}\n"
        files[f"{base}/in{i + 3}_input"] = f"{ma * 5 // 1000}\n"
    files[f"{base}/in7_label"] = "sum of shunt voltages\n"
    files[f"{base}/in7_input"] = "12\n"
    files[f"{base}/curr4_input"] = "9999\n"
    return files


PI_3B = {
    "proc/device-tree/model": "Raspberry Pi 3 Model B Rev 1.2\0",
    "proc/device-tree/serial-number": "00000000a1b2c3d4\0",
    "proc/meminfo": "MemTotal:         945364 kB\nMemFree: 1 kB\nMemAvailable:     750000 kB\n",
    **zones(("cpu-thermal", "48312")),
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon0/temp1_input": "48312\n",
    "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "0\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1200000\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
}
PI_4B = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n\nRevision\t: c03114\n"
    "Serial\t\t: 10000000abcdef01\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n",
    "proc/meminfo": "MemTotal:        3884544 kB\nMemAvailable:    3145728 kB\n",
    **zones(("cpu-thermal", "61835")),
    f"{CPUFREQ}/policy0/scaling_cur_freq": "1500000\n",
}
PI_5 = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "proc/device-tree/serial-number": "7e4b3a2c91d05f18\0",
    "proc/meminfo": "MemTotal:        8256848 kB\nMemAvailable:    7700000 kB\n",
    **zones(("cpu-thermal", "52900")),
    "sys/class/hwmon/hwmon2/name": "pwmfan\n",
    "sys/class/hwmon/hwmon2/fan1_input": "2988\n",
    "sys/class/hwmon/hwmon2/pwm1": "75\n",
    "sys/class/hwmon/hwmon3/name": "rp1_adc\n",
    "sys/class/hwmon/hwmon3/in1_input": "1462\n",
    "sys/class/hwmon/hwmon3/temp1_input": "45832\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
    "sys/devices/platform/axi/axi:firmware/get_throttled": "0\n",
}
ORIN_ZONES = (
    ("cpu-thermal", "49281"),
    ("gpu-thermal", OFF),
    ("cv0-thermal", OFF),
    ("cv1-thermal", OFF),
    ("cv2-thermal", OFF),
    ("soc0-thermal", "47812"),
    ("soc1-thermal", "48375"),
    ("soc2-thermal", "47031"),
    ("tj-thermal", "49343"),
)
ORIN_NANO = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
    "proc/device-tree/serial-number": "1421023012345\0",
    "proc/meminfo": "MemTotal:        7802732 kB\nMemAvailable:    6000000 kB\n",
    **zones(*ORIN_ZONES),
    **ina3221(1, ("VDD_IN", 4984, 1048), ("VDD_CPU_GPU_CV", 4984, 176), ("VDD_SOC", 4984, 288)),
    "sys/class/hwmon/hwmon0/name": "pwm_tach\n",
    "sys/class/hwmon/hwmon0/rpm": "1724\n",
    "sys/class/hwmon/hwmon2/name": "pwmfan\n",
    "sys/class/hwmon/hwmon2/pwm1": "88\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "729600\n",
    "var/lib/nvpmodel/status": "pmode:0001\n",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n"
    "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< PM_CONFIG DEFAULT=0 >\n",
}
ORIN_NX = {
    **ORIN_NANO,
    "proc/device-tree/model": "NVIDIA Jetson Orin NX Engineering Reference Developer Kit\0",
    **zones(("CPU-therm", OFF), *ORIN_ZONES[1:]),  # the hottest place of the chip is left
    **ina3221(1, ("VDD_IN", 5080, 1500), ("VDD_CPU_GPU_CV", 5072, 320), ("VDD_SOC", 5064, -8)),
}
AGX_ORIN = {
    "proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
    "proc/device-tree/serial-number": "1424822073211\0",
    "proc/meminfo": "MemTotal:       31264972 kB\nMemAvailable:   30000000 kB\n",
    **zones(
        ("CPU-therm", "47500"),
        ("GPU-therm", "-256000"),
        ("tj-therm", "47900"),
        ("tdiode_tmp451", "44250"),
    ),
    **ina3221(
        3, ("VDD_GPU_SOC", 19904, 160), ("VDD_CPU_CV", 19904, 40), ("VIN_SYS_5V0", 4992, 672)
    ),
    **ina3221(4, ("NC", 0, 0), ("VDDQ_VDD2_1V8AO", 4992, 160), ("NC", 0, 0)),
    f"{CPUFREQ}/policy0/scaling_cur_freq": "2201600\n",
    f"{CPUFREQ}/policy4/scaling_cur_freq": "729600\n",
}
PC_INTEL = {
    "sys/class/dmi/id/product_name": "OptiPlex 7090\n",
    "sys/class/dmi/id/product_serial": "To be filled by O.E.M.\n",
    "proc/meminfo": "MemTotal:       16265212 kB\nMemAvailable:   12000000 kB\n",
    **zones(("acpitz", "27800"), ("iwlwifi_1", "39000"), ("x86_pkg_temp", "56000")),
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "4400211\n",
}
PI_ZERO_2W = {
    "proc/cpuinfo": "processor\t: 0\nHardware\t: BCM2835\nSerial\t\t: 00000000d1e2f3a4\n"
    "Model\t\t: Raspberry Pi Zero 2 W Rev 1.0\n",
    "proc/meminfo": "MemTotal:         425736 kB\nMemAvailable:     300000 kB\n",
    **zones(("cpu-thermal", "-256000")),
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon0/temp1_input": "47236\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "e0008\n",
}
QEMU_ARM = {  # no serial number was given to it, and no sane value to the rest
    "proc/device-tree/model": "linux,dummy-virt\0",
    "proc/cpuinfo": "Serial\t\t: 0000000000000000\n",
    "proc/meminfo": "MemTotal: 8796093022208 kB\nMemAvailable: 99999999999999999999 kB\n",
    **zones(("cpu-thermal", "30000")),
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "4294967294\n",
}
PC_AMD = {
    "sys/class/dmi/id/product_name": "X570 AORUS\n",
    "sys/class/dmi/id/product_serial": "SN-4711\n",
    **zones(("acpitz", "16800")),
    "sys/class/hwmon/hwmon0/name": "nvme\n",
    "sys/class/hwmon/hwmon0/temp1_input": "38850\n",
    "sys/class/hwmon/hwmon1/name": "k10temp\n",
    "sys/class/hwmon/hwmon1/temp1_input": "44375\n",
}


def plant(root: Path, files: Mapping[str, str]) -> str:
    for name, content in files.items():
        if content == OFF:
            (root / name).mkdir(parents=True)
    return tree(root, {k: v for k, v in files.items() if v != OFF})


@pytest.fixture
def read(tmp_path: Path, piped: MakePiped) -> Callable[[Mapping[str, str]], tuple[Hello, Health]]:
    def read(files: Mapping[str, str]) -> tuple[Hello, Health]:
        rig, _ = piped("--sys-root", plant(tmp_path, files))
        hello = rig.nodes[0].hello
        assert hello is not None
        return hello, rig.health(rig.nodes)["n0"]

    return read


Read = Callable[[Mapping[str, str]], tuple[Hello, Health]]


@pytest.mark.parametrize(
    ("files", "model", "serial", "memory_mib", "temp_mc", "clock_khz", "throttled"),
    [
        (
            PI_3B,
            "Raspberry Pi 3 Model B Rev 1.2",
            "00000000a1b2c3d4",
            923,
            48312,
            1_200_000,
            0x50005,
        ),
        (PI_4B, "Raspberry Pi 4 Model B Rev 1.4", "10000000abcdef01", 3793, 61835, 1_500_000, None),
        (PI_5, "Raspberry Pi 5 Model B Rev 1.0", "7e4b3a2c91d05f18", 8063, 52900, 2_400_000, 0),
        (ORIN_NANO, "NVIDIA Jetson Orin Nano Enginee", "1421023012345", 7619, 49281, 729_600, None),
        (ORIN_NX, "NVIDIA Jetson Orin NX Engineeri", "1421023012345", 7619, 49343, 729_600, None),
        (
            AGX_ORIN,
            "NVIDIA Jetson AGX Orin Develope",
            "1424822073211",
            30532,
            47500,
            2_201_600,
            None,
        ),
        (PC_INTEL, "OptiPlex 7090", "", 15883, 56000, 4_400_211, None),
        (PC_AMD, "X570 AORUS", "SN-4711", 0, 44375, None, None),
        (
            PI_ZERO_2W,
            "Raspberry Pi Zero 2 W Rev 1.0",
            "00000000d1e2f3a4",
            415,
            47236,
            600_000,
            0xE0008,
        ),
        (QEMU_ARM, "linux,dummy-virt", "", 0, 30000, None, None),
    ],
    ids=[
        "pi-3b",
        "pi-4b",
        "pi-5",
        "orin-nano",
        "orin-nx",
        "agx-orin",
        "pc-intel",
        "pc-amd",
        "pi-zero-2w",
        "qemu-arm",
    ],
)
def test_a_board_says_who_and_how_it_is(
    read: Read,
    files: dict[str, str],
    model: str,
    serial: str,
    memory_mib: int,
    temp_mc: int,
    clock_khz: int | None,
    throttled: int | None,
) -> None:
    hello, health = read(files)
    assert (hello.board, hello.serial, hello.memory_mib) == (model, serial, memory_mib)
    assert health.cpu_temp_mc == temp_mc
    assert health.clock_khz == clock_khz
    assert health.throttled == throttled


# --- temperatures -------------------------------------------------------------------------------


@pytest.mark.parametrize("off", ["", OFF, "N/A", "-256000", "-2147483648", "99999999999999999999"])
def test_a_zone_that_is_off_is_not_the_processors_temperature(read: Read, off: str) -> None:
    _, health = read(zones(("cpu-thermal", off), ("gpu-thermal", "51000")))
    assert health.cpu_temp_mc is None


def test_frost_is_a_temperature(read: Read) -> None:
    assert read(zones(("cpu-thermal", "-12500")))[1].cpu_temp_mc == -12500


def test_a_gap_in_the_zones_hides_none(read: Read) -> None:
    files = {
        "sys/class/thermal/thermal_zone0/type": "gpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "40000\n",
        "sys/class/thermal/thermal_zone11/type": "cpu0-thermal\n",
        "sys/class/thermal/thermal_zone11/temp": "41000\n",
    }
    assert read(files)[1].cpu_temp_mc == 41000


@pytest.mark.parametrize(("others", "expected"), [((), 36000), ((("wifi", "51000"),), None)])
def test_a_zone_of_unknown_name_is_the_chips_only_if_there_is_no_other(
    read: Read, others: tuple[tuple[str, str], ...], expected: int | None
) -> None:
    assert read(zones(("exynos", "36000"), *others))[1].cpu_temp_mc == expected


# --- rails --------------------------------------------------------------------------------------


def test_the_rails_of_an_orin_nano_and_its_power(read: Read) -> None:
    _, health = read(ORIN_NANO)
    assert health.rails == (
        Rail("VDD_IN", 4984, 1048),
        Rail("VDD_CPU", 4984, 176),
        Rail("VDD_SOC", 4984, 288),
    )
    assert health.power_mw == 4984 * 1048 // 1000  # the others hang behind the input


def test_the_rails_of_an_agx_orin_and_their_sum(read: Read) -> None:
    """Two monitors; what is not connected, and the sum of the shunts, are no rails."""
    _, health = read(AGX_ORIN)
    assert [(r.name, r.mv, r.ma) for r in health.rails] == [
        ("VDD_GPU", 19904, 160),
        ("VDD_CPU", 19904, 40),
        ("VIN_SYS", 4992, 672),
        ("VDDQ_VD", 4992, 160),
    ]
    assert health.power_mw == (19904 * 200 + 4992 * 832) // 1000


@pytest.mark.parametrize(
    "broken",
    [
        {"sys/class/hwmon/hwmon1/curr2_input": OFF},
        {"sys/class/hwmon/hwmon1/in2_input": "\n"},
        {"sys/class/hwmon/hwmon1/in2_input": "4294967296\n"},
        {"sys/class/hwmon/hwmon1/in2_input": "999999\n"},
        {"sys/class/hwmon/hwmon1/curr2_input": "-2147483000\n"},
        {"sys/class/hwmon/hwmon1/in2_label": ""},
        {"sys/class/hwmon/hwmon1/curr2_input": "176 mA\n"},
    ],
)
def test_a_rail_that_cannot_be_read_is_left_out(read: Read, broken: dict[str, str]) -> None:
    _, health = read({**ORIN_NANO, **broken})
    assert [r.name for r in health.rails] == ["VDD_IN", "VDD_SOC"]


def test_a_board_without_rails_has_no_power(read: Read) -> None:
    _, health = read(PI_5)  # an ADC has voltages without currents
    assert (health.rails, health.power_mw) == ((), None)


def ina3221x(folder: str, *channels: tuple[str, int, int]) -> dict[str, str]:
    """Three channels as NVIDIA's driver up to JetPack 4 shows them."""
    files = {f"{folder}/name": "ina3221x\n"}
    for i, (label, mv, ma) in enumerate(channels):
        files[f"{folder}/rail_name_{i}"] = f"{label}\n"
        files[f"{folder}/in_voltage{i}_input"] = f"{mv}\n"
        files[f"{folder}/in_current{i}_input"] = f"{ma}\n"
        files[f"{folder}/in_power{i}_input"] = f"{mv * ma // 1000}\n"
        files[f"{folder}/crit_current_limit_{i}"] = "32760 ma\n"
    return files


DRIVER = "sys/bus/i2c/drivers/ina3221x"
TX2_40 = (("VDD_SYS_GPU", 19064, 8), ("VDD_SYS_SOC", 19064, 48), ("VDD_4V0_WIFI", 4800, 4))
TX2_41 = (("VDD_IN", 19072, 168), ("VDD_SYS_CPU", 19064, 16), ("VDD_SYS_DDR", 19064, 56))
TX2 = {
    f"{DRIVER}/bind": "",
    **ina3221x(f"{DRIVER}/0-0041/iio:device1", *TX2_41),
    **ina3221x(f"{DRIVER}/0-0040/iio:device0", *TX2_40),
}
TX2_RAILS = [
    ("SYS_GPU", 19064, 8),
    ("SYS_SOC", 19064, 48),
    ("4V0_WIF", 4800, 4),
    ("VDD_IN", 19072, 168),
    ("SYS_CPU", 19064, 16),
    ("SYS_DDR", 19064, 56),
]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(TX2, id="by the driver"),
        pytest.param(
            {
                **ina3221x("sys/bus/iio/devices/iio:device0", *TX2_40),
                **ina3221x("sys/bus/iio/devices/iio:device1", *TX2_41),
            },
            id="by the bus",
        ),
        pytest.param(
            {
                **TX2,
                **ina3221x("sys/bus/iio/devices/iio:device0", *TX2_40),
                **ina3221x("sys/bus/iio/devices/iio:device1", *TX2_41),
            },
            id="both show the same devices",
        ),
    ],
)
def test_the_six_rails_of_a_tx2_with_jetpack_4_and_its_input(
    read: Read, files: dict[str, str]
) -> None:
    _, health = read(files)
    assert [(r.name, r.mv, r.ma) for r in health.rails] == TX2_RAILS
    assert health.power_mw == 19072 * 168 // 1000


def test_the_rails_of_a_nano_have_names_of_their_own_and_are_not_added_to_the_input(
    read: Read,
) -> None:
    channels = (("POM_5V_IN", 5000, 600), ("POM_5V_GPU", 5000, 40), ("POM_5V_CPU", 5000, 200))
    _, health = read(ina3221x(f"{DRIVER}/6-0040/iio:device0", *channels))
    assert [r.name for r in health.rails] == ["5V_IN", "5V_GPU", "5V_CPU"]
    assert health.power_mw == 3000


def test_all_six_rails_of_a_board_without_an_input_rail_are_added(read: Read) -> None:
    first = (("GPU", 19000, 10), ("CPU", 19000, 20), ("SOC", 19000, 30))
    second = (("CV", 19000, 40), ("VDDRQ", 19000, 50), ("SYS5V", 5000, 60))
    _, health = read(
        {
            **ina3221x(f"{DRIVER}/1-0040/iio:device0", *first),
            **ina3221x(f"{DRIVER}/1-0041/iio:device1", *second),
        }
    )
    assert len(health.rails) == 6
    assert health.power_mw == 19 * 150 + 5 * 60


def test_rails_that_hwmon_shows_are_not_read_again_through_iio(read: Read) -> None:
    _, health = read({**ORIN_NANO, **TX2})
    assert [r.name for r in health.rails] == ["VDD_IN", "VDD_CPU", "VDD_SOC"]


@pytest.mark.parametrize(
    "broken",
    [
        {f"{DRIVER}/0-0041/iio:device1/in_current0_input": OFF},
        {f"{DRIVER}/0-0041/iio:device1/in_voltage0_input": ""},
        {f"{DRIVER}/0-0041/iio:device1/in_voltage0_input": "19072 mV\n"},
        {f"{DRIVER}/0-0041/iio:device1/in_voltage0_input": "190720000\n"},
        {f"{DRIVER}/0-0041/iio:device1/rail_name_0": "NC\n"},
        {f"{DRIVER}/0-0041/iio:device1/rail_name_0": ""},
    ],
)
def test_an_iio_channel_that_cannot_be_read_is_left_out(read: Read, broken: dict[str, str]) -> None:
    _, health = read({**TX2, **broken})
    left = [rail for rail in TX2_RAILS if rail[0] != "VDD_IN"]
    assert [(r.name, r.mv, r.ma) for r in health.rails] == left


# --- what HEALTH has no room for ----------------------------------------------------------------


@pytest.fixture
def sensors(tmp_path: Path, piped: MakePiped) -> Callable[[Mapping[str, str]], Sensors]:
    def sensors(files: Mapping[str, str]) -> Sensors:
        rig, _ = piped("--sys-root", plant(tmp_path, files))
        return rig.sensors(rig.nodes[0])

    return sensors


ReadAll = Callable[[Mapping[str, str]], Sensors]


def test_an_orin_reports_its_mode_its_fan_and_all_zones_that_are_on(sensors: ReadAll) -> None:
    told = sensors(ORIN_NANO)
    assert told.mode == "25W"
    assert told.readings == (
        Reading("fan_rpm", "pwm_tach", 1724),
        Reading("fan_permille", "pwmfan", 345),
        Reading("temperature_mc", "cpu-thermal", 49281),
        Reading("temperature_mc", "soc0-thermal", 47812),
        Reading("temperature_mc", "soc1-thermal", 48375),
        Reading("temperature_mc", "soc2-thermal", 47031),
        Reading("temperature_mc", "tj-thermal", 49343),
    )


def test_a_pi_5_reports_its_fan(sensors: ReadAll) -> None:
    told = sensors(PI_5)
    assert told.mode == ""
    assert [(r.kind, r.value) for r in told.readings] == [
        ("fan_rpm", 2988),
        ("fan_permille", 294),
        ("temperature_mc", 52900),
    ]


@pytest.mark.parametrize(
    ("status", "mode"),
    [("pmode:0002\n", "MAXN_SUPER"), ("pmode:0009\n", ""), ("fmode:quiet\n", ""), ("", "")],
)
def test_a_mode_has_the_name_that_the_board_gives_it(
    sensors: ReadAll, status: str, mode: str
) -> None:
    assert sensors({**ORIN_NANO, "var/lib/nvpmodel/status": status}).mode == mode


def test_more_zones_than_there_is_room_for(sensors: ReadAll) -> None:
    many = [(f"zone-with-a-long-name-{i}", str(i)) for i in range(40)]
    told = sensors({**PI_5, **zones(*many)})
    assert len(told.readings) == 24
    assert told.readings[0].kind == "fan_rpm"
    assert told.readings[2] == Reading("temperature_mc", "zone-with-a-lon", 0)


def test_a_machine_without_sensors_has_no_readings(sensors: ReadAll) -> None:
    assert sensors({}) == Sensors("", ())


# --- throttling ---------------------------------------------------------------------------------

MAILBOX = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The firmware of a Pi, in place of the kernel's character device. */
int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  uint32_t *m = va_arg(list, uint32_t *);
  va_end(list);
  char name[64], path[4096] = "";
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  if (readlink(name, path, sizeof path - 1) < 0 || !strstr(path, "/dev/vcio")) {
    int (*real)(int, unsigned long, ...) =
        (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, m);
  }
  const char *answer = getenv("FIRMWARE");
  if (request != _IOWR(100, 0, char *) || m[0] < 28 || m[0] > 64 || m[1] != 0 ||
      m[2] != 0x30046 || m[3] < 4 || m[4] & 0x80000000u || m[5] != 0 || m[6] != 0) {
    return -1; /* a clear mask other than 0 would forget what has occurred */
  }
  m[1] = strstr(answer, "refuse") ? 0x80000001u : 0x80000000u;
  m[4] = strstr(answer, "unknown") ? 0 : 0x80000004u;
  m[5] = 0x80008u;
  return 0;
}
"""


CSRC = Path(__file__).parents[2] / "csrc"
LAYERS = ("kernel", "kernel/workloads", "wire", "agent", "port/linux")


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler here, to make the firmware of")
    folder = tmp_path_factory.mktemp("firmware")
    (folder / "mailbox.c").write_text(MAILBOX)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", folder / "mailbox.so", folder / "mailbox.c", "-ldl"],
        check=True,
    )
    # One that can be given another ioctl(): the installed agent shares no library with anybody.
    sources = [path for layer in LAYERS for path in (CSRC / layer).glob("*.c")]
    defined = ("-std=c11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64")
    include = [f"-I{CSRC / layer}" for layer in LAYERS]
    linked = ("-no-pie", "-Wl,-z,now")  # as csrc/CMakeLists.txt has it
    made = ["-o", str(folder / "hil-agent"), *map(str, sources)]
    subprocess.run([compiler, *defined, *include, *linked, *made], check=True)
    return folder


@pytest.fixture
def asked(
    firmware: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, piped: MakePiped
) -> Callable[[str], int | None]:
    def ask(answer: str) -> int | None:
        monkeypatch.setenv("HIL_AGENT", str(firmware / "hil-agent"))
        monkeypatch.setenv("LD_PRELOAD", str(firmware / "mailbox.so"))
        monkeypatch.setenv("FIRMWARE", answer)
        root = plant(tmp_path, {**PI_3B, "dev/vcio": ""})
        rig, _ = piped("--sys-root", root)
        return rig.health(rig.nodes)["n0"].throttled

    return ask


@pytest.mark.slow  # an agent is compiled for it
def test_the_firmwares_mailbox_is_asked_first_and_forgets_nothing(
    asked: Callable[[str], int | None],
) -> None:
    assert asked("tell") == 0x80008


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["refuse", "unknown"])
def test_a_mailbox_that_does_not_know_is_passed_over(
    asked: Callable[[str], int | None], answer: str
) -> None:
    assert asked(answer) == 0x50005


def test_a_file_in_the_mailboxs_place_is_passed_over(read: Read) -> None:
    assert read({**PI_3B, "dev/vcio": "x"})[1].throttled == 0x50005


class Vcgencmd:
    """A script in the place of vcgencmd."""

    def __init__(self, root: Path, body: str) -> None:
        self.calls = root / "calls"
        path = root / "usr/bin/vcgencmd"
        path.parent.mkdir(parents=True)
        path.write_text(f'#!/bin/sh\necho "$*" >> {self.calls}\n{body}\n')
        path.chmod(0o755)


@pytest.fixture
def vcgencmd(tmp_path: Path, piped: MakePiped) -> Callable[[str], tuple[Rig, Vcgencmd]]:
    def make(body: str) -> tuple[Rig, Vcgencmd]:
        script = Vcgencmd(tmp_path, body)
        rig, _ = piped("--sys-root", plant(tmp_path, PI_4B))
        # Asked again, it would call the program again: on a busy computer that takes its time.
        rig.requests.timing = Timing(retry_us=20_000_000, lost_after_us=60_000_000)
        return rig, script

    return make


def test_vcgencmd_is_run_where_nothing_else_reports_throttling(
    vcgencmd: Callable[[str], tuple[Rig, Vcgencmd]],
) -> None:
    # Longer than the host waits before it asks again: a repeat is no second reading.
    rig, script = vcgencmd("sleep 0.06; echo throttled=0x70007")
    for _ in range(2):
        assert rig.health(rig.nodes)["n0"].throttled == 0x70007
    assert script.calls.read_text() == "get_throttled\n" * 2


@pytest.mark.parametrize(
    "body",
    ["exit 1", "echo VCHI initialization failed", "exec sleep 1000", "yes | head -c 100000"],
    ids=["fails", "babbles", "hangs", "floods"],
)
def test_a_vcgencmd_that_does_not_work_is_not_asked_again(
    vcgencmd: Callable[[str], tuple[Rig, Vcgencmd]], body: str
) -> None:
    rig, script = vcgencmd(body)
    for _ in range(5):
        assert rig.health(rig.nodes)["n0"].throttled is None
    assert script.calls.read_text() == "get_throttled\n"


def test_an_unreadable_tree_is_an_unknown_board(read: Read, tmp_path: Path) -> None:
    hello, health = read(dict.fromkeys((*PI_3B, *AGX_ORIN), OFF))
    assert (hello.board, hello.serial, hello.memory_mib) == ("", "", 0)
    assert hello.cores == os.sysconf("SC_NPROCESSORS_ONLN")
    told = (health.cpu_temp_mc, health.clock_khz, health.throttled, health.free_mib, health.rails)
    assert told == (None, None, None, None, ())
