"""The land of the Earth: a mask in cells of 1.5 degrees, north to south, west to east.

Made from GLOBE, the Global Land One-kilometer Base Elevation of NOAA (a work of the United States
Government, in the public domain), in the form in which the package global-land-mask 1.0.0 carries
it: a cell is land if half of its square kilometres are. Packed bits, zlib, base 85.
"""

from __future__ import annotations

import base64
import zlib
from functools import cache
from typing import Final

__all__ = ["COLUMNS", "ROWS", "is_land"]

ROWS: Final = 120
COLUMNS: Final = 240

_PACKED: Final = (
    "c-q~Ty>App6u{pw&W$6VyzaOHWnHDk5>jLYx;^n1P*Ndxp@TA!h-XnmXpqc*aDNAt2U!9NkXs5Q7C92_1`4l"
    "~^}NjY$KKjfXpnf#?e6bp=6%lt_~t_8d8EKIM0|M;MLbZn10c28rcU9k>bar<pmQG*xPT|ErVYT3{j!<R>wi"
    "6OfE%iW2w>Pk;UELJ1yGrtl}teWQ-r0gd-=A564B~1qg0*JQ;)egMrD+zOzR-E1!{@-T(uvMn+-&5xcX+OR`"
    "RA$$KmIb-yb(x6Mee+a)?g)!u~#zh1r<nCq(Y)%s!nJf3ptu0pxy(QNXVK2Rhm*SJ1PBq10w-A8u|FeQfb1r"
    "JbX7QNy0LAf-$|AxcBv*hsc<+ldMVSunjbGohbClWh9{U=4_VbaZkQXbY`%q<UT&Yk#@K0&N_v4AtSgRz#h8"
    "uyN9AeK3?QQ&-f1;_0?O#L1bDuTk-VPK(SHDP7mOcpgQtYrpVdQ9@r^S~ZoUCn+@wRxb`37ePr=YAvsS{j~J"
    "vCe*%E@U!3e&cqjALaC#2y5=Ye`cLQJ6X)rb75byp<!EHug>3iMm64KAq@jc=Jo3(b6bk9GryNhcBkP1dTZB"
    "BoYCtz6EWCOWmjn8PH0kQ-pCKq#)?{>x<ZqZMgDCrn!z*cgmvo&uYz2CVRMlaVtesD%fi5NRBe_UuIWy^L=s"
    "^#hWKEHE@!Vro$BK#sSCPJI;305Gdtn*rX$`x;>y*++RUYiZ)vS#YvheBL2}N1ffyomYN<pX&dns?w_c72~)"
    "%3P+w!XR7;POJ#E$h5UwaN3sMQ1h{TnxRBlKy?SIYx=g?0fT!mNuf)<?il&Mk|{u)aCB%VdhGgwA5V=KmAd^"
    "%V}@VHFR@*!E=iC+A^V2C05j_R_Od;sH&4ftWtm1>_D-X+G}^_G2eDFDhD*pEa#*^$;k*+7Fk_4Qc45;=$hw"
    "Ao!!rlzOrAde^bgmWwm=388yM-lKD>4j8J4=%QmCJ`kQ(CyNp_8<iyi{g!b_Nsp}MFm;27s-d%*_)GjI-U++"
    "Alc9G8rCa$IyWsXbFu$~)ImeG1RjEOi4k+H#S8fdq|_F@f>&_&Ej(vIvL6s04HN+NA9944C!srY(IF5Fp<E#"
    "H|;E~M+>>87rP-){8T_?`4(=I)0m@4dqhv9J8>7Q|%TZF9BvVLA&c-5m^H;dZB6%yv4KL)T{fC^lHy>RT+pY"
    "CyX%2DU2xI6@2e#F}zIo48*K1+Jd!heXM7MF1&&6ZsEcwv@#"
)


@cache
def _mask() -> bytes:
    return zlib.decompress(base64.b85decode(_PACKED))


def is_land(latitude_deg: float, longitude_deg: float) -> bool:
    """Return whether there is land at a place [deg]."""
    row = min(ROWS - 1, max(0, int((90.0 - latitude_deg) * ROWS / 180.0)))
    column = int((longitude_deg + 180.0) % 360.0 * COLUMNS / 360.0) % COLUMNS
    at = row * COLUMNS + column
    return bool(_mask()[at // 8] >> (7 - at % 8) & 1)
