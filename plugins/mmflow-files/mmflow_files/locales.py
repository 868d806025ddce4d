"""What spreadsheets of a country expect of a CSV file: which character parts cells, decimals, and how days are written.

From the Unicode CLDR's short numeric dates with a full year, and from the list separator that Windows sets with each.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Locale = Literal[
    "cs_CZ", "da_DK", "de_AT", "de_CH", "de_DE", "en_CA", "en_GB", "en_US", "es_ES", "es_MX", "fi_FI", "fr_CA", "fr_FR",
    "hu_HU", "it_IT", "ja_JP", "ko_KR", "nl_NL", "nb_NO", "pl_PL", "pt_BR", "pt_PT", "ro_RO", "sv_SE", "tr_TR", "zh_CN",
]  # fmt: skip


class Form(NamedTuple):
    """How the cells of a CSV file are parted, and numbers and times written in them."""

    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    date_format: str = "%Y-%m-%d"
    datetime_format: str = "%Y-%m-%dT%H:%M:%S%:z"


PLAIN: Final = Form()


def _write(delimiter: str, decimal: Literal[".", ","], day: str) -> Form:
    return Form(delimiter, decimal, day, f"{day} %H:%M")


LOCALES: Final[dict[str, Form]] = {
    "cs_CZ": _write(";", ",", "%d.%m.%Y"),
    "da_DK": _write(";", ",", "%d.%m.%Y"),
    "de_AT": _write(";", ",", "%d.%m.%Y"),
    "de_CH": _write(";", ".", "%d.%m.%Y"),
    "de_DE": _write(";", ",", "%d.%m.%Y"),
    "en_CA": _write(",", ".", "%Y-%m-%d"),
    "en_GB": _write(",", ".", "%d/%m/%Y"),
    "en_US": _write(",", ".", "%m/%d/%Y"),
    "es_ES": _write(";", ",", "%d/%m/%Y"),
    "es_MX": _write(",", ".", "%d/%m/%Y"),
    "fi_FI": _write(";", ",", "%d.%m.%Y"),
    "fr_CA": _write(";", ",", "%Y-%m-%d"),
    "fr_FR": _write(";", ",", "%d/%m/%Y"),
    "hu_HU": _write(";", ",", "%Y.%m.%d"),
    "it_IT": _write(";", ",", "%d/%m/%Y"),
    "ja_JP": _write(",", ".", "%Y/%m/%d"),
    "ko_KR": _write(",", ".", "%Y-%m-%d"),
    "nl_NL": _write(";", ",", "%d-%m-%Y"),
    "nb_NO": _write(";", ",", "%d.%m.%Y"),
    "pl_PL": _write(";", ",", "%d.%m.%Y"),
    "pt_BR": _write(";", ",", "%d/%m/%Y"),
    "pt_PT": _write(";", ",", "%d/%m/%Y"),
    "ro_RO": _write(";", ",", "%d.%m.%Y"),
    "sv_SE": _write(";", ",", "%Y-%m-%d"),
    "tr_TR": _write(";", ",", "%d.%m.%Y"),
    "zh_CN": _write(",", ".", "%Y/%m/%d"),
}
