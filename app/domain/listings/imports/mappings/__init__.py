"""Every kind of file we know. To add one, write a file like its neighbours and name it here."""

from __future__ import annotations

from app.domain.listings.imports.mapping import FileMapping
from app.domain.listings.imports.mappings import by_name, king_county, nyc_rolling_sales, reso_web_api

MAPPINGS: dict[str, FileMapping] = {
    mapping.name: mapping
    for mapping in (
        by_name.TABLE,
        reso_web_api.PROPERTY,
        king_county.SALES,
        king_county.FOR_SALE,
        nyc_rolling_sales.SALES,
    )
}
