"""Rolling sales of New York City's Department of Finance.

A row is one transfer. Its price may be 0 (a gift, an inheritance): then it has no price. The lot alone is not a home,
since all flats of a co-operative share one; the address carries the flat. Sizes of a co-op's row are those of nothing,
and of a rental building those of the whole building, as the file has them.
"""

from __future__ import annotations

from app.domain.listings.imports.mapping import Column, FileMapping

COUNTY_OF_BOROUGH = {"1": "New York", "2": "Bronx", "3": "Kings", "4": "Queens", "5": "Richmond"}

_HOME, _INCOME, _SALE = "Residential", "Residential Income", "Commercial Sale"
TYPE_OF_CLASS: dict[str, tuple[str, str | None]] = {
    "01 ONE FAMILY DWELLINGS": (_HOME, "Single Family Residence"),
    "02 TWO FAMILY DWELLINGS": (_INCOME, "Duplex"),
    "03 THREE FAMILY DWELLINGS": (_INCOME, "Triplex"),
    "04 TAX CLASS 1 CONDOS": (_HOME, "Condominium"),
    "05 TAX CLASS 1 VACANT LAND": ("Land", "Unimproved Land"),
    "06 TAX CLASS 1 - OTHER": (_HOME, None),
    "07 RENTALS - WALKUP APARTMENTS": (_INCOME, "Multi Family"),
    "08 RENTALS - ELEVATOR APARTMENTS": (_INCOME, "Multi Family"),
    "09 COOPS - WALKUP APARTMENTS": (_HOME, "Stock Cooperative"),
    "10 COOPS - ELEVATOR APARTMENTS": (_HOME, "Stock Cooperative"),
    "11 SPECIAL CONDO BILLING LOTS": (_HOME, None),
    "11A CONDO-RENTALS": (_INCOME, "Condominium"),
    "12 CONDOS - WALKUP APARTMENTS": (_HOME, "Condominium"),
    "13 CONDOS - ELEVATOR APARTMENTS": (_HOME, "Condominium"),
    "14 RENTALS - 4-10 UNIT": (_INCOME, "Multi Family"),
    "15 CONDOS - 2-10 UNIT RESIDENTIAL": (_HOME, "Condominium"),
    "16 CONDOS - 2-10 UNIT WITH COMMERCIAL UNIT": (_HOME, "Condominium"),
    "17 CONDO COOPS": (_HOME, "Stock Cooperative"),
    "21 OFFICE BUILDINGS": (_SALE, "Office"),
    "22 STORE BUILDINGS": (_SALE, "Retail"),
    "23 LOFT BUILDINGS": (_SALE, "Mixed Use"),
    "25 LUXURY HOTELS": (_SALE, "Hotel/Motel"),
    "26 OTHER HOTELS": (_SALE, "Hotel/Motel"),
    "27 FACTORIES": (_SALE, "Industrial"),
    "28 COMMERCIAL CONDOS": (_SALE, None),
    "29 COMMERCIAL GARAGES": (_SALE, None),
    "30 WAREHOUSES": (_SALE, "Warehouse"),
    "31 COMMERCIAL VACANT LAND": ("Land", "Unimproved Land"),
    "32 HOSPITAL AND HEALTH FACILITIES": (_SALE, None),
    "33 EDUCATIONAL FACILITIES": (_SALE, None),
    "34 THEATRES": (_SALE, None),
    "35 INDOOR PUBLIC AND CULTURAL FACILITIES": (_SALE, None),
    "36 OUTDOOR RECREATIONAL FACILITIES": (_SALE, None),
    "37 RELIGIOUS FACILITIES": (_SALE, None),
    "38 ASYLUMS AND HOMES": (_SALE, None),
    "39 TRANSPORTATION FACILITIES": (_SALE, None),
    "40 SELECTED GOVERNMENTAL FACILITIES": (_SALE, None),
    "41 TAX CLASS 4 - OTHER": (_SALE, None),
    "42 CONDO CULTURAL/MEDICAL/EDUCATIONAL/ETC": (_SALE, None),
    "43 CONDO OFFICE BUILDINGS": (_SALE, "Office"),
    "44 CONDO PARKING": (_HOME, "Deeded Parking"),
    "45 CONDO HOTELS": (_SALE, "Hotel/Motel"),
    "46 CONDO STORE BUILDINGS": (_SALE, "Retail"),
    "47 CONDO NON-BUSINESS STORAGE": (_HOME, None),
    "48 CONDO TERRACES/GARDENS/CABANAS": (_HOME, None),
    "49 CONDO WAREHOUSES/FACTORY/INDUS": (_SALE, "Warehouse"),
}

SALES = FileMapping(
    name="nyc_rolling_sales",
    title="New York City rolling sales",
    about="Property transfers as Closed listings; a transfer at 0 dollars has no price.",
    columns=(
        Column("BOROUGH", "county_or_parish", COUNTY_OF_BOROUGH),
        Column("NEIGHBORHOOD", "subdivision_name"),
        Column("BUILDING CLASS CATEGORY", "property_type", {name: kind for name, (kind, _) in TYPE_OF_CLASS.items()}),
        Column("BUILDING CLASS CATEGORY", "property_sub_type", {name: sub for name, (_, sub) in TYPE_OF_CLASS.items()}),
        Column("ADDRESS", "unparsed_address"),
        Column("APARTMENT NUMBER", "unit_number"),
        Column("ZIP CODE", "postal_code"),
        Column("LAND SQUARE FEET", "lot_size_square_feet"),
        Column("GROSS SQUARE FEET", "living_area"),
        Column("YEAR BUILT", "year_built"),
        Column("SALE PRICE", "close_price"),
        Column("SALE PRICE", "list_price"),
        Column("SALE DATE", "close_date"),
    ),
    key=("BOROUGH", "BLOCK", "LOT", "ADDRESS", "APARTMENT NUMBER", "SALE DATE"),
    may_be_blank=frozenset({"APARTMENT NUMBER"}),
    constants={"standard_status": "Closed", "state_or_province": "NY"},
)
